"""The sources of this workspace as files that a test may copy."""

load("//tests/lint:walk.bzl", "walk")

_BUILD = '''"""Links to the sources of the workspace. files.json maps their names to the real ones."""

package(default_visibility = ["//visibility:public"])

exports_files(["files.json"])

filegroup(
    name = "files",
    srcs = {srcs},
)
'''

def _workspace_sources_impl(repository_ctx):
    root = repository_ctx.path(repository_ctx.attr.root).dirname
    links = {}
    for relative, path in sorted(walk(root, repository_ctx.attr.ignored), key = lambda file: file[0]):
        # Packages of the copy must not become packages of this repository.
        link = "tree/" + relative + (".link" if path.basename in ["BUILD", "BUILD.bazel", "MODULE.bazel", "WORKSPACE"] else "")
        repository_ctx.symlink(path, link)
        links[link] = relative
    repository_ctx.file("files.json", json.encode_indent(links))
    repository_ctx.file("BUILD.bazel", _BUILD.format(srcs = json.encode_indent(links.keys(), indent = "    ")))

workspace_sources = repository_rule(
    doc = "Links to the files of the workspace, `//:files`; `//:files.json` has their real names.",
    implementation = _workspace_sources_impl,
    attrs = {
        "ignored": attr.string_list(doc = "Files and folders that no nested build reads, from the root of the workspace."),
        "root": attr.label(doc = "A file in the root of the workspace.", mandatory = True),
    },
)
