"""Locked Debian packages between actions."""

load("//toolchains/private:fields.bzl", "check_file")

DOC = """\
A set of .deb files out of a package lock, complete: every dependency is in it.

The files were fetched by the hashes of the lock, so whoever has this provider has exactly the
bytes that were resolved, verified and reviewed when the lock was refreshed.
"""

FIELDS = {
    "debs": "list of Files: the .debs, in the order of their packages' names.",
    "essential": "list of strings: names of the packages of the set's lowest base (of a set without one: all), of which a system is made first.",
    "names": "list of strings: the packages' names, in the order of `debs`.",
}

def _init(*, debs, names, essential = []):
    if len(debs) != len(names):
        fail("DebSetInfo: names must be as many as debs, {}; got {}".format(len(debs), len(names)))
    for deb in debs:
        check_file("DebSetInfo", "debs", deb, "deb")
    for name in essential:
        if name not in names:
            fail("DebSetInfo: essential must name packages of the set; got \"{}\"".format(name))
    for index in range(1, len(names)):
        if names[index] <= names[index - 1]:
            fail("DebSetInfo: names must be sorted and unique; got \"{}\" before \"{}\"".format(names[index - 1], names[index]))
    return {"debs": debs, "essential": essential, "names": names}

DebSetInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
