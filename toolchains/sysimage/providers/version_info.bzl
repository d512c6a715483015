"""The version of a build."""

load("//toolchains/private:fields.bzl", "check_file")

DOC = "The version of a build: constant without stamping, so that caches hit."

FIELDS = {"file": "File: the version, one line."}

def _init(*, file):
    check_file("VersionInfo", "file", file)
    return {"file": file}

VersionInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
