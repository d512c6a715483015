"""Where Debian archives are: from the environment, else from the machine's apt configuration.

The same as py/sysimage/debian/mirrors.py, for the fetching of packages. Pure functions: the
repository rule reads the files, these say what is in them.
"""

SNAPSHOT_PLACEHOLDER = "{snapshot}"

_SCHEMES = ["http", "https", "file"]

def variable_of(archive):
    """The environment variable that names an archive's mirrors.

    Args:
        archive: its name in a lock, `debian-security`.

    Returns:
        The variable's name, `DEBIAN_SECURITY_MIRROR`.
    """
    return archive.upper().replace("-", "_").replace(".", "_") + "_MIRROR"

def _is_snapshot(text):
    """True for a date as archive snapshots write it: 20250820T143000Z."""
    return len(text) == 16 and text[8] == "T" and text[15] == "Z" and (text[:8] + text[9:15]).isdigit()

def archive_of(uri):
    """The archive that an apt source serves, by the last part of its address's path.

    Args:
        uri: the address of the source.

    Returns:
        The name, or "" for an address without a path.
    """
    _, _, rest = uri.partition(":")
    _, _, path = rest.lstrip("/").partition("/")
    parts = [part for part in path.split("/") if part and not _is_snapshot(part)]
    return parts[-1] if parts else ""

def parse_one_line(text):
    """The `deb` lines of a sources.list file.

    Args:
        text: its content.

    Returns:
        A list of (address, components).
    """
    found = []
    for line in text.split("\n"):
        line = line.partition("#")[0].strip().replace("\t", " ")
        if not line.startswith("deb "):
            continue
        rest = line[len("deb "):].strip()
        if rest.startswith("["):
            rest = rest.partition("]")[2]
        words = [word for word in rest.split(" ") if word]
        if len(words) > 2:
            found.append((words[0], words[2:]))
    return found

def parse_deb822(text):
    """The `Types: deb` stanzas of a .sources file that are not disabled.

    Args:
        text: its content.

    Returns:
        A list of (address, components).
    """
    found = []
    fields = {}
    name = ""
    for line in text.split("\n") + [""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            words = {key: [w for w in value.replace("\t", " ").split(" ") if w] for key, value in fields.items()}
            if "deb" in words.get("types", []) and fields.get("enabled", "yes").strip().lower() not in ["no", "false", "0"]:
                found += [(uri, words.get("components", [])) for uri in words.get("uris", [])]
            fields = {}
            name = ""
        elif line[0] in " \t":
            if name:
                fields[name] += " " + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return found

def _has_scheme(uri):
    scheme, colon, _ = uri.partition(":")
    return bool(colon) and scheme in _SCHEMES

def select_mirrors(archive, configured, sources, snapshot):
    """Base addresses of an archive, best first.

    Args:
        archive: its name.
        configured: the value of its environment variable, "" when unset.
        sources: list of (address, components): the machine's apt sources.
        snapshot: the lock's date, for `{snapshot}` in an address.

    Returns:
        A list of addresses without a slash at the end; empty when none is known.
    """
    mirrors = [word for word in configured.replace("\t", " ").replace("\n", " ").split(" ") if word]
    if not mirrors:
        # "main" tells Debian's own archive from others that are served under the same name.
        mirrors = [
            uri
            for uri, components in sources
            if "main" in components and archive_of(uri) == archive and _has_scheme(uri)
        ]
    return {mirror.replace(SNAPSHOT_PLACEHOLDER, snapshot).rstrip("/"): True for mirror in mirrors}.keys()

def url_of(mirror, path):
    """The address of a path in a mirror.

    Args:
        mirror: base address.
        path: as a lock has it.

    Returns:
        The address. Pool paths have no character that needs quoting but `%`.
    """
    return "{}/{}".format(mirror, path.replace("%", "%25"))

def bad_mirror_message(archive, mirrors):
    """What to say when the environment names a mirror by something that is no address.

    Args:
        archive: its name.
        mirrors: the addresses.

    Returns:
        The message; "" when all are addresses.
    """
    for mirror in mirrors:
        if not _has_scheme(mirror):
            return "{} names the mirror \"{}\", which begins with none of {} (hint: give the base address of a mirror, http://HOST/debian)".format(
                variable_of(archive),
                mirror,
                ", ".join([scheme + ":" for scheme in _SCHEMES]),
            )
    return ""

def no_mirror_message(archive):
    """What to say when no mirror is known.

    Args:
        archive: its name.

    Returns:
        The message.
    """
    variable = variable_of(archive)
    return (
        "no mirror of the archive \"{}\" is known: {} is not set and /etc/apt has no source of it ".format(archive, variable) +
        "(hint: set {} to the address of a mirror)".format(variable)
    )

def gone_message(package, version, architecture, archive, urls, sha256, snapshot):
    """What to say when no mirror delivered a file.

    Bazel keeps to itself why an attempt failed: its warnings have it when a mirror was to blame; they are missing when
    the repository cache was.

    Args:
        package: its name.
        version: its version.
        architecture: its architecture.
        archive: the archive that the lock names.
        urls: the addresses that were tried.
        sha256: what it should be.
        snapshot: the lock's date.

    Returns:
        The message.
    """
    return (
        "{} {} ({}): not delivered with sha256 {} by {}; the warnings above say what each answered ".format(
            package,
            version,
            architecture,
            sha256,
            " or ".join(urls),
        ) +
        "(hint: if the version is gone, set {} to an archive snapshot of {}, with {} in the address where the date goes; ".format(
            variable_of(archive),
            snapshot,
            SNAPSHOT_PLACEHOLDER,
        ) +
        "or refresh the lock. If a checksum differs, that mirror is damaged: use another. If no space is left, make room. " +
        "Without warnings, content_addressable/sha256/{} in `bazel info repository_cache` cannot be read or written: ".format(sha256) +
        "mend its mode or remove it)"
    )
