"""npm's package-lock.json as Starlark sees it. Pure functions.

An entry's key is the place of a package below the lock's folder, `node_modules/a/node_modules/b`. What a package needs is
found as Node.js finds it: in its own node_modules, else in that of a folder above. Source: npm's documentation of
package-lock.json, lockfileVersion 3.
"""

LOCK_VERSION = 3

# What bundles are made on: packages for other systems stay where they are.
_MACHINE = {"cpu": "x64", "libc": "glibc", "os": "linux"}

_PLACE = "node_modules/"
_HASH = "sha512-"
_HASH_CHARACTERS = 88  # of 64 bytes in base64
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

# What may stand in the name and version of a package, and so in files and labels.
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@/._~+-"

_REFRESH = "hint: refresh the lock"

def _is_plain(text):
    return text and not text.strip(_PLAIN) and ".." not in text and not text.startswith("/")

def _fits(entry):
    """Whether a package is one for this kind of machine."""
    for field, ours in _MACHINE.items():
        allowed = entry.get(field, [])
        if "!" + ours in allowed:
            return False
        if [word for word in allowed if not word.startswith("!")] and ours not in allowed and "any" not in allowed:
            return False
    return True

def _check_entry(where, place, entry):
    """Refuses what could not be fetched by its hash from whatever registry."""
    if entry.get("link") or not place.startswith(_PLACE):
        fail("{}: {} is a folder, not a package of a registry (hint: name files of the workspace as srcs)".format(where, place))
    if entry.get("resolved"):
        fail("{}: {} names an address, \"{}\" (hint: npm's option omit-lockfile-registry-resolved leaves it out; refresh the lock with it)".format(
            where,
            place,
            entry["resolved"],
        ))
    version = entry.get("version", "")
    if not _is_plain(place) or not _is_plain(version):
        fail("{}: {} must have a plain name and version; got \"{}\" ({})".format(where, place, version, _REFRESH))
    integrity = entry.get("integrity", "")
    if not integrity:
        fail("{}: {} has no integrity, so nothing says what it is ({})".format(where, place, _REFRESH))
    if not integrity.startswith(_HASH) or len(integrity) != len(_HASH) + _HASH_CHARACTERS or integrity[len(_HASH):].strip(_BASE64):
        fail("{}: the integrity of {} must be one sha512; got \"{}\" (hint: have the package published anew, or take another version)".format(
            where,
            place,
            integrity,
        ))

def _entry(place, fields):
    """A package as the rules have it; its name differs from its place where the lock renames it."""
    optional = fields.get("optionalDependencies", {})
    meta = fields.get("peerDependenciesMeta", {})
    needs = {name: name in optional for name in fields.get("dependencies", {})}
    needs |= {name: True for name in optional}
    inside = fields.get("bundleDependencies", [])
    needs |= {name: meta.get(name, {}).get("optional", False) for name in fields.get("peerDependencies", {}) if name not in needs}
    return struct(
        place = place,
        name = fields.get("name", place.rpartition(_PLACE)[2]),
        version = fields["version"],
        integrity = fields["integrity"],
        fits = _fits(fields),
        needs = {name: may_lack for name, may_lack in needs.items() if name not in inside},
    )

def decode_lock(text, where):
    """Reads a lock.

    Args:
        text: its content; an empty file is a lock without packages, so that the first refresh can run.
        where: its name, for messages.

    Returns:
        A dict of structs, from place to place, name, version, integrity, fits (whether it is for this kind of machine) and
        needs (names of packages, and whether they may be missing). What lies inside of another package is not in it.
    """
    if not text.strip():
        return {}
    lock = json.decode(text, default = None)
    if type(lock) != "dict" or lock.get("lockfileVersion") != LOCK_VERSION or type(lock.get("packages")) != "dict":
        fail("{}: lockfileVersion must be {}; got {} (hint: npm 7 and newer write it; restore the lock, or empty the file and refresh it)".format(
            where,
            LOCK_VERSION,
            lock.get("lockfileVersion", "none") if type(lock) == "dict" else "what is no lock",
        ))
    found = {}
    for place, fields in lock["packages"].items():
        if place and not fields.get("inBundle"):
            _check_entry(where, place, fields)
            found[place] = _entry(place, fields)
    return found

def _find(entries, place, name):
    """Where Node.js finds a package that the one at a place asks for; None: nowhere."""
    folder = place
    for _ in range(place.count(_PLACE) + 1):
        candidate = (folder + "/" if folder else "") + _PLACE + name
        if candidate in entries:
            return candidate
        folder = folder.rpartition(_PLACE)[0].removesuffix("/")
    return None

def closure(entries, name, where):
    """A package with all that it needs.

    Args:
        entries: of a lock.
        name: what the lock's own package.json calls it.
        where: the lock's name, for messages.

    Returns:
        A list of places, sorted.
    """
    first = _find(entries, "", name)
    if not first:
        fail("{}: {} is not in the lock (hint: add it to package.json and refresh the lock)".format(where, name))
    wanted = {first: True}
    queue = [first]
    for _ in range(len(entries)):  # each place is in the queue only once
        if not queue:
            break
        place = queue.pop()
        for need, optional in entries[place].needs.items():
            found = _find(entries, place, need)
            if not found and not optional:
                fail("{}: {} needs {}, which is not in the lock ({})".format(where, place, need, _REFRESH))
            if found and found not in wanted and (entries[found].fits or not optional):
                wanted[found] = True
                queue.append(found)
    return sorted(wanted)

def top_level(entries):
    """The packages that a lock's own package.json can mean by their names.

    Args:
        entries: of a lock.

    Returns:
        A list of names.
    """
    return sorted([place[len(_PLACE):] for place in entries if place.count(_PLACE) == 1])

def repository_name(entry):
    """The name of the repository that holds one package: the same for all locks that have the same bytes.

    Args:
        entry: of a lock.

    Returns:
        A name of letters, digits, `-`, `_` and `.`.
    """
    name = entry.name.replace("@", "").replace("/", "-").replace("~", "-")
    digest = entry.integrity[len(_HASH):][:12].replace("+", "-").replace("/", "_")
    return "npm-{}-{}".format(name, digest)
