"""A native program out of locked packages."""

load("//toolchains/private:fields.bzl", "check_file")

DOC = """\
A folder with native programs and all they need, unpacked from locked packages.

They run through the packages' own loader (py/sysimage/locked_tool.py), so nothing of the host comes in.
"""

FIELDS = {
    "folder": "File: the folder: bin/PROGRAM, lib/SONAME, data files at their own paths; no symbolic links.",
}

def _init(*, folder):
    check_file("LockedToolInfo", "folder", folder)
    if not folder.is_directory:
        fail("LockedToolInfo: folder must be a directory; got the file {} (hint: make it by declare_directory)".format(folder.short_path))
    return {"folder": folder}

LockedToolInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
