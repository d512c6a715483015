"""What install_test refuses."""

load("//toolchains/sysimage/private:install_test.bzl", "install_subject")
load("//toolchains/testing:refusals.bzl", "refusals")

def install_test_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    refusals(
        name = name,
        rule = install_subject,
        testonly = True,
        accounts = "BUILD.bazel",
        base = ":tree",
        epoch = 0,
        fakeroot = "//toolchains/sysimage/testing:fakeroot",
        packages = "//toolchains/sysimage/testing:fakeroot",
        cases = {
            "epoch": (
                {"epoch": -1},
                "install_test: epoch must be 0 or more; got -1",
            ),
            "no_essential": (
                {},
                "install_test: packages must say which of them are essential; got @@//toolchains/sysimage/testing:fakeroot, which " +
                "does not (hint: take a set of a lock)",
            ),
        },
    )
