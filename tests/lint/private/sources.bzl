"""Every source file of this repository, found by walking it.

A linter that is given a list of targets misses the package that nobody added. So this repository looks for itself: it
watches every folder of the workspace and links each file that some linter reads. It costs builds nothing:
only the lint tests depend on it.
"""

load("//tests/lint:walk.bzl", "walk")

_SHELLS = ["#!/bin/sh", "#!/bin/bash", "#!/bin/dash", "#!/usr/bin/env sh", "#!/usr/bin/env bash"]

def _language(name):
    """python, shell, bazel, typescript, or "" for what no linter reads."""
    if name.endswith(".py") or name.endswith(".pyi") or name in ["py.typed", "pyproject.toml"]:
        return "python"
    if name.endswith(".bzl") or name in ["BUILD", "BUILD.bazel", "MODULE.bazel", "WORKSPACE", "REPO.bazel"]:
        return "bazel"
    if name.endswith(".ts") or name == ".prettierrc.json":
        return "typescript"
    if name.endswith(".sh"):
        return "shell"
    return "unknown" if "." not in name.lstrip(".") else ""

_BUILD = '''"""Links to the sources of the workspace, by language. files.json maps their names to the real ones."""

package(default_visibility = ["//visibility:public"])

exports_files(["files.json"])
'''

_GROUP = '''
filegroup(
    name = "{name}",
    srcs = {srcs},
)
'''

def _sources_impl(repository_ctx):
    root = repository_ctx.path(repository_ctx.attr.root).dirname
    groups = {"bazel": {}, "python": {}, "shell": {}, "typescript": {}}
    for relative, path in sorted(walk(root), key = lambda file: file[0]):
        language = _language(path.basename)
        if language == "unknown":
            first = repository_ctx.read(path, watch = "yes").split("\n")[0]
            language = "shell" if any([first == shell or first.startswith(shell + " ") for shell in _SHELLS]) else ""
        if not language:
            continue

        # A file called BUILD would make a package of its folder, which no glob or label of this one could reach into.
        link = "tree/" + relative + (".link" if path.basename in ["BUILD", "BUILD.bazel"] else "")
        repository_ctx.symlink(path, link)
        groups[language][link] = relative
    for name, links in groups.items():
        if not links:
            fail("sources: no {} file was found below {}".format(name, root))
    repository_ctx.file("files.json", json.encode_indent(groups))
    repository_ctx.file("BUILD.bazel", _BUILD + "".join([
        _GROUP.format(name = name, srcs = json.encode_indent(links.keys(), indent = "    "))
        for name, links in groups.items()
    ]))

sources = repository_rule(
    doc = "Links to every source of the workspace that a linter reads: `//:python`, `//:shell`, `//:bazel`, `//:typescript`.",
    implementation = _sources_impl,
    attrs = {
        "root": attr.label(doc = "A file in the folder to walk.", mandatory = True),
    },
)
