"""What somebody wants an image to carry: each value checked, the whole before anything is written."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from configure.contents import ACCOUNTS, KEYS_FOLDER, NNS_KEY, OPERATOR_KEY, PLACES, SKIP_CHECKS, Contents
from configure.key_files import check_private_key, check_public_key, check_ssh_keys
from configure.node_config import (
    CONFIG_INI,
    CONFIG_KEYS,
    DEPLOYMENT_JSON,
    DEPLOYMENT_KEYS,
    Pairs,
    check_config,
    check_deployment,
    parse_deployment,
)
from configure.settings import HINTS, KINDS, bad_value
from sysimage.edit import Change
from sysimage.errors import UserError
from sysimage.folders import read_file, read_folder
from sysimage.tree import NANOSECONDS

FILE_MAX = 64 << 10  # bytes
EPOCH = 1754697600  # seconds: the time of what is written, 2025-08-09
FIGURES_MAX = 16  # of a number that every reader of JSON keeps
CHECKS = ("cpu", "memory", "disks", "network")
ALL, NONE = "all", "none"
REMOVABLE = (OPERATOR_KEY, *(f"{KEYS_FOLDER}/{account}" for account in ACCOUNTS))


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted, as options give it; what is None or empty stays as it is.

    settings: `KEY=VALUE` words for keys of config.ini and, with a dot, of deployment.json; no value takes the key away.
    ssh_authorized_keys: `ACCOUNT=FILE` words, or folders with files named so.
    skip_checks: names of checks with commas between them, `all` or `none`.
    remove: names of files to take away.
    """

    config: Path | None = None
    deployment: Path | None = None
    settings: Sequence[str] = ()
    ssh_authorized_keys: Sequence[str] = ()
    node_operator_private_key: Path | None = None
    nns_public_key: Path | None = None
    skip_checks: str | None = None
    remove: Sequence[str] = ()
    base: Path = field(default_factory=Path)  # which relative paths start from


def files(wishes: Wishes, now: Contents) -> dict[str, bytes | None]:
    """The files that are to be, by their names in PLACES; None: it is to go away.

    Raises:
        UserError: a value is none, or contradicts another or the image; a file cannot be read.
    """
    found: dict[str, bytes | None] = {}
    for name in wishes.remove:
        if name not in REMOVABLE:
            raise UserError(f"--remove {name!r} cannot be taken away", hint=f"there are {', '.join(REMOVABLE)}")
        found[name] = None
    found |= _key_files(wishes)
    found |= _settings(wishes, now)
    if wishes.skip_checks is not None:
        found[SKIP_CHECKS] = _skip_checks(wishes.skip_checks, now)
    for name in wishes.remove:
        if found[name] is not None:
            raise UserError(f"--remove {name!r}, which another option gives", hint="leave one of them out")
    return found


def changes(wanted: Mapping[str, bytes | None]) -> dict[str, list[Change]]:
    """The changes of partitions that make files so."""
    made: dict[str, list[Change]] = {}
    for name, data in wanted.items():
        mode = 0o600 if name == OPERATOR_KEY else 0o644
        made.setdefault(PLACES[name], []).append(Change(name, data, mode=mode, mtime=EPOCH * NANOSECONDS))
    return made


