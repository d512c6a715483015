"""The version of a build."""

VersionInfo = provider(
    doc = "The version of a build: constant without stamping, so that caches hit.",
    fields = {"file": "File: the version, one line."},
)
