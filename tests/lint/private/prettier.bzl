"""prettier, the formatter of TypeScript, out of its npm package."""

load("//toolchains/npm:fetch.bzl", "FETCH_ATTRS", "fetch_package")

_BUILD = '''"""prettier: `bin/prettier.cjs` is the program, which loads what else is in `files`."""

package(default_visibility = ["//visibility:public"])

exports_files(["bin/prettier.cjs"])

filegroup(
    name = "files",
    srcs = glob([
        "**/*.cjs",
        "**/*.mjs",
    ]) + ["package.json"],
)
'''

def _prettier_impl(repository_ctx):
    attr = repository_ctx.attr
    archive = "prettier-{}.tgz".format(attr.version)
    fetch_package(repository_ctx, "prettier", attr.version, attr.integrity, attr.node, attr.npm, archive)
    repository_ctx.extract(archive, stripPrefix = "package")
    repository_ctx.delete(archive)
    repository_ctx.file("BUILD.bazel", _BUILD)

prettier = repository_rule(
    doc = "The program `//:bin/prettier.cjs` for Node.js, of one version and hash.",
    implementation = _prettier_impl,
    attrs = FETCH_ATTRS,
)
