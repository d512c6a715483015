"""Tests of //toolchains/npm/private:lock.bzl, and of what it refuses."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//toolchains/npm/private:lock.bzl", "closure", "decode_lock", "repository_name", "top_level")
load("//toolchains/testing:refusals.bzl", "refusals")

_SHA512 = "sha512-Aa+/" + "A" * 82 + "=="

def _package(**fields):
    return {"integrity": _SHA512, "version": "1.0.0"} | fields

def _lock(packages, version = 3):
    return json.encode({"lockfileVersion": version, "packages": {"": {"name": "x"}} | packages})

_PACKAGES = {
    # Its own b is another one than the others have, what it has inside of it is fetched with it, and of two machines'
    # packages only ours comes with it.
    "node_modules/@s/a": _package(
        bundleDependencies = ["inside"],
        dependencies = {"b": "1", "inside": "1"},
        optionalDependencies = {"gone": "1", "linux": "1", "macos": "1"},
    ),
    "node_modules/@s/a/node_modules/b": _package(version = "2.0.0", dependencies = {"c": "1"}),
    "node_modules/@s/a/node_modules/inside": {"inBundle": True, "version": "1.0.0"},
    "node_modules/b": _package(),
    # A circle, as registries allow it.
    "node_modules/c": _package(dependencies = {"d": "1"}),
    "node_modules/d": _package(
        peerDependencies = {"b": "1", "c": "1", "nobody": "1"},
        peerDependenciesMeta = {"nobody": {"optional": True}},
    ),
    "node_modules/linux": _package(cpu = ["x64"], libc = ["glibc"], optional = True, os = ["linux"]),
    "node_modules/macos": _package(optional = True, os = ["darwin"]),
    "node_modules/renamed": _package(name = "@s/original"),
}

def _closure_test_impl(ctx):
    env = unittest.begin(ctx)
    entries = decode_lock(_lock(_PACKAGES), "x")
    for name, places in {
        "@s/a": ["@s/a", "@s/a/node_modules/b", "b", "c", "d", "linux"],
        "b": ["b"],
        "c": ["b", "c", "d"],
        "macos": ["macos"],
    }.items():
        asserts.equals(env, ["node_modules/" + place for place in places], closure(entries, name, "x"), name)
    asserts.equals(env, ["@s/a", "b", "c", "d", "linux", "macos", "renamed"], top_level(entries))
    asserts.equals(env, "@s/original", entries["node_modules/renamed"].name)
    asserts.equals(env, "2.0.0", entries["node_modules/@s/a/node_modules/b"].version)
    asserts.equals(env, {}, decode_lock("\n", "x"))
    return unittest.end(env)

_closure_test = unittest.make(_closure_test_impl)

def _fits_test_impl(ctx):
    env = unittest.begin(ctx)
    for fields, expected in [
        ({}, True),
        ({"os": ["linux", "darwin"]}, True),
        ({"os": ["!win32"]}, True),
        ({"os": ["!linux"]}, False),
        ({"os": ["any"]}, True),
        ({"cpu": ["arm64"]}, False),
        ({"libc": ["musl"]}, False),
    ]:
        entries = decode_lock(_lock({"node_modules/a": _package(**fields)}), "x")
        asserts.equals(env, expected, entries["node_modules/a"].fits, str(fields))
    return unittest.end(env)

_fits_test = unittest.make(_fits_test_impl)

def _repository_name_test_impl(ctx):
    env = unittest.begin(ctx)
    for name, expected in {
        "@esbuild/linux-x64": "npm-esbuild-linux-x64-Aa-_AAAAAAAA",
        "ms": "npm-ms-Aa-_AAAAAAAA",
    }.items():
        asserts.equals(env, expected, repository_name(struct(name = name, integrity = _SHA512)))
    return unittest.end(env)

_repository_name_test = unittest.make(_repository_name_test_impl)

def _decodes_impl(ctx):
    """Calls the functions behind the module extension, as a target that a test can look at."""
    entries = decode_lock(ctx.attr.text, "x.json")
    if ctx.attr.package:
        closure(entries, ctx.attr.package, "x.json")
    return []

_decodes = rule(
    implementation = _decodes_impl,
    attrs = {
        "package": attr.string(),
        "text": attr.string(),
    },
)

def _one(**fields):
    return _lock({"node_modules/a": _package(**fields)})

_MENDED = "(hint: npm 7 and newer write it; restore the lock, or empty the file and refresh it)"
_WEAK = "(hint: have the package published anew, or take another version)"

_REFUSED = {
    "address": (
        {"text": _one(resolved = "https://registry.example/a/-/a-1.0.0.tgz")},
        "x.json: node_modules/a names an address, \"https://registry.example/a/-/a-1.0.0.tgz\" " +
        "(hint: npm's option omit-lockfile-registry-resolved leaves it out; refresh the lock with it)",
    ),
    "climbing_place": (
        {"text": _lock({"node_modules/../a": _package()})},
        "x.json: node_modules/../a must have a plain name and version; got \"1.0.0\" (hint: refresh the lock)",
    ),
    "git": (
        {"text": _one(resolved = "git+ssh://git.example/a.git#1234")},
        "x.json: node_modules/a names an address, \"git+ssh://git.example/a.git#1234\" " +
        "(hint: npm's option omit-lockfile-registry-resolved leaves it out; refresh the lock with it)",
    ),
    "lacks_dependency": (
        {"package": "a", "text": _one(dependencies = {"b": "1"})},
        "x.json: node_modules/a needs b, which is not in the lock (hint: refresh the lock)",
    ),
    "link": (
        {"text": _lock({"node_modules/a": {"link": True, "resolved": "packages/a"}})},
        "x.json: node_modules/a is a folder, not a package of a registry (hint: name files of the workspace as srcs)",
    ),
    "no_integrity": (
        {"text": _lock({"node_modules/a": {"version": "1.0.0"}})},
        "x.json: node_modules/a has no integrity, so nothing says what it is (hint: refresh the lock)",
    ),
    "not_a_lock": (
        {"text": "[]"},
        "x.json: lockfileVersion must be 3; got what is no lock " + _MENDED,
    ),
    "not_in_lock": (
        {"package": "b", "text": _one()},
        "x.json: b is not in the lock (hint: add it to package.json and refresh the lock)",
    ),
    "not_json": (
        {"text": "{"},
        "x.json: lockfileVersion must be 3; got what is no lock " + _MENDED,
    ),
    "old_lock": (
        {"text": _lock({}, version = 1)},
        "x.json: lockfileVersion must be 3; got 1 " + _MENDED,
    ),
    "sha1": (
        {"text": _one(integrity = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=")},
        "x.json: the integrity of node_modules/a must be one sha512; got \"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=\" " + _WEAK,
    ),
    "short_sha512": (
        {"text": _one(integrity = "sha512-AAAA")},
        "x.json: the integrity of node_modules/a must be one sha512; got \"sha512-AAAA\" " + _WEAK,
    ),
    "version": (
        {"text": _one(version = "1.0.0 || 2")},
        "x.json: node_modules/a must have a plain name and version; got \"1.0.0 || 2\" (hint: refresh the lock)",
    ),
    "workspace": (
        {"text": _lock({"packages/a": {"version": "1.0.0"}})},
        "x.json: packages/a is a folder, not a package of a registry (hint: name files of the workspace as srcs)",
    ),
}

def lock_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    unittest.suite(name, _closure_test, _fits_test, _repository_name_test)
    refusals(
        name = name + "_refuses",
        rule = _decodes,
        cases = _REFUSED,
    )
