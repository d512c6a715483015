"""Debian packages by lock.

    debian_lock   a package lock: `bazel run` refreshes it, `bazel test` compares it with its lists
    deb_set       several locked packages as one set

The packages themselves come from the module extension in extensions.bzl.
"""

load("//toolchains/debian:providers.bzl", _DebSetInfo = "DebSetInfo")
load("//toolchains/debian/private:deb_set.bzl", _deb_set = "deb_set")

deb_set = _deb_set

DebSetInfo = _DebSetInfo
