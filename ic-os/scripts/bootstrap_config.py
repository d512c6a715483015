"""Bootstrap media: which options there are, what each may be, and what comes of them.

The medium is a FAT volume with the label CONFIG. It holds `ic-bootstrap.tar`, whose members are the files that a table
of options names; the guest (ic-os/rootfs/opt/ic/bin/bootstrap-ic-node.sh) takes those and no others. The table of
GuestOS is below, that of Boundary-guestOS in boundary_bootstrap_config.py.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sysimage import fat, values
from sysimage.credentials import check_authorized_keys, check_pem
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.folders import read_file, read_folder
from sysimage.tar import Buffers, Writer
from sysimage.text import parse_json
from sysimage.tree import NANOSECONDS, Tree, file, join

LABEL = "CONFIG"
TAR = "ic-bootstrap.tar"
ACCOUNTS = ("admin", "backup", "readonly", "root")
VOLUME_ID = 0x1C05_E593
EPOCH = 1754697600  # seconds: the time of everything on the medium, 2025-08-09

# Bytes. The guest has the same limits (bootstrap-members.awk), or larger ones.
SMALL_FILE_MAX = 64 << 10
FOLDERS_MAX = 256 << 20

_SAFE_PATH = re.compile(r"[A-Za-z0-9._@+=,/-]+")
SECRET_MODE = 0o600

AUTHORIZED_KEYS = "accounts_ssh_authorized_keys"
NETWORK = "network.conf"
BACKUP = "backup.conf"


@dataclass(frozen=True, slots=True)
class Setting:
    """An option whose value becomes a line `key=value`.

    parse takes the option's name and its words (an option may be repeated), and returns the value as it is written.
    """

    name: str
    file: str
    parse: Callable[[str, Sequence[str]], str]
    help: str


@dataclass(frozen=True, slots=True)
class KeyFile:
    """An option that names a file, which is taken as it is if `check` (name for messages, content) finds it good."""

    name: str
    target: str
    mode: int
    check: Callable[[str, bytes], None]
    help: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An option that names a folder, which is taken with all in it."""

    name: str
    mode: int
    help: str


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a system's medium.

    accounts: those that ssh keys may be for.
    together: pairs of options, of which both are given or neither.
    check: what is checked besides, of all options with their words, each of which is good.
    """

    settings: Sequence[Setting]
    key_files: Sequence[KeyFile]
    folders: Sequence[Folder]
    accounts: Sequence[str]
    together: Sequence[tuple[str, str]]
    check: Callable[[Mapping[str, Sequence[str]]], None] | None = None

    @property
    def help(self) -> dict[str, str]:
        """What each option is for, by its name, in the order of messages."""
        known: list[Setting | KeyFile | Folder] = [*self.settings, *self.key_files, *self.folders]
        found = {option.name: option.help for option in known}
        keys = f"Public ssh keys: a folder with files named {', '.join(self.accounts)}; or ACCOUNT=FILE, repeated."
        return found | {AUTHORIZED_KEYS: keys}


def once(check: Callable[[str, str], object]) -> Callable[[str, Sequence[str]], str]:
    """An option that is given once, and is written as it came."""

    def parse(name: str, words: Sequence[str]) -> str:
        text = single(name, words)
        check(name, text)
        return text

    return parse


def single(name: str, words: Sequence[str]) -> str:
    """The one word of an option that is given once."""
    if len(words) != 1:
        raise UserError(f"--{name} is given {len(words)} times", hint="give it once")
    return words[0]


def listed(check: Callable[[str, str], object], separator: str = " ") -> Callable[[str, Sequence[str]], str]:
    """A list: the option is repeated, or has several values with commas or blanks between them."""

    def parse(name: str, words: Sequence[str]) -> str:
        found = [part for word in words for part in re.split(r"[, ]+", word) if part]
        for number, part in enumerate(found):
            check(name, part)
            if part in found[:number]:
                raise UserError(f"{name} has {part!r} twice")
        if not found:
            raise UserError(f"--{name} is given without a value", hint="leave the option out")
        return separator.join(found)

    return parse


def _malicious_behavior(name: str, words: Sequence[str]) -> str:
    try:
        parsed = parse_json(single(name, words))
    except ValueError as error:
        raise UserError(f"{name} is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise UserError(f"{name} is not a JSON object", hint='write it as {"KEY": VALUE}')
    # One line of printable ASCII, whatever it was before.
    return json.dumps(parsed, separators=(",", ":"))


def _positive(name: str, text: str) -> None:
    if not values.number(name, text):
        raise UserError(f"{name} is 0 seconds", hint="give at least 1")


def _interface(version: int) -> Callable[[str, str], object]:
    return lambda name, text: values.interface(name, text, version)


def address(version: int) -> Callable[[str, str], object]:
    """A check: an address of this version."""
    return lambda name, text: values.address(name, text, version)


def _url(*schemes: str) -> Callable[[str, str], object]:
    return lambda name, text: values.url(name, text, schemes)


def check_public_key(what: str, data: bytes) -> None:
    """Makes sure that a file is one public key in PEM."""
    check_pem(what, data, ["PUBLIC KEY"])


def _private_key(what: str, data: bytes) -> None:
    check_pem(what, data, ["EC PRIVATE KEY", "PRIVATE KEY"], besides=["EC PARAMETERS"])


SETTINGS = (
    Setting(
        "ipv6_address",
        NETWORK,
        once(_interface(6)),
        "IPv6 address with its prefix length, 2001:db8::2/64; left out: made of what the router advertises.",
    ),
    Setting("ipv6_gateway", NETWORK, once(address(6)), "IPv6 router; goes with --ipv6_address."),
    Setting("name_servers", NETWORK, listed(values.address), "DNS servers, IPv6 or IPv4."),
    Setting("hostname", NETWORK, once(values.host_name), "Host name by RFC 1123, at most 64 characters."),
    Setting(
        "ipv4_address",
        NETWORK,
        once(_interface(4)),
        "IPv4 address with its prefix length, 192.0.2.2/24; left out: there is none.",
    ),
    Setting("ipv4_gateway", NETWORK, once(address(4)), "IPv4 router; goes with --ipv4_address."),
    Setting("domain", NETWORK, once(values.domain_name), "Domain in which names without a dot are looked up."),
    Setting("nns_url", "nns.conf", listed(_url("http", "https"), ","), "URL of a node of the NNS; may be repeated."),
    Setting("backup_retention_time_secs", BACKUP, once(values.number), "How long backups are kept, in seconds."),
    Setting("backup_purging_interval_secs", BACKUP, once(_positive), "How often old backups go, in seconds."),
    Setting("elasticsearch_hosts", "log.conf", listed(values.host_and_port), "HOST:PORT of servers that take logs."),
    Setting("elasticsearch_tags", "log.conf", listed(values.word), "Tags of the logs."),
    Setting(
        "malicious_behavior",
        "malicious_behavior.conf",
        _malicious_behavior,
        "JSON object for the malicious replica of dev-malicious; for tests only.",
    ),
    Setting(
        "bitcoind_addr",
        "bitcoind_addr.conf",
        listed(values.host_and_port, ","),
        "HOST:PORT of bitcoind; for tests only.",
    ),
    Setting(
        "socks_proxy",
        "socks_proxy.conf",
        once(_url("socks5", "socks5h")),
        "URL of a SOCKS proxy, socks5://HOST:PORT; for tests only.",
    ),
)

KEY_FILES = (
    KeyFile("nns_public_key", "nns_public_key.pem", 0o644, check_public_key, "File: public key of the NNS, PEM."),
    KeyFile(
        "node_operator_private_key",
        "node_operator_private_key.pem",
        SECRET_MODE,
        _private_key,
        "File: private key of the node operator, PEM.",
    ),
)

FOLDERS = (
    Folder("ic_crypto", SECRET_MODE, "Folder with the keys of the node, for /var/lib/ic/crypto."),
    Folder("ic_registry_local_store", 0o644, "Folder with the registry's local store, for /var/lib/ic/data."),
)

# Gateway and the address it goes with.
_PAIRS = (("ipv6_gateway", "ipv6_address", 6), ("ipv4_gateway", "ipv4_address", 4))

GUESTOS = Options(SETTINGS, KEY_FILES, FOLDERS, ACCOUNTS, together=())


def make_tree(given: Mapping[str, Sequence[str]], known: Options = GUESTOS) -> Tree:
    """The content of ic-bootstrap.tar. network.conf is always there, everything else where an option asks for it.

    Args:
        given: option to its words, in the order they came; one without words counts as not given.
        known: the options that there are.

    Raises:
        UserError: no option of that name, a value that is none for it, or one that contradicts another; a file that
            cannot be read.
    """
    options = {name: words for name, words in given.items() if words}
    for name in options:
        if name not in known.help:
            raise UserError(f"there is no option {name!r}", hint=f"there are {', '.join(known.help)}")
    for pair in known.together:
        for has, lacks in (pair, reversed(pair)):
            if has in options and lacks not in options:
                raise UserError(f"--{has} is given without --{lacks}", hint="give both, or neither")
    tree = Tree()
    tree.change("", mtime=EPOCH * NANOSECONDS)
    for path, text in sorted(_setting_files(options, known.settings).items()):
        _put(tree, path, text.encode(), 0o644)
    for key in known.key_files:
        if key.name in options:
            path = single(key.name, options[key.name])
            data = read_file(key.name, path, SMALL_FILE_MAX)
            key.check(f"{key.name} ({path})", data)
            _put(tree, key.target, data, key.mode)
    if AUTHORIZED_KEYS in options:
        for account, data in _authorized_keys(options[AUTHORIZED_KEYS], known.accounts).items():
            _put(tree, join(AUTHORIZED_KEYS, account), data, 0o644)
    for folder in known.folders:
        if folder.name in options:
            _put_folder(tree, folder, single(folder.name, options[folder.name]))
    if known.check:
        known.check(options)
    return tree


def _put(tree: Tree, path: str, data: bytes, mode: int) -> None:
    tree.put(path, file(data, mode, mtime=EPOCH * NANOSECONDS))


def _setting_files(options: Mapping[str, Sequence[str]], settings: Sequence[Setting]) -> dict[str, str]:
    found = {each.name: each.parse(each.name, options[each.name]) for each in settings if each.name in options}
    for gateway, address, version in _PAIRS:
        if (gateway in found) != (address in found):
            lacks, has = (gateway, address) if address in found else (address, gateway)
            raise UserError(f"--{has} is given without --{lacks}", hint="give both, or neither")
        if gateway in found:
            values.gateway(gateway, found[gateway], values.interface(address, found[address], version))
    files = {NETWORK: ""}
    for setting in settings:
        if setting.name in found:
            files[setting.file] = files.get(setting.file, "") + f"{setting.name}={found[setting.name]}\n"
    return files


def _authorized_keys(words: Sequence[str], accounts: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def add(account: str, path: str, data: bytes) -> None:
        what = f"{AUTHORIZED_KEYS} ({path})"
        if account not in accounts:
            raise UserError(f"{what}: there is no account {account!r}", hint=f"there are {', '.join(accounts)}")
        if account in found:
            raise UserError(f"{AUTHORIZED_KEYS} has keys of {account} twice")
        check_authorized_keys(what, data)
        found[account] = data

    for word in words:
        account, equals, path = word.partition("=")
        if equals and "/" not in account:
            add(account, path, read_file(AUTHORIZED_KEYS, path, SMALL_FILE_MAX))
        else:
            for name, data in read_folder(AUTHORIZED_KEYS, word, len(accounts) * SMALL_FILE_MAX).items():
                add(name, f"{word}/{name}", data)
    return dict(sorted(found.items()))


def _put_folder(tree: Tree, folder: Folder, path: str) -> None:
    files = read_folder(folder.name, path, FOLDERS_MAX)
    if not files:
        raise UserError(f"{folder.name}: {path} has no files in it", hint="leave the option out")
    for name, data in files.items():
        if not _SAFE_PATH.fullmatch(name):
            raise UserError(f"{folder.name}: {name!r} in {path} has other characters than letters, digits and ._@+=,-")
        _put(tree, join(folder.name, name), data, folder.mode)


def make_archive(tree: Tree) -> bytes:
    """A tree as a tar archive, owner 0:0, members sorted."""
    parts: list[bytes] = []

    def take(buffers: Buffers) -> None:
        parts.extend(bytes(buffer) for buffer in buffers)

    writer = Writer(take, TAR)
    with Sources({}) as nothing:
        for path, node in tree.walk():
            if path:
                writer.add(path, node, nothing)
    writer.close()
    return b"".join(parts)


def make_image(tree: Tree) -> ExtentMap:
    """The medium with such an archive, as small as FAT16 allows.

    Raises:
        UserError: the archive is larger than a volume can be.
    """
    medium = Tree()
    medium.change("", mtime=EPOCH * NANOSECONDS)
    _put(medium, TAR, make_archive(tree), 0o644)
    return fat.plan(medium, fat.Options(label=LABEL, volume_id=VOLUME_ID))
