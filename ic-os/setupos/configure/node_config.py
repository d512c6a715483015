"""config.ini and deployment.json, judged as HostOS judges them (host-config.sh, host-config.awk, deployment.jq).

Messages are HostOS's own, with the name of the file in front. What is accepted here is accepted there; the reverse
holds too, but for texts that jq takes for JSON although RFC 8259 does not: numbers such as `nan`, `+1`, `.5` and `01`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from configure.settings import Key, are_groups, bad_value, take
from sysimage.errors import UserError

CONFIG_INI = "config.ini"
DEPLOYMENT_JSON = "deployment.json"

CONFIG_KEYS: Mapping[str, Key] = {
    "ipv6_prefix": Key("prefix6", "ipv6_prefix"),
    "ipv6_gateway": Key("address6", "ipv6_gateway"),
    "ipv4_address": Key("address4", "ipv4_address"),
    "ipv4_gateway": Key("address4", "ipv4_gateway"),
    "ipv4_prefix_length": Key("length4", "ipv4_prefix_length"),
    "domain": Key("domain", "domain"),
    "verbose": Key("true|false", "verbose"),
}
DEPLOYMENT_KEYS: Mapping[str, Key] = {
    "deployment.name": Key("word", "deployment_name"),
    "deployment.mgmt_mac": Key("mac", "mgmt_mac"),
    "logging.hosts": Key("hosts+ports", "logging_hosts"),
    "nns.url": Key("urls", "nns_url"),
    "dns.name_servers": Key("addresses", "name_servers"),
    "resources.memory": Key("count", "memory"),
    "resources.cpu": Key("kvm|qemu", "cpu"),
    "resources.nr_of_vcpus": Key("count", "nr_of_vcpus"),
}

_IPV4 = ("ipv4_address", "ipv4_gateway", "ipv4_prefix_length")
_NO_TEXT = "has another character than printable ASCII; write it without, and without carriage returns"
_UNPRINTABLE = re.compile(r"[^ -~]")
_COMMENT = re.compile(r" *(#.*)?")
_BOM = b"\xef\xbb\xbf"


def check_config(what: str, data: bytes) -> dict[str, str]:
    """The settings of a config.ini, by the names that host-config.sh has for them.

    Args:
        what: the file, for messages.
        data: its content.

    Raises:
        UserError: HostOS refuses it.
    """
    values: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
        reason = _take_line(line, values)
        if reason:
            raise UserError(f"{what}, line {number}: {reason}")
        numbers.setdefault(line.partition("=")[0], number)
    for key in ("ipv6_prefix", "ipv6_gateway"):
        if key not in values:
            raise UserError(f"{what}: there is no {key}; it must be there")

    def refuse(key: str, hint: str) -> UserError:
        return UserError(f"{what}, line {numbers[key]}: {bad_value(key, values[key], hint)}")

    prefix = _prefix(values["ipv6_prefix"])
    if prefix[0] == "0" or re.fullmatch("ff..|fe[89ab].", prefix[0]):
        raise refuse("ipv6_prefix", "it is that of a network in which machines have addresses")
    gateway = _expand(values["ipv6_gateway"], 8)
    if gateway[:4] != prefix and not re.fullmatch("fe[89ab].", gateway[0]):
        raise refuse("ipv6_gateway", "it lies in the network of ipv6_prefix, or is link-local")
    given = [key for key in _IPV4 if key in values]
    if given and len(given) < len(_IPV4):
        raise UserError(f"{what}: {', '.join(_IPV4[:2])} and {_IPV4[2]} go together; give all three, or none")
    if given:
        shift = 32 - int(values["ipv4_prefix_length"])
        if _number4(values["ipv4_address"]) >> shift != _number4(values["ipv4_gateway"]) >> shift:
            raise refuse("ipv4_gateway", "it lies in the network of ipv4_address")
        if values["ipv4_address"] == values["ipv4_gateway"]:
            raise refuse("ipv4_gateway", "it is the router's address, not the machine's own")
    return {CONFIG_KEYS[key].name: text for key, text in values.items()} | {"ipv6_prefix": ":".join(prefix)}


def _take_line(line: str, values: dict[str, str]) -> str:
    if _UNPRINTABLE.search(line):
        return _NO_TEXT
    return "" if _COMMENT.fullmatch(line) else take(line, CONFIG_KEYS, values)


def _prefix(text: str) -> list[str]:
    return _expand(text if are_groups(text, 4) else text[:-2], 4)


def _expand(text: str, wanted: int) -> list[str]:
    """Groups in lower case, without leading zeros, as many as wanted, where `::` stands for zeros."""
    front, gap, back = text.lower().partition("::")
    groups = [part for part in front.split(":") if part]
    behind = [part for part in back.split(":") if part]
    zeros = ["0"] * (wanted - len(groups) - len(behind)) if gap else []
    return [group.lstrip("0") or "0" for group in [*groups, *zeros, *behind]]


def _number4(text: str) -> int:
    return int.from_bytes(bytes(int(part) for part in text.split(".")), "big")


def check_deployment(what: str, data: bytes) -> dict[str, str]:
    """The settings of a deployment.json, by the names that host-config.sh has for them.

    Args:
        what: the file, for messages.
        data: its content.

    Raises:
        UserError: HostOS refuses it.
    """
    values: dict[str, str] = {}
    for line in _lines(parse_deployment(what, data)):
        reason = take(line, DEPLOYMENT_KEYS, values)
        if reason:
            raise UserError(f"{what}: {reason}")
    if "deployment.name" not in values:
        raise UserError(f"{what}: there is no deployment.name; it must be there")
    if "deployment.mgmt_mac" in values:
        values["deployment.mgmt_mac"] = values["deployment.mgmt_mac"].lower()
    return {DEPLOYMENT_KEYS[key].name: text for key, text in values.items()}


class Pairs(list[tuple[str, Any]]):
    """A JSON object, with keys that come twice."""


def parse_deployment(what: str, data: bytes) -> Pairs:
    """A JSON object with all its keys; numbers as decimals. Errors: it is none."""
    text = data.removeprefix(_BOM).decode("utf-8", "replace")
    try:
        parsed = json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=_refuse_constant,
        )
        # Half a surrogate pair is no text.
        json.dumps(parsed, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise UserError(f"{what}: is not JSON: it is nested too deeply") from None
    except json.JSONDecodeError as error:
        if not text.strip(" \t\r\n"):
            raise UserError(f"{what}: is not one JSON object") from error
        said = f"{error.msg} in line {error.lineno}, column {error.colno}"
        raise UserError(f"{what}: is not JSON: {said}") from error
    except ValueError as error:
        raise UserError(f"{what}: is not JSON: {error}") from error
    if not isinstance(parsed, Pairs):
        raise UserError(f"{what}: is not one JSON object")
    return parsed


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _lines(sections: Pairs) -> Iterator[str]:
    """Each value as a line SECTION.KEY=value, as deployment.jq has them."""
    for section, content in sections:
        # A section may be empty.
        if not (isinstance(content, Pairs) and not content):
            yield from (f"{key}={text}" for key, text in _leaves(_word(section), content))


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Pairs) and value:
        for name, inner in value:
            yield from _leaves(f"{key}.{_word(name)}", inner)
    elif isinstance(value, list) and value and not isinstance(value, Pairs):
        for number, inner in enumerate(value):
            yield from _leaves(f"{key}.{number}", inner)
    else:
        yield key, _text(value)


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "?", name)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _UNPRINTABLE.sub(r"\\", value)
    if isinstance(value, Decimal):
        return str(value)
    kinds = {type(None): "null", bool: "boolean", Pairs: "object", list: "array"}
    return f"<{kinds[type(value)]}>"
