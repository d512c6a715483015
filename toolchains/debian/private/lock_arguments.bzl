"""Checks of what debian_lock and lock_set are given. Pure functions."""

load("//toolchains/private:checks.bzl", "check_unique", "only_has", "quote", "refuse")

# What a target may be called, as far as a set's name becomes a part of one.
_NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

def check_set(entry):
    """Refuses a set that cannot be one.

    Args:
        entry: a struct as lock_set makes it.
    """
    if not entry.name or not only_has(entry.name, _NAME):
        refuse("lock_set", "name", "be a word of letters, digits and _.-", quote(entry.name))
    if not entry.lists and not entry.minimal:
        refuse("lock_set", "lists", "name a package list, or minimal be True", "neither for {}".format(quote(entry.name)))
    for list in entry.lists:
        if "," in list or " " in list:
            refuse("lock_set", "lists", "be labels without blanks and commas", quote(list), "one entry of the list a file")

def check_lock(sets, suites):
    """Refuses sets that do not stand on each other, and suites that are none.

    Args:
        sets: what is in the lock, in order.
        suites: where its packages come from.
    """
    if not sets:
        refuse("debian_lock", "sets", "have at least one lock_set", "none")
    names = [entry.name for entry in sets]
    check_unique("debian_lock", "sets", names)
    for index, entry in enumerate(sets):
        if entry.base and entry.base not in names[:index]:
            refuse(
                "debian_lock",
                "sets",
                "have the base of {} before it".format(quote(entry.name)),
                quote(entry.base),
                "before it are {}".format(", ".join([quote(name) for name in names[:index]])) if index else "nothing is before it",
            )
    if not suites:
        refuse("debian_lock", "suites", "name at least one suite", "none", "leave it out for Debian 13")
    check_unique("debian_lock", "suites", suites)
    for suite in suites:
        archive, separator, name = suite.partition(":")
        if not archive or not separator or not name or ":" in name:
            refuse("debian_lock", "suites", "be of the form ARCHIVE:SUITE", quote(suite), "like \"debian:trixie\"")
