"""Tests that run Bazel on a copy of this workspace, without a network."""

load("//tests/nested/private:nested_inputs.bzl", "nested_inputs")
load("//toolchains/python:defs.bzl", "pytest_test")

# What every build of an image needs.
_WHEELS = [
    "@wheels//:absl_py.file",
    "@wheels//:zstandard.file",
]

def nested_test(name, packages, wheels = [], data = [], deps = [], env = {}, **kwargs):
    """A pytest_test that may run Bazel in a copy of the workspace (`nested.workspace`).

    Args:
        name: name of the target.
        packages: sets of .debs that the nested build needs.
        wheels: wheels that it needs, besides those of every image.
        data: files that the test reads.
        deps: libraries that it imports.
        env: its environment.
        **kwargs: as for pytest_test.
    """
    inputs = name + "_inputs"
    nested_inputs(
        name = inputs,
        testonly = True,
        packages = packages,
        wheels = _WHEELS + wheels,
    )
    pytest_test(
        name = name,
        data = data + [inputs],
        env = dict({"NESTED_INPUTS": "$(rootpath {})".format(inputs)}, **env),
        deps = deps + [Label("//tests/nested:workspace")],
        **kwargs
    )
