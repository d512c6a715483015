"""The package lock as Starlark sees it (py/sysimage/debian/lock.py writes it). Pure functions."""

LOCK_VERSION = 1

def decode_lock(text, where):
    """Reads a lock.

    Args:
        text: its content; an empty file is a lock without sets, so that the first refresh can run.
        where: its name, for messages.

    Returns:
        The JSON object as a dict.
    """
    if not text.strip():
        return {"packages": [], "sets": [], "snapshot": "", "version": LOCK_VERSION}
    lock = json.decode(text, default = None)
    if type(lock) != "dict" or lock.get("version") != LOCK_VERSION:
        fail("{}: not a package lock of version {} (hint: restore it, or empty the file and refresh the lock)".format(where, LOCK_VERSION))
    return lock

def closure(lock, name):
    """All packages of a set, its bases' included.

    Args:
        lock: a lock.
        name: the set's name.

    Returns:
        A struct: packages (list of dicts, by name), essential (names of the packages of its lowest base, which is the set itself when it has none).
    """
    bases = {entry["name"]: entry["base"] for entry in lock["sets"]}
    if name not in bases:
        fail("the lock has no set \"{}\"; it has {}".format(name, ", ".join(bases.keys())))
    wanted = {}
    lowest = name
    for _ in bases:  # a base comes before its set, so there is no cycle and this is enough
        if name:
            wanted[name] = True
            lowest = name
            name = bases[name]
    packages = [package for package in lock["packages"] if [s for s in package["sets"] if s in wanted]]
    return struct(
        packages = packages,
        essential = [package["name"] for package in packages if lowest in package["sets"]],
    )

def repository_name(package):
    """The name of the repository that holds one .deb: the same for all locks that have the same file.

    Args:
        package: a package of a lock.

    Returns:
        A name of letters, digits, `-`, `_` and `.`.
    """
    return "deb-{}-{}".format(package["name"].replace("+", "_plus"), package["sha256"][:12])
