"""Values of settings that a person gives: addresses, names, URLs, numbers. What is none is refused with the reason.

A function takes the name of the setting, for its messages, and the text; it returns what the text means, or the text
itself. No value that passes has a blank, a line feed, a quote or any other sign that a shell would act on.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from sysimage.errors import UserError
from sysimage.text import is_decimal

HOST_NAME_MAX = 64  # bytes, as Linux has it (__NEW_UTS_LEN)
DOMAIN_MAX = 253  # characters of a domain name that fits RFC 1035's 255 octets
LABEL_MAX = 63
PORT_MAX = 65535
NUMBER_MAX = 2**63 - 1

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
# Of RFC 3986, 2, without what shells and lists of URLs take for their own.
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?%=\[\]+-]*")
_EMBEDDED = re.compile(r"[.%]")  # an IPv4 address, or a zone, in an IPv6 address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_EXAMPLES = {4: "192.0.2.2", 6: "2001:db8::2"}
_LENGTHS = {4: 24, 6: 64}


def _family(version: int) -> str:
    return f"IPv{version}"


def interface(name: str, text: str, version: int) -> Interface:
    """An address of a machine with the length of its network's prefix.

    Raises:
        UserError: it is none of this version, has no prefix length, or is not one that a machine can have.
    """
    example = f"{_EXAMPLES[version]}/{_LENGTHS[version]}"
    address_text, slash, length = text.partition("/")
    if not slash:
        raise UserError(f"{name} {text!r} has no prefix length", hint=f"write it as {example}")
    found = address(name, address_text, version)
    if not is_decimal(length) or int(length) > found.max_prefixlen:
        raise UserError(
            f"{name} {text!r} has the prefix length {length!r}, which is not a number from 0 to {found.max_prefixlen}",
            hint=f"write it as {example}",
        )
    if found.is_multicast or found.is_unspecified or found.is_loopback:
        raise UserError(f"{name} {text!r} is not the address of one machine in a network", hint=f"such as {example}")
    return ipaddress.ip_interface((str(found), int(length)))


def network(name: str, text: str, version: int) -> str:
    """An address, or a network: its first address and the length of its prefix.

    Raises:
        UserError: it is none of this version, or its address is another than the first one of the network.
    """
    address_text, slash, length = text.partition("/")
    found = address(name, address_text, version)
    if not slash:
        return text
    if not is_decimal(length) or int(length) > found.max_prefixlen:
        raise UserError(
            f"{name} {text!r} has the prefix length {length!r}, which is not a number from 0 to {found.max_prefixlen}"
        )
    first = ipaddress.ip_network((str(found), int(length)), strict=False)
    if first.network_address != found:
        raise UserError(f"{name} {text!r} is an address in a network, not the network", hint=f"write it as {first}")
    return text


def address(name: str, text: str, version: int | None = None) -> Address:
    """An IP address; without a version, of either.

    Raises:
        UserError: it is none, or of the other version, or an IPv6 address with a zone or an IPv4 address in it.
    """
    wanted = "IP" if version is None else _family(version)
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        found = None
    if found is None or (found.version == 6 and _EMBEDDED.search(text)):
        example = _EXAMPLES[version or 6]
        raise UserError(f"{name} {text!r} is not an {wanted} address", hint=f"write it as {example}")
    if version is not None and found.version != version:
        raise UserError(f"{name} {text!r} is an {_family(found.version)} address; an {wanted} address is wanted")
    return found


def gateway(name: str, text: str, of: Interface) -> Address:
    """The router of a network that an interface is in. An IPv6 router may have a link-local address instead.

    Raises:
        UserError: it is no address of the same version, lies in another network, or is the interface's own.
    """
    found = address(name, text, of.version)
    if found not in of.network and not (found.version == 6 and found.is_link_local):
        raise UserError(f"{name} {text!r} is not in the network {of.network} of the address {of}")
    if found == of.ip:
        raise UserError(f"{name} {text!r} is the machine's own address", hint="name the router's")
    return found


def domain_name(name: str, text: str, longest: int = DOMAIN_MAX) -> str:
    """A host or domain name by RFC 1123, 2.1: labels of 1 to 63 letters, digits and inner hyphens, dots between them.

    Raises:
        UserError: it is none, is longer than `longest` characters, or could be taken for an IPv4 address.
    """
    if not 1 <= len(text) <= longest:
        raise UserError(f"{name} {text!r} has {len(text)} characters, 1 to {longest} are possible")
    labels = text.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label) or len(label) > LABEL_MAX:
            raise UserError(
                f"{name} {text!r} is not a name by RFC 1123: the part {label!r} is not 1 to {LABEL_MAX} letters, "
                "digits and inner hyphens"
            )
    if len(labels) > 1 and is_decimal(labels[-1]):
        raise UserError(f"{name} {text!r} ends in a number, as an address does; a name is wanted")
    return text


def host_name(name: str, text: str) -> str:
    """The name of a machine, at most as long as Linux takes. Errors: as `domain_name`."""
    return domain_name(name, text, HOST_NAME_MAX)


def url(name: str, text: str, schemes: tuple[str, ...]) -> str:
    """A URL with a host, of one of some schemes; no user, no fragment.

    Raises:
        UserError: it is none.
    """
    wanted = " or ".join(f"{scheme}://HOST[:PORT]" for scheme in schemes)

    def refuse(why: str) -> UserError:
        return UserError(f"{name} {text!r} {why}", hint=f"write it as {wanted}")

    if not _URL_CHARACTERS.fullmatch(text):
        bad = next(character for character in text if not _URL_CHARACTERS.fullmatch(character))
        raise refuse(f"has the character {bad!r}")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise refuse(f"is not a URL: {error}") from error
    if parts.scheme not in schemes:
        raise refuse(f"has the scheme {parts.scheme!r}" if parts.scheme else "has no scheme")
    if not host:
        raise refuse("has no host")
    if port == 0 or parts.netloc.endswith(":"):
        raise refuse("has no possible port")
    _host(name, host)
    return text


def host_and_port(name: str, text: str) -> str:
    """`HOST:PORT`, where the host is a name or an address, one of IPv6 in brackets.

    Raises:
        UserError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not is_decimal(port) or not 1 <= int(port) <= PORT_MAX:
        raise UserError(f"{name} {text!r} does not end in :PORT, a number from 1 to {PORT_MAX}")
    if host.startswith("[") and host.endswith("]"):
        address(name, host[1:-1], 6)
    elif ":" in host:
        raise UserError(f"{name} {text!r} has an IPv6 address without brackets", hint=f"write it as [{host}]:{port}")
    else:
        _host(name, host)
    return text


def _host(name: str, text: str) -> None:
    if ":" in text:
        address(name, text, 6)
    elif re.fullmatch(r"[0-9.]+", text):
        address(name, text, 4)
    else:
        domain_name(name, text)


def number(name: str, text: str) -> int:
    """A number of the digits 0 to 9, at most what fits 63 bits.

    Raises:
        UserError: it is none.
    """
    if not is_decimal(text) or int(text) > NUMBER_MAX:
        raise UserError(f"{name} {text!r} is not a number from 0 to {NUMBER_MAX}", hint="digits only, without a unit")
    return int(text)


def word(name: str, text: str) -> str:
    """A word of letters, digits and `._-`.

    Raises:
        UserError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise UserError(f"{name} {text!r} is not a word of letters, digits and ._-")
    return text
