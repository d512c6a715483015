"""Tests of //toolchains/debian/private:lock.bzl."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//toolchains/debian/private:lock.bzl", "closure", "decode_lock", "repository_name")

_SHA256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

_LOCK = """\
{
"version": 1,
"sets": [
{"name": "system", "base": "", "requests": ["aa"]},
{"name": "more", "base": "system", "requests": ["cc"]},
{"name": "most", "base": "more", "requests": ["ee"]},
{"name": "tool", "base": "", "requests": ["aa", "dd"]}
],
"packages": [
{"name": "aa", "sets": ["system", "tool"]},
{"name": "bb", "sets": ["system"]},
{"name": "cc", "sets": ["more"]},
{"name": "dd", "sets": ["tool"]},
{"name": "ee", "sets": ["most"]}
]
}
"""

def _closure_test_impl(ctx):
    env = unittest.begin(ctx)
    lock = decode_lock(_LOCK, "x")
    for name, names, essential in [
        ("system", ["aa", "bb"], ["aa", "bb"]),
        ("more", ["aa", "bb", "cc"], ["aa", "bb"]),
        ("most", ["aa", "bb", "cc", "ee"], ["aa", "bb"]),
        ("tool", ["aa", "dd"], ["aa", "dd"]),
    ]:
        found = closure(lock, name)
        asserts.equals(env, names, [package["name"] for package in found.packages], name)
        asserts.equals(env, essential, found.essential, name)
    asserts.equals(env, [], decode_lock("\n", "x")["packages"])
    return unittest.end(env)

_closure_test = unittest.make(_closure_test_impl)

def _repository_name_test_impl(ctx):
    env = unittest.begin(ctx)
    for name, expected in {
        "gcc-14-base": "deb-gcc-14-base-0123456789ab",
        "libc6": "deb-libc6-0123456789ab",
        "libdb5.3t64": "deb-libdb5.3t64-0123456789ab",
        "libstdc++6": "deb-libstdc_plus_plus6-0123456789ab",
    }.items():
        asserts.equals(env, expected, repository_name({"name": name, "sha256": _SHA256}))
    return unittest.end(env)

_repository_name_test = unittest.make(_repository_name_test_impl)

def lock_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    unittest.suite(name, _closure_test, _repository_name_test)
