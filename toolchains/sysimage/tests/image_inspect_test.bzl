"""What image_inspect refuses."""

load("//toolchains/sysimage/private:image_inspect.bzl", "check_arguments")
load("//toolchains/testing:refusals.bzl", "refusals")

def _calls_impl(ctx):
    """Calls the function behind the macro, as a target that a test can look at."""
    check_arguments(ctx.attr.show, ctx.attr.largest_packages)
    return []

_calls = rule(
    implementation = _calls_impl,
    attrs = {
        "largest_packages": attr.int(),
        "show": attr.string_list(),
    },
)

def image_inspect_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    refusals(
        name = name,
        rule = _calls,
        show = ["boot:version.txt"],
        cases = {
            "absolute": (
                {"show": ["boot:/version.txt"]},
                "image_inspect: show must be a path relative to the root; got \"/version.txt\" (hint: write \"version.txt\")",
            ),
            "largest_packages": (
                {"largest_packages": -1},
                "image_inspect: largest_packages must be 0 or more; got -1",
            ),
            "no_volume": (
                {"show": ["version.txt"]},
                "image_inspect: show must be of the form VOLUME:PATH; got \"version.txt\" (hint: VOLUME is the name of a partition, or PARTITION/VOLUME)",
            ),
        },
    )
