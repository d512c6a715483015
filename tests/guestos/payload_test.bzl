"""The label flags of the node's programs: what is given goes into the image, and what cannot be a program is refused."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts", "unittest")
load("@bazel_skylib//rules:write_file.bzl", "write_file")

_REPLICA = str(Label("//ic-os/guestos:replica"))
_MALICIOUS_REPLICA = str(Label("//ic-os/guestos:malicious_replica"))
_PROGRAM = str(Label("//tests/guestos:program"))
_TWO_FILES = str(Label("//tests/guestos:two_programs"))

def _given_test_impl(ctx):
    env = analysistest.begin(ctx)
    words = [word for action in analysistest.target_actions(env) for word in action.argv or []]
    placed = [word for word in words if word.startswith("opt/ic/bin/replica=")]
    asserts.equals(env, ["opt/ic/bin/replica=0755=" + ctx.attr.expected], placed)
    return analysistest.end(env)

def _refused_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    if AnalysisFailureInfo not in target:
        unittest.fail(env, "{} took two files for one program".format(target.label))
        return analysistest.end(env)
    message = target[AnalysisFailureInfo].causes.to_list()[0].message.strip().split("\n")[-1]
    asserts.equals(
        env,
        "Error in fail: file_tree: files[\"opt/ic/bin/replica\"] must be one file; " +
        "got 2 files from {} (hint: name the file by its own label)".format(_TWO_FILES),
        message.strip(),
    )
    return analysistest.end(env)

_EXPECTED = {"expected": attr.string(doc = "The file, as the tool names its sources.", mandatory = True)}

_default_test = analysistest.make(_given_test_impl, attrs = _EXPECTED)
_given_test = analysistest.make(_given_test_impl, attrs = _EXPECTED, config_settings = {_REPLICA: _PROGRAM})
_given_malicious_test = analysistest.make(_given_test_impl, attrs = _EXPECTED, config_settings = {_MALICIOUS_REPLICA: _PROGRAM})
_refused_test = analysistest.make(_refused_test_impl, expect_failure = True, config_settings = {_REPLICA: _TWO_FILES})

def payload_suite(name):
    """All of them.

    Args:
        name: name of the suite.
    """
    write_file(
        name = "write_program",
        out = "program",
        content = ["#!/bin/sh"],
        tags = ["manual"],
    )
    native.filegroup(
        name = "two_programs",
        srcs = [
            "program",
            "status.py",
        ],
        tags = ["manual"],
    )
    dev = "//ic-os/guestos/envs/dev:root_files"
    malicious = "//ic-os/guestos/envs/dev-malicious:root_files"
    stand_in = "ic-os/guestos/payload/stand-in.sh"
    cases = {
        # test rule, target, file
        "default": (_default_test, dev, stand_in),
        "given": (_given_test, dev, "tests/guestos/program"),
        "malicious_default": (_default_test, malicious, "ic-os/guestos/payload/malicious-stand-in.sh"),
        "malicious_given": (_given_malicious_test, malicious, "tests/guestos/program"),
        "malicious_is_not_for_dev": (_given_malicious_test, dev, stand_in),
        "replica_is_not_for_malicious": (_given_test, malicious, "ic-os/guestos/payload/malicious-stand-in.sh"),
    }
    for case, (rule, target, expected) in cases.items():
        rule(
            name = "{}_{}".format(name, case),
            size = "small",
            target_under_test = target,
            expected = expected,
        )
    _refused_test(
        name = name + "_two_files",
        size = "small",
        target_under_test = dev,
    )
    native.test_suite(
        name = name,
        tests = ["{}_{}".format(name, case) for case in cases] + [name + "_two_files"],
    )
