"""Where Debian archives are: from the environment, else from the machine's apt configuration.

An archive has a name (`debian`, `debian-security`); addresses are never part of a
lock or of this repository. `NAME_MIRROR` in the environment (`DEBIAN_MIRROR`,
`DEBIAN_SECURITY_MIRROR`) holds one or more base addresses separated by blanks; `{snapshot}`
in one stands for the lock's date as archive snapshots write it (20250820T143000Z). Without the
variable, the machine's sources are read, one-line and deb822 (sources.list(5)).
toolchains/debian/private/mirrors.bzl says the same in Starlark.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sysimage.debian.index import parse_stanzas
from sysimage.errors import UserError

APT_FOLDER = Path("/etc/apt")
SNAPSHOT_PLACEHOLDER = "{snapshot}"
SNAPSHOT_FORMAT = "%Y%m%dT%H%M%SZ"

_SNAPSHOT = re.compile(r"\d{8}T\d{6}Z")
_SCHEMES = ("http:", "https:", "file:")
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$")


def variable_of(archive: str) -> str:
    """The environment variable that names an archive's mirrors: `debian-security` has DEBIAN_SECURITY_MIRROR."""
    return archive.upper().replace("-", "_").replace(".", "_") + "_MIRROR"


def archive_of(uri: str) -> str:
    """The archive that an apt source serves, by its address's path (`.../debian/`); '' for one without a path."""
    path = re.sub(r"^[a-z+]+:/*[^/]*", "", uri)
    parts = [part for part in path.split("/") if part and not _SNAPSHOT.fullmatch(part)]
    return parts[-1] if parts else ""


def parse_one_line(text: str) -> list[tuple[str, list[str]]]:
    """The (address, components) of the `deb` lines of a sources.list file."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match:
            found.append((match[1], match[3].split()))
    return found


def parse_deb822(text: str, where: str) -> list[tuple[str, list[str]]]:
    """The (address, components) of the `Types: deb` stanzas of a .sources file that are not disabled."""
    found = []
    for fields, _ in parse_stanzas(text, where):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        found += [(uri, fields.get("components", "").split()) for uri in fields.get("uris", "").split()]
    return found


def configured_sources(folder: Path = APT_FOLDER) -> list[tuple[str, list[str]]]:
    """All sources of an apt configuration folder, in apt's order of files."""
    main = folder / "sources.list"
    parts = sorted(path for path in (folder / "sources.list.d").glob("*") if path.suffix in (".list", ".sources"))
    found = []
    for path in ([main] if main.is_file() else []) + parts:
        text = path.read_text(encoding="utf-8", errors="replace")
        found += parse_deb822(text, str(path)) if path.suffix == ".sources" else parse_one_line(text)
    return found


def find_mirrors(
    archive: str, environment: Mapping[str, str], snapshot: str = "", apt_folder: Path = APT_FOLDER
) -> list[str]:
    """Base addresses of an archive, best first, without a slash at the end.

    Args:
        archive: its name.
        environment: variables, as os.environ.
        snapshot: what `{snapshot}` stands for; empty when there is no lock yet.
        apt_folder: where the machine's apt configuration lies.

    Raises:
        UserError: none is known, one is no address, or one has `{snapshot}` and there is none.
    """
    variable = variable_of(archive)
    mirrors = environment.get(variable, "").split()
    if not mirrors:
        # "main" tells Debian's own archive from others that are served under the same name.
        mirrors = [
            uri
            for uri, components in configured_sources(apt_folder)
            if "main" in components and archive_of(uri) == archive and uri.startswith(_SCHEMES)
        ]
    if not mirrors:
        raise UserError(
            f"no mirror of the archive {archive!r} is known: "
            f"{variable} is not set and {apt_folder} has no source of it",
            hint=f"set {variable} to the address of a mirror",
        )
    for mirror in mirrors:
        if not mirror.startswith(_SCHEMES):
            raise UserError(
                f'{variable} names the mirror "{mirror}", which begins with none of {", ".join(_SCHEMES)}',
                hint="give the base address of a mirror, http://HOST/debian",
            )
    if not snapshot and any(SNAPSHOT_PLACEHOLDER in mirror for mirror in mirrors):
        raise UserError(
            f"{variable} has {SNAPSHOT_PLACEHOLDER}, but which is not known",
            hint="give --snapshot YYYYMMDDTHHMMSSZ",
        )
    return list(dict.fromkeys(mirror.replace(SNAPSHOT_PLACEHOLDER, snapshot).rstrip("/") for mirror in mirrors))
