"""Debian archive indexes: signed Release files and the Packages lists under them.

The chain of trust is: keyring -> InRelease (checked with gpgv) -> sha256 of
Packages -> sha256 of every .deb. Sources: Debian's wiki page
DebianRepository/Format; deb822(5); gnupg's doc/DETAILS for gpgv's status lines.
"""

import dataclasses
import datetime
import email.utils
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError
from sysimage.text import is_decimal

# OpenPGP hash algorithm numbers that may sign (RFC 9580, 9.5): SHA2-256, -384, -512, -224.
# MD5, SHA-1 and RIPEMD-160 may not, as in apt.
STRONG_HASHES = frozenset({"8", "9", "10", "11"})

# Compressed forms of a Packages file, best first; the plain one is not on mirrors.
PACKAGES_SUFFIXES = (".xz", ".gz")

_CLEARSIGN_HEADER = b"-----BEGIN PGP SIGNED MESSAGE-----"


@dataclass(frozen=True, slots=True)
class FileHash:
    """One line of a Release file's SHA256 section: size is in bytes, sha256 in hex."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Release:
    """What a Release file says. Paths in `files` are relative to the suite's folder."""

    suite: str
    codename: str
    date: datetime.datetime
    valid_until: datetime.datetime | None
    components: tuple[str, ...]
    by_hash: bool
    files: Mapping[str, FileHash]


