"""A version is constant, and depends on nothing, unless a build is stamped."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//toolchains/sysimage:defs.bzl", "VersionInfo", "version_file")

_STATUS = "stable-status.txt"

def _version_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    (action,) = [action for action in analysistest.target_actions(env) if action.mnemonic == "Version"]
    asserts.equals(env, ctx.attr.reads_status, _STATUS in [file.basename for file in action.inputs.to_list()])
    asserts.equals(env, [target[VersionInfo].file], target[DefaultInfo].files.to_list())
    return analysistest.end(env)

_ATTRIBUTES = {"reads_status": attr.bool(doc = "Whether the workspace status is an input.")}

_version_test = analysistest.make(
    _version_test_impl,
    attrs = _ATTRIBUTES,
    config_settings = {"//command_line_option:stamp": False},
)

_stamped_version_test = analysistest.make(
    _version_test_impl,
    attrs = _ATTRIBUTES,
    config_settings = {"//command_line_option:stamp": True},
)

def version_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    tests = []
    for word, stamp, reads in [
        ("always", 1, [True, True]),
        ("as_asked", -1, [False, True]),
        ("never", 0, [False, False]),
    ]:
        target = "{}_{}".format(name, word)
        version_file(
            name = target,
            out = target + ".txt",
            stamp = stamp,
            tags = ["manual"],
        )
        for test, suffix, reads_status in zip([_version_test, _stamped_version_test], ["", "_stamped"], reads):
            tests.append("{}{}_test".format(target, suffix))
            test(
                name = tests[-1],
                size = "small",
                reads_status = reads_status,
                target_under_test = ":" + target,
            )
    native.test_suite(
        name = name,
        tests = tests,
    )
