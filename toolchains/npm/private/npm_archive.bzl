"""One package, fetched by hash."""

load("//toolchains/npm:fetch.bzl", "FETCH_ATTRS", "fetch_package")

_BUILD = """\
exports_files(["package.tgz"])
"""

def _npm_archive_impl(rctx):
    attr = rctx.attr
    fetch_package(rctx, attr.package, attr.version, attr.integrity, attr.node, attr.npm, "package.tgz")
    rctx.file("BUILD.bazel", _BUILD, executable = False)

npm_archive = repository_rule(
    implementation = _npm_archive_impl,
    doc = """\
Fetches one package of a lock by its sha512, when a build first needs it.

Where from is npm's own configuration of the machine. Nothing in the package is run.
""",
    attrs = FETCH_ATTRS | {
        "package": attr.string(doc = "Name of the package.", mandatory = True),
    },
)