@dataclass(frozen=True, slots=True)
class Signed:
    """A verified clear-signed message: its text, and the primary keys whose signatures are good."""

    text: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One package in a Packages file; `stanza` is its text, as apt and dpkg want it."""

    name: str
    version: str
    architecture: str
    path: str
    size: int
    sha256: str
    archive: str
    essential: bool
    required: bool
    provides: tuple[str, ...]
    stanza: str = dataclasses.field(repr=False)


def parse_stanzas(text: str, where: str) -> Iterator[tuple[dict[str, str], str]]:
    """Splits deb822 text into stanzas: (fields by lower-case name, the stanza's own text).

    A field's continuation lines are kept, joined by newlines, each without its first blank.

    Raises:
        UserError: a line is neither a field nor a continuation, or a field comes twice.
    """
    fields: dict[str, str] = {}
    lines: list[str] = []
    name = ""
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields, "\n".join(lines) + "\n"
            fields, lines, name = {}, [], ""
            continue
        lines.append(line)
        if line[0] in " \t":
            if not name:
                raise UserError(f"{where}:{number}: a continuation line without a field before it: {line!r}")
            fields[name] += "\n" + line[1:]
            continue
        key, colon, value = line.partition(":")
        name = key.lower()
        if not colon or not name or " " in name:
            raise UserError(f"{where}:{number}: expected 'Field: value', found {line!r}")
        if name in fields:
            raise UserError(f"{where}:{number}: field {key!r} comes twice in one stanza")
        fields[name] = value.strip()


def _date(text: str, where: str) -> datetime.datetime:
    try:
        date = email.utils.parsedate_to_datetime(text)
    except ValueError as error:
        raise UserError(f"{where}: not a date: {text!r}") from error
    return date.replace(tzinfo=datetime.UTC) if date.tzinfo is None else date.astimezone(datetime.UTC)


def parse_release(text: str, where: str) -> Release:
    """Reads a Release file (the text that was signed).

    Raises:
        UserError: it is malformed, or lacks a date or the SHA256 section.
    """
    stanzas = [fields for fields, _ in parse_stanzas(text, where)]
    if len(stanzas) != 1:
        raise UserError(f"{where}: expected one stanza, found {len(stanzas)}")
    fields = stanzas[0]
    for needed in ("date", "sha256"):
        if needed not in fields:
            raise UserError(f"{where}: no field {needed.capitalize()!r}")
    files = {}
    for line in fields["sha256"].splitlines():
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 3 or not is_decimal(parts[1]) or not is_sha256(parts[0]):
            raise UserError(f"{where}: expected 'sha256 size path', found {line!r}")
        files[parts[2]] = FileHash(parts[0], int(parts[1]))
    valid_until = fields.get("valid-until")
    return Release(
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        date=_date(fields["date"], where),
        valid_until=None if valid_until is None else _date(valid_until, where),
        components=tuple(fields.get("components", "").split()),
        by_hash=fields.get("acquire-by-hash", "") == "yes",
        files=files,
    )


def check_expiry(release: Release, now: datetime.datetime, where: str) -> None:
    """Refuses an index past its Valid-Until: an old mirror, or somebody replaying an old state.

    Raises:
        UserError: the date has passed.
    """
    if release.valid_until is not None and release.valid_until < now:
        raise UserError(
            f"{where}: expired at {release.valid_until:%Y-%m-%d %H:%M} UTC",
            hint="use a mirror that is up to date; for an archive snapshot, whose dates are past, give --allow_expired",
        )


def is_sha256(text: str) -> bool:
    """True for 64 lower-case hexadecimal digits."""
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)


def parse_packages(text: str, archive: str, where: str) -> list[IndexEntry]:
    """Reads a Packages file; `archive` is the name that its entries get.

    Raises:
        UserError: a stanza lacks a field, or a field is malformed.
    """
    entries = []
    for fields, stanza in parse_stanzas(text, where):
        name = fields.get("package", "?")
        for needed in ("package", "version", "architecture", "filename", "size", "sha256"):
            if not fields.get(needed):
                raise UserError(f"{where}: package {name}: no field {needed.capitalize()!r}")
        if not is_decimal(fields["size"]) or not is_sha256(fields["sha256"]):
            raise UserError(f"{where}: package {name}: malformed Size or SHA256")
        if fields["filename"].startswith("/") or ".." in fields["filename"].split("/"):
            raise UserError(f"{where}: package {name}: Filename {fields['filename']!r} leaves the archive")
        provides = fields.get("provides", "")
        entries.append(
            IndexEntry(
                name=name,
                version=fields["version"],
                architecture=fields["architecture"],
                path=fields["filename"],
                size=int(fields["size"]),
                sha256=fields["sha256"],
                archive=archive,
                essential=fields.get("essential") == "yes",
                required=fields.get("priority") == "required",
                provides=tuple(part.split()[0] for part in provides.split(",") if part.strip()),
                stanza=stanza,
            )
        )
    return entries


def verify_clearsigned(data: bytes, keyrings: Sequence[Path], where: str) -> Signed:
    """Checks a clear-signed message (InRelease) with gpgv.

    At least one signature must be good, by a key of the keyrings and with a strong hash,
    and none may be bad. (Debian signs with two or three keys; a keyring need not have all.)

    Raises:
        UserError: gpgv or a keyring is missing, or the signature is not good.
    """
    gpgv = shutil.which("gpgv")
    if gpgv is None:
        raise UserError("gpgv is missing: it checks the signature of the index", hint="install the package gpgv")
    for keyring in keyrings:
        if not keyring.is_file():
            raise UserError(f"keyring {keyring} is missing", hint="install debian-archive-keyring or give --keyring")
    if not data.startswith(_CLEARSIGN_HEADER):
        raise UserError(f"{where}: not a clear-signed file", hint="is that address a mirror of this archive?")
    with tempfile.TemporaryDirectory(prefix="gpgv-") as folder:
        signed = Path(folder, "InRelease")
        signed.write_bytes(data)
        # Its output comes through a pipe: in a file, a disk that is full could cut it off.
        reader, writer = os.pipe()
        with open(reader, encoding="utf-8", errors="replace") as status:
            command = [gpgv, "--homedir", folder, "--status-fd", str(writer), "--output", "-"]
            for keyring in keyrings:
                command += ["--keyring", str(keyring.resolve())]
            try:
                done = subprocess.run([*command, str(signed)], capture_output=True, check=False, pass_fds=[writer])
            finally:
                os.close(writer)
            keys = _good_keys(status.read(), where)
    # The text comes from gpgv's own output: only that is what was signed.
    text = done.stdout.decode("utf-8", "replace")
    if not keys or not text:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        problem = said[-1] if said else f"gpgv exit status {done.returncode}"
        raise UserError(f"{where}: no good signature by a key of {', '.join(map(str, keyrings))}: {problem}")
    return Signed(text, keys)


def _good_keys(status: str, where: str) -> tuple[str, ...]:
    """Fingerprints of the primary keys with a good signature, from gpgv's status lines."""
    keys = []
    good = False
    for line in status.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "[GNUPG:]":
            continue
        if words[1] == "BADSIG":
            raise UserError(f"{where}: the signature is bad: the file was changed after it was signed")
        if words[1] == "NEWSIG":
            good = False
        elif words[1] == "GOODSIG":  # EXPSIG, EXPKEYSIG and REVKEYSIG stand here for those that are not
            good = True
        elif words[1] == "VALIDSIG" and good:
            # VALIDSIG fingerprint date time expiry version reserved pubkey-algorithm hash-algorithm class [primary]
            if words[9] in STRONG_HASHES:
                keys.append(words[11] if len(words) > 11 else words[2])
            good = False
    return tuple(keys)
