"""Tests that every system with slots goes through."""

load("//toolchains/vm:defs.bzl", "vm_test")

def upgrade_tests(os, fixtures, plugin, unhealthy, deps = [], whole = True):
    """Declares the test of a system's upgrades, in the package of its tests.

    `:upgrade_test`: upgrades that come to their end, one that finds its root damaged, and upgrades that the power cuts
    short. All begin with the same first boot and the same upgrade, so they are one target.

    `:upgrade_whole_test`, by hand, is there where `:upgrade_test` is not whole: boots that differ from those of another
    system in nothing but the names of devices are in it alone.

    Args:
        os: the operating system, the name of its package.
        fixtures: the library with its fixtures.
        plugin: the same, as Python imports it.
        unhealthy: test files about the same upgrade, of what a new version does that never becomes healthy.
        deps: what these need besides.
        whole: whether `:upgrade_test` has all boots.
    """
    dev = "//ic-os/{}/envs/dev:".format(os)
    by_hand = [] if whole else [("upgrade_whole_test", True, ["manual"])]
    for name, all_boots, tags in [("upgrade_test", whole, [])] + by_hand:
        vm_test(
            name = name,
            # Ten minutes on an idle machine, and a quarter of an hour is the limit of what is only large.
            size = "enormous",
            srcs = unhealthy + [
                "//tests/vm:upgrade_power_cut_test.py",
                "//tests/vm:upgrade_test.py",
            ],
            cpus = 1,
            env = {
                "PLUGIN": plugin,
                "WHOLE": "yes" if all_boots else "no",
            },
            files = {
                "IMAGE": dev + "disk-img.tar.zst",
                "TEST_VERSION": dev + "version-test.txt",
                "UPDATE": dev + "update-img-test.tar.zst",
                "VERSION": dev + "version.txt",
            },
            tags = tags,
            deps = deps + [
                fixtures,
                "//tests/vm:unhealthy",
                "//tests/vm:upgrade_log",
            ],
        )
