"""Tests of deb_set, of what it refuses, and of DebSetInfo."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//toolchains/debian:defs.bzl", "DebSetInfo", "deb_set")
load("//toolchains/debian/private:deb_set.bzl", "deb_package")
load("//toolchains/debian/private:lock.bzl", "closure", "decode_lock")

def _contents_test_impl(ctx):
    env = analysistest.begin(ctx)
    info = analysistest.target_under_test(env)[DebSetInfo]
    asserts.equals(env, ctx.attr.names, info.names)
    asserts.equals(env, [name + ".deb" for name in ctx.attr.names], [deb.basename for deb in info.debs])
    asserts.equals(env, ctx.attr.essential, info.essential)
    return analysistest.end(env)

_contents_test = analysistest.make(_contents_test_impl, attrs = {
    "essential": attr.string_list(),
    "names": attr.string_list(),
})

def _failure_test_impl(ctx):
    env = analysistest.begin(ctx)
    asserts.expect_failure(env, ctx.attr.message)
    return analysistest.end(env)

_failure_test = analysistest.make(_failure_test_impl, expect_failure = True, attrs = {"message": attr.string()})

def _calls_impl(ctx):
    """Calls a function that must fail, as a target so that a test can look at it."""
    if ctx.attr.call == "decode":
        decode_lock(ctx.attr.argument, "x.json")
    elif ctx.attr.call == "closure":
        closure(decode_lock("{\"version\": 1, \"sets\": [{\"name\": \"aa\", \"base\": \"\"}], \"packages\": []}", "x"), ctx.attr.argument)
    elif ctx.attr.call == "unsorted":
        DebSetInfo(debs = ctx.files.debs, names = ["two", "one"])
    elif ctx.attr.call == "alien":
        DebSetInfo(debs = ctx.files.debs, names = ["one"])
    elif ctx.attr.call == "essential_of_others":
        DebSetInfo(debs = ctx.files.debs, names = ["one"], essential = ["two"])
    elif ctx.attr.call == "count":
        DebSetInfo(debs = ctx.files.debs, names = ["one"])
    return []

_calls = rule(implementation = _calls_impl, attrs = {
    "argument": attr.string(),
    "call": attr.string(),
    "debs": attr.label_list(allow_files = True),
})

def deb_set_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    tests = []
    for package in ["one", "two", "three"]:
        deb_package(name = package, deb = package + ".deb", tags = ["manual"])

    deb_set(name = "pair", packages = [":two", ":one"], essential = ["one"], tags = ["manual"])
    deb_set(name = "trio", packages = [":pair", ":three", ":two"], tags = ["manual"])
    deb_set(name = "some", packages = [":trio"], only = ["t*"], tags = ["manual"])
    deb_set(name = "some_named", packages = [":trio"], only = ["two"], tags = ["manual"])
    for target, names, essential in [
        ("one", ["one"], []),
        ("some", ["three", "two"], []),
        ("some_named", ["two"], []),
        ("pair", ["one", "two"], ["one"]),
        ("trio", ["one", "three", "two"], []),
    ]:
        tests.append("{}_{}_test".format(name, target))
        _contents_test(name = tests[-1], target_under_test = ":" + target, names = names, essential = essential, size = "small")

    deb_set(name = "twice", packages = [":one", "//toolchains/debian/tests/other:one"], tags = ["manual"])
    deb_set(name = "lacks_essential", packages = [":one"], essential = ["four"], tags = ["manual"])
    deb_set(name = "only_others", packages = [":pair"], only = ["o*", "four*"], tags = ["manual"])
    deb_set(name = "twice_only", packages = [":pair"], only = ["one", "one"], tags = ["manual"])
    deb_set(name = "no_packages", packages = [], tags = ["manual"])
    deb_set(name = "twice_essential", packages = [":one"], essential = ["one", "one"], tags = ["manual"])
    _calls(name = "alien", call = "alien", debs = ["BUILD.bazel"], tags = ["manual"])
    _calls(name = "essential_of_others", call = "essential_of_others", debs = ["one.deb"], tags = ["manual"])
    _calls(name = "other_version", call = "decode", argument = "{\"version\": 2}", tags = ["manual"])
    _calls(name = "not_json", call = "decode", argument = "{", tags = ["manual"])
    _calls(name = "no_set", call = "closure", argument = "bb", tags = ["manual"])
    _calls(name = "unsorted", call = "unsorted", debs = ["one.deb", "two.deb"], tags = ["manual"])
    _calls(name = "count", call = "count", debs = ["one.deb", "two.deb"], tags = ["manual"])
    for target, message in {
        "alien": "DebSetInfo: debs must be a .deb file; got toolchains/debian/tests/BUILD.bazel",
        "count": "DebSetInfo: names must be as many as debs, 2; got 1",
        "essential_of_others": "DebSetInfo: essential must name packages of the set; got \"two\"",
        "lacks_essential": "deb_set: essential must name packages of the set; got \"four\"",
        "no_set": "the lock has no set \"bb\"; it has aa",
        "no_packages": "deb_set: packages must name at least one package or set; got none",
        "not_json": "x.json: not a package lock of version 1 (hint: restore it, or empty the file and refresh the lock)",
        "other_version": "x.json: not a package lock of version 1 (hint: restore it, or empty the file and refresh the lock)",
        "only_others": "deb_set: only must match packages of the set; got \"four*\"",
        "twice_only": "deb_set: only must name each only once; got \"one\" twice",
        "twice": "deb_set: packages must have one .deb for one; got toolchains/debian/tests/one.deb and toolchains/debian/tests/other/one.deb " +
                 "(hint: take the packages of one lock)",
        "twice_essential": "deb_set: essential must name each only once; got \"one\" twice",
        "unsorted": "DebSetInfo: names must be sorted and unique; got \"two\" before \"one\"",
    }.items():
        tests.append("{}_{}_test".format(name, target))
        _failure_test(name = tests[-1], target_under_test = ":" + target, message = message, size = "small")
    native.test_suite(name = name, tests = tests)
