"""What lock_set and debian_lock refuse."""

load("//toolchains/debian:defs.bzl", "TRIXIE", "lock_set")
load("//toolchains/debian/private:lock_arguments.bzl", "check_lock")
load("//toolchains/testing:refusals.bzl", "refusals")

def _calls_impl(ctx):
    """Calls the functions behind the macros, as a target that a test can look at."""
    one = lock_set("one", minimal = True)
    calls = {
        "base_behind": lambda: check_lock([lock_set("two", base = "one", lists = ["b"]), one], TRIXIE),
        "base_unknown": lambda: check_lock([one, lock_set("two", base = "three", lists = ["b"])], TRIXIE),
        "list_of_two": lambda: lock_set("one", lists = ["a,b"]),
        "no_lists": lambda: lock_set("one"),
        "no_sets": lambda: check_lock([], TRIXIE),
        "no_suites": lambda: check_lock([one], []),
        "set_name": lambda: lock_set("one two", minimal = True),
        "set_twice": lambda: check_lock([one, one], TRIXIE),
        "suite": lambda: check_lock([one], ["trixie"]),
        "suite_twice": lambda: check_lock([one], TRIXIE + TRIXIE[:1]),
    }
    calls[ctx.attr.call]()
    return []

_calls = rule(implementation = _calls_impl, attrs = {"call": attr.string()})

_MESSAGES = {
    "base_behind": "debian_lock: sets must have the base of \"two\" before it; got \"one\" (hint: nothing is before it)",
    "base_unknown": "debian_lock: sets must have the base of \"two\" before it; got \"three\" (hint: before it are \"one\")",
    "list_of_two": "lock_set: lists must be labels without blanks and commas; got \"a,b\" (hint: one entry of the list a file)",
    "no_lists": "lock_set: lists must name a package list, or minimal be True; got neither for \"one\"",
    "no_sets": "debian_lock: sets must have at least one lock_set; got none",
    "no_suites": "debian_lock: suites must name at least one suite; got none (hint: leave it out for Debian 13)",
    "set_name": "lock_set: name must be a word of letters, digits and _.-; got \"one two\"",
    "set_twice": "debian_lock: sets must name each only once; got \"one\" twice",
    "suite": "debian_lock: suites must be of the form ARCHIVE:SUITE; got \"trixie\" (hint: like \"debian:trixie\")",
    "suite_twice": "debian_lock: suites must name each only once; got \"debian:trixie\" twice",
}

def lock_arguments_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    refusals(
        name = name,
        rule = _calls,
        cases = {case: ({"call": case}, message) for case, message in _MESSAGES.items()},
    )
