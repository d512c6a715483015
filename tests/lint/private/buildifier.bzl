"""buildifier, the formatter and linter of Bazel files, out of its npm package.

npm alone knows where its registry is. A machine without npm gets it from a locked wheel.
"""

def _buildifier_impl(repository_ctx):
    attr = repository_ctx.attr
    archive = "buildifier-{}.tgz".format(attr.version)

    # Bazel's repository cache knows the package by its hash; ask npm only when it is not there yet.
    found = repository_ctx.download(
        url = "file://" + str(repository_ctx.path("not-here.tgz")),
        output = archive,
        integrity = attr.integrity,
        allow_fail = True,
    )
    if not found.success:
        npm = repository_ctx.which("npm")
        command = [npm] if npm else [repository_ctx.path(attr.node), repository_ctx.path(attr.npm)]
        result = repository_ctx.execute(command + [
            "pack",
            "--silent",
            "--cache=" + str(repository_ctx.path("npm-cache")),
            "@bazel/buildifier@" + attr.version,
        ], timeout = 600)
        if result.return_code != 0:
            fail("could not fetch buildifier {}:\n{}{}".format(attr.version, result.stdout, result.stderr))
        packed = repository_ctx.path("bazel-" + archive)
        repository_ctx.download(url = "file://" + str(packed), output = archive, integrity = attr.integrity)
        repository_ctx.delete(packed)
        repository_ctx.delete("npm-cache")
    repository_ctx.extract(archive, stripPrefix = "package")
    repository_ctx.delete(archive)
    arch = {"aarch64": "arm64", "amd64": "amd64", "arm64": "arm64", "x86_64": "amd64"}[repository_ctx.os.arch]
    repository_ctx.symlink("buildifier-linux_" + arch, "buildifier")
    repository_ctx.file("BUILD.bazel", '"""The buildifier of this machine."""\n\nexports_files(["buildifier"])\n')

buildifier = repository_rule(
    doc = "The program `//:buildifier`, of one version and hash.",
    implementation = _buildifier_impl,
    attrs = {
        "integrity": attr.string(doc = "Hash of the package, as npm writes it.", mandatory = True),
        "node": attr.label(doc = "A node to run npm with where the machine has none.", mandatory = True),
        "npm": attr.label(doc = "npm's program, for that node.", mandatory = True),
        "version": attr.string(doc = "Version of the package.", mandatory = True),
    },
)
