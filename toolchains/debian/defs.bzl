"""Debian packages by lock.

    debian_lock   a package lock: `bazel run` refreshes it, a build compares it with its lists
    lock_set      a set in it
    deb_set       several locked packages as one set

The packages themselves come from the module extension in extensions.bzl.
"""

load("//toolchains/debian:providers.bzl", _DebSetInfo = "DebSetInfo")
load("//toolchains/debian/private:deb_set.bzl", _deb_set = "deb_set")
load("//toolchains/debian/private:debian_lock.bzl", _TRIXIE = "TRIXIE", _debian_lock = "debian_lock", _lock_set = "lock_set")

deb_set = _deb_set
debian_lock = _debian_lock
lock_set = _lock_set

DebSetInfo = _DebSetInfo
TRIXIE = _TRIXIE
