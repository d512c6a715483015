"""The test that a rule refuses a bad attribute, with the exact message."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts", "unittest")

_BEFORE_MESSAGE = "Error in fail: "

def _refusal_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    if AnalysisFailureInfo not in target:
        unittest.fail(env, "{} was analysed; expected was: {}".format(target.label, ctx.attr.message))
        return analysistest.end(env)
    lines = target[AnalysisFailureInfo].causes.to_list()[0].message.strip().split("\n")
    asserts.equals(env, _BEFORE_MESSAGE + ctx.attr.message, lines[-1].strip())
    return analysistest.end(env)

_refusal_test = analysistest.make(
    _refusal_test_impl,
    expect_failure = True,
    attrs = {"message": attr.string(doc = "All of the message.", mandatory = True)},
)

def refusals(name, rule, cases, **good):
    """A test for each bad use of a rule.

    Args:
        name: name of the suite that holds them.
        rule: the rule.
        cases: name of the case to a pair: attributes that differ from the good ones (None: left out), and the message.
        **good: attributes with which the rule could be used.
    """
    tests = []
    for case, (bad, message) in cases.items():
        target = "{}_{}".format(name, case)
        attributes = {key: value for key, value in (good | bad).items() if value != None}
        rule(
            name = target,
            tags = ["manual"],
            **attributes
        )
        _refusal_test(
            name = target + "_test",
            size = "small",
            target_under_test = ":" + target,
            message = message,
        )
        tests.append(target + "_test")
    native.test_suite(
        name = name,
        tests = tests,
    )
