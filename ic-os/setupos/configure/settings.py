"""What a setting of a node may be: settings.awk of the images, in Python.

The images refuse by programs of awk, which a build cannot run; these are the same rules, and a test (differential_test)
lets both judge the same files. A kind is a name of a form that a value has, as in settings.awk.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SHOWN = 100  # characters of a bad value in a message
HOST_MAX = 253  # characters of a domain name
LABEL_MAX = 63
PORT_MAX = 65535

_OCTET = re.compile(r"0|[1-9][0-9]?[0-9]?")
_GROUPS = re.compile(r"[0-9A-Fa-f:]+")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_MAC = re.compile(r"[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2})+")
_MAC_LENGTH = 17


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a file, `name` the one that it goes by in the system."""

    kind: str
    name: str


def is_ipv4(text: str) -> bool:
    """An address of four numbers without leading zeros."""
    parts = text.split(".")
    return len(parts) == 4 and all(_OCTET.fullmatch(part) and int(part) <= 255 for part in parts)


def are_groups(text: str, wanted: int) -> bool:
    """So many groups of an IPv6 address; `::` stands for those that are zero."""
    if not _GROUPS.fullmatch(text) or ":::" in text:
        return False
    if re.match(r":[^:]", text) or re.search(r"[^:]:\Z", text):
        return False
    parts = text.split(":")
    if any(len(part) > 4 for part in parts):
        return False
    groups = len([part for part in parts if part])
    gaps = text.count("::")
    return groups < wanted if gaps == 1 else gaps == 0 and groups == wanted


def is_ipv6(text: str) -> bool:
    """An address, without an IPv4 address in it and without a zone."""
    return are_groups(text, 8)


def is_prefix6(text: str) -> bool:
    """The first four groups of an address, or these and `::`, which then stands for the other four."""
    return are_groups(text, 4) or (is_ipv6(text) and text.endswith("::") and are_groups(text[:-2], 4))


def is_name(text: str) -> bool:
    """A name of a host or domain, RFC 1123, 2.1."""
    labels = text.split(".")
    return len(text) <= HOST_MAX and all(_LABEL.fullmatch(label) and len(label) <= LABEL_MAX for label in labels)


def is_host_and_port(text: str) -> bool:
    """`HOST:PORT`, an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > PORT_MAX:
        return False
    if len(host) > 1 and host.startswith("[") and host.endswith("]"):
        return is_ipv6(host[1:-1])
    return is_ipv4(host) if re.fullmatch(r"[0-9.]+", host) else is_name(host)


def is_mac(text: str) -> bool:
    """The MAC of one network card, not that of a group of them."""
    return len(text) == _MAC_LENGTH and bool(_MAC.fullmatch(text)) and bool(text.strip("0:"))


def _pattern(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _each(check: Callable[[str], bool]) -> Callable[[str], bool]:
    """One or more, with blanks between them."""

    def judge(text: str) -> bool:
        parts = [part for part in text.split(" ") if part]
        return bool(parts) and all(check(part) for part in parts)

    return judge


KINDS: Mapping[str, Callable[[str], bool]] = {
    "address4": is_ipv4,
    "address6": is_ipv6,
    "addresses": _each(lambda text: is_ipv4(text) or is_ipv6(text)),
    "count": _pattern(r"[1-9][0-9]{0,5}"),
    "domain": is_name,
    "hosts+ports": _each(is_host_and_port),
    "kvm|qemu": _pattern("kvm|qemu"),
    "length4": lambda text: re.fullmatch(r"[0-9][0-9]?", text) is not None and int(text) <= 32,
    "mac": is_mac,
    "prefix6": is_prefix6,
    "true|false": _pattern("true|false"),
    "urls": _pattern(r"https?://[A-Za-z0-9._~:/?%=\[\],+-]+"),
    "word": _pattern(r"[A-Za-z0-9._-]+"),
}

HINTS: Mapping[str, str] = {
    "address4": "write it as 192.0.2.2",
    "address6": "write it as 2001:db8::1",
    "addresses": "write IP addresses with blanks between them",
    "count": "it is a number from 1 to 999999, without a unit",
    "domain": "it is a name by RFC 1123, such as example.org",
    "hosts+ports": "write them as HOST:PORT with blanks between them, an IPv6 address in brackets",
    "kvm|qemu": "it is kvm or qemu",
    "length4": "it is a number from 0 to 32",
    "mac": "it is that of a network card, such as 3c:ec:ef:6b:37:99",
    "prefix6": "it is four groups, such as 2a00:fb01:400:200",
    "true|false": "it is true or false",
    "urls": "write http or https URLs with commas between them",
    "word": "it is a word of letters, digits and ._-",
}


def bad_value(key: str, text: str, hint: str) -> str:
    """Why a value is refused."""
    return f"{key} cannot be '{text[:SHOWN]}'; {hint}"


def take(line: str, known: Mapping[str, Key], values: dict[str, str]) -> str:
    """Takes a line `key=value`; returns the reason where it cannot be taken, otherwise nothing."""
    key, equals, text = line.partition("=")
    if not equals:
        return "is not of the form key=value"
    if key not in known:
        return f"there is no key '{key}'"
    if key in values:
        return f"{key} comes twice"
    kind = known[key].kind
    if not KINDS[kind](text):
        return bad_value(key, text, HINTS[kind])
    values[key] = text
    return ""
