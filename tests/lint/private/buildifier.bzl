"""buildifier, the formatter and linter of Bazel files, out of its npm package."""

load("//toolchains/npm:fetch.bzl", "FETCH_ATTRS", "fetch_package")

def _buildifier_impl(repository_ctx):
    attr = repository_ctx.attr
    archive = "buildifier-{}.tgz".format(attr.version)
    fetch_package(repository_ctx, "@bazel/buildifier", attr.version, attr.integrity, attr.node, attr.npm, archive)
    repository_ctx.extract(archive, stripPrefix = "package")
    repository_ctx.delete(archive)
    arch = {"aarch64": "arm64", "amd64": "amd64", "arm64": "arm64", "x86_64": "amd64"}[repository_ctx.os.arch]
    repository_ctx.symlink("buildifier-linux_" + arch, "buildifier")
    repository_ctx.file("BUILD.bazel", '"""The buildifier of this machine."""\n\nexports_files(["buildifier"])\n')

buildifier = repository_rule(
    doc = "The program `//:buildifier`, of one version and hash.",
    implementation = _buildifier_impl,
    attrs = FETCH_ATTRS,
)
