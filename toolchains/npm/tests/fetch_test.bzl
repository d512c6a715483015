"""Tests of what //toolchains/npm:fetch.bzl says; what npm says was written down as npm 11 says it."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//toolchains/npm:fetch.bzl", "failure_message", "mismatch_message")

_NOT_FOUND = """\
npm error code E404
npm error 404 Not Found - GET http://registry.example/nobody
npm error 404
npm error 404  The requested resource 'nobody@1.0.0' could not be found or you do not have permission to access it.
npm error A complete log of this run can be found in: /x.log
"""

_NO_VERSION = """\
npm error code ETARGET
npm error notarget No matching version found for ms@99.0.0.
npm error notarget In most cases you or one of your dependencies are requesting a package version that doesn't exist.
"""

_NO_REGISTRY = """\
npm error code ECONNREFUSED
npm error syscall connect
npm error errno ECONNREFUSED
npm error FetchError: request to http://registry.example/ms failed, reason: connect ECONNREFUSED
npm error     at ClientRequest.<anonymous> (/usr/lib/node_modules/npm/index.js:130:14)
"""

_GONE = " (hint: if the registry dropped it, refresh the lock; if it never had it, point npm's configuration at one that has)"
_UNABLE = " (hint: npm must be able to; its registry, proxy and certificates come from its configuration and environment)"

def _failure_test_impl(ctx):
    env = unittest.begin(ctx)
    for said, expected in {
        "": "npm said nothing" + _UNABLE,
        "Segmentation fault\n": "Segmentation fault" + _UNABLE,
        _NOT_FOUND: "E404: 404 Not Found - GET http://registry.example/nobody" + _GONE,
        _NO_REGISTRY: "ECONNREFUSED: FetchError: request to http://registry.example/ms failed, reason: connect ECONNREFUSED" + _UNABLE,
        _NO_VERSION: "ETARGET: notarget No matching version found for ms@99.0.0." + _GONE,
    }.items():
        asserts.equals(env, "ms@1.0.0: not fetched: " + expected, failure_message("ms", "1.0.0", said))
    return unittest.end(env)

_failure_test = unittest.make(_failure_test_impl)

def _mismatch_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(
        env,
        "ms@1.0.0: what the registry delivers is not sha512-AAAA (hint: the registry is damaged, or the lock is; neither is to " +
        "be believed before that is known)",
        mismatch_message("ms", "1.0.0", "sha512-AAAA"),
    )
    return unittest.end(env)

_mismatch_test = unittest.make(_mismatch_test_impl)

def fetch_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    unittest.suite(name, _failure_test, _mismatch_test)
