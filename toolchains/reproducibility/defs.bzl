"""Tests that a build gives the same bytes anywhere.

    reproducibility_test   builds a target's action graph twice, in environments that differ in everything that has mattered before
"""

load("//toolchains/reproducibility/private:reproducibility_test.bzl", _reproducibility_test = "reproducibility_test")

reproducibility_test = _reproducibility_test
