"""Tests that every system with slots goes through."""

load("//toolchains/vm:defs.bzl", "vm_test")

def upgrade_tests(os, fixtures, plugin, unhealthy = []):
    """Declares the tests of a system's upgrades, in the package of its tests.

    | target | what it is |
    |---|---|
    | `:upgrade_test` | upgrades that come to their end, and one that finds its root damaged |
    | `:upgrade_power_cut_test` | upgrades that the power cuts short: all on one machine's upgrade |

    Args:
        os: the operating system, the name of its package.
        fixtures: the library with its fixtures.
        plugin: the same, as Python imports it.
        unhealthy: test files about the same upgrade, of what a new version does that never becomes healthy.
    """
    dev = "//ic-os/{}/envs/dev:".format(os)
    for name, files, library in [
        ("upgrade_test", [], "//tests/vm:upgrade"),
        ("upgrade_power_cut_test", unhealthy, "//tests/vm:upgrade_log"),
    ]:
        vm_test(
            name = name,
            # Ten minutes each on an idle machine, and a quarter of an hour is the limit of what is only large.
            size = "enormous",
            srcs = files + ["//tests/vm:{}.py".format(name)],
            cpus = 1,
            env = {"PLUGIN": plugin},
            files = {
                "IMAGE": dev + "disk-img.tar.zst",
                "TEST_VERSION": dev + "version-test.txt",
                "UPDATE": dev + "update-img-test.tar.zst",
                "VERSION": dev + "version.txt",
            },
            deps = [
                fixtures,
                library,
            ],
        )
