"""What the rules refuse, and what the hub's packages are."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//toolchains/npm:defs.bzl", "NpmPackagesInfo", "npm_bundle", "npm_bundle_manifest")
load("//toolchains/npm/private:npm_package.bzl", "npm_place")
load("//toolchains/testing:refusals.bzl", "refusals")

def _package_test_impl(ctx):
    env = analysistest.begin(ctx)
    packages = analysistest.target_under_test(env)[NpmPackagesInfo].packages.to_list()
    asserts.equals(env, ctx.attr.places, sorted([package.place for package in packages]))
    for package in packages:
        asserts.true(env, package.archive.extension == "tgz" and package.integrity.startswith("sha512-"), package.place)
    return analysistest.end(env)

_package_test = analysistest.make(_package_test_impl, attrs = {"places": attr.string_list()})

def rules_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    _package_test(
        name = name + "_debug",
        size = "small",
        places = ["node_modules/debug", "node_modules/ms"],
        target_under_test = "@npm_example//:debug",
    )
    _package_test(
        name = name + "_scoped",
        size = "small",
        places = ["node_modules/@noble/hashes"],
        target_under_test = "@npm_example//:@noble/hashes",
    )
    npm_place(
        name = "node_modules/ms",
        archive = "@npm_example//:ms",
        integrity = "sha512-other",
        package = "ms",
        tags = ["manual"],
        version = "9.9.9",
    )
    refusals(
        name = name + "_bundle",
        rule = npm_bundle,
        cases = {
            "define": ({"define": {"A=B": "1"}}, "npm_bundle: define must have names as keys; got \"A=B\""),
            "out": (
                {"out": "digest.wasm"},
                "npm_bundle: out must end in .js or .mjs or .cjs; got \"digest.wasm\" (hint: use \"digest.js\")",
            ),
            "two_locks": (
                {"deps": ["@npm_example//:ms", ":node_modules/ms"]},
                "npm_bundle: deps must have one package at node_modules/ms; got ms@2.1.3 and ms@9.9.9 (hint: take the packages of one lock)",
            ),
        },
        entry = "digest.ts",
    )
    refusals(
        name = name + "_manifest",
        rule = npm_bundle_manifest,
        cases = {
            "no_files": ({"srcs": []}, "npm_bundle_manifest: srcs must name at least one file; got none"),
            "origin": ({"origin": "two words"}, "npm_bundle_manifest: origin must be one word; got \"two words\""),
            "out": ({"out": "x.txt"}, "npm_bundle_manifest: out must end in .json; got \"x.txt\" (hint: use \"x.json\")"),
            "own_name": (
                {"out": "page.html.json", "srcs": ["page.html", "copies/page.html"]},
                "npm_bundle_manifest: srcs must have each name only once; got \"page.html\" twice",
            ),
        },
        origin = "source",
        srcs = ["page.html"],
    )
    native.test_suite(
        name = name,
        tests = [name + "_debug", name + "_scoped", name + "_bundle", name + "_manifest"],
    )