def _key_files(wishes: Wishes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def add(account: str, path: str, data: bytes) -> None:
        what = f"--ssh_authorized_keys ({path})"
        if account not in ACCOUNTS:
            raise UserError(f"{what}: there is no account {account!r}", hint=f"there are {', '.join(ACCOUNTS)}")
        if f"{KEYS_FOLDER}/{account}" in found:
            raise UserError(f"--ssh_authorized_keys has keys of {account} twice")
        check_ssh_keys(path, data)
        found[f"{KEYS_FOLDER}/{account}"] = data

    for word in wishes.ssh_authorized_keys:
        account, equals, path = word.partition("=")
        if equals and "/" not in account:
            add(account, path, read_file("--ssh_authorized_keys", wishes.base / path, FILE_MAX))
            continue
        folder = wishes.base / word
        if folder.is_file():
            raise UserError(f"--ssh_authorized_keys: {word} is a file", hint=f"say whose keys: admin={word}")
        for name, data in read_folder("--ssh_authorized_keys", folder, len(ACCOUNTS) * FILE_MAX).items():
            add(name, f"{word}/{name}", data)
    if wishes.node_operator_private_key:
        operator = wishes.node_operator_private_key
        found[OPERATOR_KEY] = read_file("--node_operator_private_key", wishes.base / operator, FILE_MAX)
        check_private_key(str(operator), found[OPERATOR_KEY])
    if wishes.nns_public_key:
        nns = wishes.nns_public_key
        found[NNS_KEY] = read_file("--nns_public_key", wishes.base / nns, FILE_MAX)
        check_public_key(str(nns), found[NNS_KEY])
    return found


def _settings(wishes: Wishes, now: Contents) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    words = [_word(word) for word in wishes.settings]
    for key, _ in words:
        if [each for each, _ in words].count(key) > 1:
            raise UserError(f"--set {key} is given twice")
    for name, given, option, known in (
        (CONFIG_INI, wishes.config, "--config", CONFIG_KEYS),
        (DEPLOYMENT_JSON, wishes.deployment, "--deployment", DEPLOYMENT_KEYS),
    ):
        own = {key: value for key, value in words if key in known}
        if given is None and not own:
            continue
        what = str(given) if given else f"{name} of the image"
        data = read_file(option, wishes.base / given, FILE_MAX) if given else now.files.get(name, b"")
        if own:
            data = set_config(data, own) if name == CONFIG_INI else set_deployment(what, data, own)
            what += " with --set"
        if name == CONFIG_INI:
            check_config(what, data)
        else:
            check_deployment(what, data)
        found[name] = data
    return found


def _word(word: str) -> tuple[str, str]:
    """A word of --set, its value checked."""
    key, equals, value = word.partition("=")
    known = {**CONFIG_KEYS, **DEPLOYMENT_KEYS}
    if not equals:
        raise UserError(f"--set {word!r} is not of the form KEY=VALUE")
    if key not in known:
        raise UserError(f"--set: there is no key {key!r}", hint=f"there are {', '.join(known)}")
    kind = known[key].kind
    if value and not KINDS[kind](value):
        raise UserError(f"--set: {bad_value(key, value, HINTS[kind])}")
    return key, value


def set_config(data: bytes, values: Mapping[str, str]) -> bytes:
    """A config.ini with other values: in the line of the key where there is one, else behind all lines."""
    left = dict(values)
    lines = []
    for line in data.decode("latin-1").split("\n"):
        key = line.partition("=")[0]
        if "=" not in line or key not in values:
            lines.append(line)
        elif value := left.pop(key, ""):
            lines.append(f"{key}={value}")
    if lines and not lines[-1]:
        lines.pop()
    lines += [f"{key}={value}" for key, value in left.items() if value]
    return "".join(f"{line}\n" for line in lines).encode("latin-1")


def set_deployment(what: str, data: bytes, values: Mapping[str, str]) -> bytes:
    """A deployment.json with other values, written anew. Errors: what is there is malformed."""
    sections = _plain(parse_deployment(what, data), what) if data else {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        inner = sections.setdefault(section, {})
        if not isinstance(inner, dict):
            raise UserError(f"{what}: {section} is not an object of keys")
        if value:
            inner[name] = value
        else:
            inner.pop(name, None)
    return (json.dumps(sections, indent=2) + "\n").encode()


def _plain(value: Any, what: str) -> Any:
    if isinstance(value, Pairs):
        names = [name for name, _ in value]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"{what}: {twice} comes twice")
        return {name: _plain(inner, what) for name, inner in value}
    if isinstance(value, list):
        return [_plain(each, what) for each in value]
    return _number(value) if isinstance(value, Decimal) else value


def _number(value: Decimal) -> int | str:
    """A number as JSON writes it, or as the text that HostOS takes it for."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < FIGURES_MAX else text


def parse_checks(what: str, data: bytes) -> list[str]:
    """The names in a file of skipped checks: one a line, `#` comments, or `all`.

    Raises:
        UserError: there is no such check.
    """
    found: list[str] = []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if word not in (*CHECKS, ALL):
            raise UserError(f"{what}, line {number}: there is no check {word!r}", hint=_there_are())
        found += CHECKS if word == ALL else [word]
    return [check for check in CHECKS if check in found]


def _there_are() -> str:
    return f"there are {', '.join(CHECKS)}, or {ALL} for these"


def _skip_checks(text: str, now: Contents) -> bytes | None:
    words = [word for word in re.split("[, ]+", text) if word]
    if words == [NONE]:
        return None
    for word in words:
        if word not in (*CHECKS, ALL):
            raise UserError(f"--skip_checks: there is no check {word!r}", hint=f"{_there_are()}; {NONE} skips nothing")
    if not words:
        raise UserError("--skip_checks is given without a value", hint=_there_are())
    if not now.may_skip:
        raise UserError(
            "--skip_checks: this image is one of production, whose checks cannot be skipped",
            hint="take an image of dev, for a machine that is for tests",
        )
    chosen = [ALL] if ALL in words else [check for check in CHECKS if check in words]
    return "".join(f"{check}\n" for check in chosen).encode()
