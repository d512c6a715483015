"""A package lock and its refresh, as targets."""

load("@bazel_skylib//rules:build_test.bzl", "build_test")
load("//toolchains/python:defs.bzl", "py_binary")
load(":lock_arguments.bzl", "check_lock", "check_set")
load(":lock_check.bzl", "checked_deb_set", "lock_check")

# Debian 13 with its point releases, its updates between them, and its security updates. Of two suites that have
# the same version the first counts.
TRIXIE = ["debian:trixie", "debian:trixie-updates", "debian-security:trixie-security"]

_MINIMAL = "@minimal"

def lock_set(name, lists = [], base = "", minimal = False):
    """A set of a lock: what package lists ask for, with all that it depends on.

    Args:
        name: name of the set.
        lists: package lists: files with `package  # reason` a line.
        base: a set before it in the lock that is there already; this one has what comes on top.
        minimal: whether it also has what every Debian system has: the packages that are Essential
            or of priority required, and apt. This is what `debian:SUITE-slim` container images hold.

    Returns:
        A struct for the `sets` of debian_lock.
    """
    entry = struct(name = name, lists = lists, base = base, minimal = minimal)
    check_set(entry)
    return entry

def _set_flag(entry, location):
    """The set as lock_packages.py wants it; location is the make function that says where a list is."""
    lists = ([_MINIMAL] if entry.minimal else []) + ["$({} {})".format(location, list) for list in entry.lists]
    return "{}{}={}".format(entry.name, ":" + entry.base if entry.base else "", ",".join(lists))

def debian_lock(name, lock, sets, hub = None, suites = TRIXIE, architecture = "amd64", scripts = None, visibility = None):
    """A package lock: the exact .debs that images are made of.

    Makes these targets:

    - `NAME`: `bazel run` resolves the lists anew against the signed indexes, with apt's own resolver, prints what
      changes, fetches and checks what is new, and writes the lock into the source tree. Flags after `--` are
      those of py/tools/lock_packages.py.
    - `NAME_check`: compares lists and lock; building it fails when they differ.
    - `NAME_test`: the same as a test.
    - `NAME_SET` for each set, when `hub` is given: its packages (DebSetInfo), together with that check.

    ```starlark
    debian_lock(
        name = "lock",
        hub = "@example_packages",
        lock = "packages.lock.json",
        scripts = "//toolchains/debian/scripts:table",
        sets = [
            lock_set(
                "essential",
                minimal = True,
            ),
            lock_set(
                "system",
                base = "essential",
                lists = ["rootfs/packages"],
            ),
        ],
    )
    ```

    Args:
        name: name of the target.
        lock: the lock file; for the first lock, an empty file.
        sets: what is in it, as lock_set says; a base before those that stand on it.
        hub: the repository that `debian.lock` makes of the lock file.
        suites: where the packages come from, as `ARCHIVE:SUITE`.
        architecture: Debian's name of the architecture.
        scripts: table of maintainer scripts, for a lock whose packages are installed into images: a script that the
            table does not know stops the refresh. Left out for packages of which only programs are used.
        visibility: of all targets.
    """
    check_lock(sets, suites)
    lists = {list: None for entry in sets for list in entry.lists}.keys()
    flags = ["--lock=$(rootpath {})".format(lock), "--architecture=" + architecture]
    flags += ["--suite=" + suite for suite in suites]
    flags += ["--set=" + _set_flag(entry, "rootpath") for entry in sets]
    if scripts:
        flags.append("--scripts=$(rootpath {})".format(scripts))
    py_binary(
        name = name,
        srcs = [Label("//py/tools:lock_packages.py")],
        args = flags,
        data = lists + [lock] + ([scripts] if scripts else []),
        main = Label("//py/tools:lock_packages.py"),
        visibility = visibility,
        deps = [Label("//py/tools:lock_packages_lib")],
    )
    lock_check(
        name = name + "_check",
        lists = lists,
        lock = lock,
        mended_by = "bazel run //{}:{}".format(native.package_name(), name),
        sets = [_set_flag(entry, "execpath") for entry in sets],
        visibility = visibility,
    )
    build_test(
        name = name + "_test",
        targets = [name + "_check"],
        visibility = visibility,
    )
    if hub:
        for entry in sets:
            checked_deb_set(
                name = "{}_{}".format(name, entry.name),
                check = name + "_check",
                packages = "{}//:{}".format(hub, entry.name),
                visibility = visibility,
            )
