"""Reads requirements.lock."""

def _normalise(name):
    return name.lower().replace("-", "_").replace(".", "_")

def parse_lock(text):
    """Reads a lock as lock.py writes it: requirements with hashes, each followed by comments that say who needs it.

    Args:
        text: content of the file.

    Returns:
        A list of structs: name (as a Bazel target), requirement (with its hashes, for pip), deps (names).
    """
    entries = []
    needed_by = {}
    lines = []
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith("# via "):
            needed_by.setdefault(_normalise(stripped[len("# via "):]), []).append(entries[-1].name)
            continue
        if not stripped or stripped.startswith("#"):
            continue
        lines.append(stripped.removesuffix("\\").strip())
        if not stripped.endswith("\\"):
            requirement = " ".join(lines)
            if "==" not in requirement or "--hash=sha256:" not in requirement:
                fail("requirements.lock: not a pinned requirement with hashes: {} (hint: bazel run //toolchains/python:lock)".format(requirement))
            entries.append(struct(name = _normalise(requirement.split("==")[0].strip()), requirement = requirement))
            lines = []
    return [
        struct(name = entry.name, requirement = entry.requirement, deps = needed_by.get(entry.name, []))
        for entry in entries
    ]
