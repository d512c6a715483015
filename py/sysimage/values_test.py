"""Values that people give: what is taken, and what is said of the rest."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import values
from sysimage.errors import UserError

NET6 = ipaddress.ip_interface("2001:db8::2/64")
NET4 = ipaddress.ip_interface("192.0.2.2/24")

Check = Callable[[str], object]


def interface6(text: str) -> object:
    return values.interface("x", text, 6)


def interface4(text: str) -> object:
    return values.interface("x", text, 4)


def address(text: str) -> object:
    return values.address("x", text)


def gateway6(text: str) -> object:
    return values.gateway("x", text, NET6)


def gateway4(text: str) -> object:
    return values.gateway("x", text, NET4)


def host_name(text: str) -> object:
    return values.host_name("x", text)


def domain_name(text: str) -> object:
    return values.domain_name("x", text)


def url(text: str) -> object:
    return values.url("x", text, ("http", "https"))


def host_and_port(text: str) -> object:
    return values.host_and_port("x", text)


def number(text: str) -> object:
    return values.number("x", text)


def word(text: str) -> object:
    return values.word("x", text)


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (interface6, "2001:db8::2/64"),
        (interface6, "2001:0DB8:0:0:0:0:0:2/128"),
        (interface6, "fe80::1/10"),
        (interface4, "192.0.2.2/24"),
        (interface4, "10.0.0.0/31"),
        (address, "::1"),
        (address, "1.1.1.1"),
        (gateway6, "2001:db8::1"),
        (gateway6, "fe80::1"),
        (gateway4, "192.0.2.1"),
        (host_name, "a"),
        (host_name, "guest-3cecef6b3799-0"),
        (host_name, "3com.example"),
        (host_name, "a" * 63),
        (domain_name, ".".join(["a" * 63] * 3 + ["a" * 61])),
        (url, "https://nns.example"),
        (url, "http://[2001:db8::1]:8080/path?query=1%20"),
        (url, "http://192.0.2.1/"),
        (host_and_port, "logs.example:443"),
        (host_and_port, "[2001:db8::1]:8333"),
        (host_and_port, "192.0.2.1:1"),
        (number, "0"),
        (number, str(2**63 - 1)),
        (word, "a.b_c-1"),
    ],
)
def test_good(check: Check, text: str) -> None:
    check(text)


BAD: list[tuple[Check, str, str]] = [
    (interface6, "2001:db8::2", "x '2001:db8::2' has no prefix length (hint: write it as 2001:db8::2/64)"),
    (interface6, "2001:db8::g/64", "x '2001:db8::g' is not an IPv6 address (hint: write it as 2001:db8::2)"),
    (interface6, "192.0.2.2/24", "x '192.0.2.2' is an IPv4 address; an IPv6 address is wanted"),
    (interface4, "2001:db8::2/64", "x '2001:db8::2' is an IPv6 address; an IPv4 address is wanted"),
    (interface6, "fe80::1%eth0/64", "x 'fe80::1%eth0' is not an IPv6 address (hint: write it as 2001:db8::2)"),
    (interface6, "::ffff:1.2.3.4/64", "x '::ffff:1.2.3.4' is not an IPv6 address (hint: write it as 2001:db8::2)"),
    (
        interface6,
        "2001:db8::2/129",
        "x '2001:db8::2/129' has the prefix length '129', which is not a number from 0 to 128 "
        "(hint: write it as 2001:db8::2/64)",
    ),
    (
        interface4,
        "192.0.2.2/255.255.255.0",
        "x '192.0.2.2/255.255.255.0' has the prefix length '255.255.255.0', which is not a number from 0 to 32 "
        "(hint: write it as 192.0.2.2/24)",
    ),
    (interface4, "192.0.2/24", "x '192.0.2' is not an IPv4 address (hint: write it as 192.0.2.2)"),
    (interface4, "192.0.2.02/24", "x '192.0.2.02' is not an IPv4 address (hint: write it as 192.0.2.2)"),
    (
        interface6,
        "ff02::1/64",
        "x 'ff02::1/64' is not the address of one machine in a network (hint: such as 2001:db8::2/64)",
    ),
    (interface6, "::/0", "x '::/0' is not the address of one machine in a network (hint: such as 2001:db8::2/64)"),
    (
        interface4,
        "127.0.0.1/8",
        "x '127.0.0.1/8' is not the address of one machine in a network (hint: such as 192.0.2.2/24)",
    ),
    (address, "dns.example", "x 'dns.example' is not an IP address (hint: write it as 2001:db8::2)"),
    (address, "1.1.1.1\n", "x '1.1.1.1\\n' is not an IP address (hint: write it as 2001:db8::2)"),
    (gateway6, "192.0.2.1", "x '192.0.2.1' is an IPv4 address; an IPv6 address is wanted"),
    (gateway6, "2001:db8:1::1", "x '2001:db8:1::1' is not in the network 2001:db8::/64 of the address 2001:db8::2/64"),
    (gateway4, "192.0.3.1", "x '192.0.3.1' is not in the network 192.0.2.0/24 of the address 192.0.2.2/24"),
    (gateway4, "192.0.2.2", "x '192.0.2.2' is the machine's own address (hint: name the router's)"),
    (host_name, "", "x '' has 0 characters, 1 to 64 are possible"),
    (host_name, f"{'a' * 32}.{'a' * 32}", f"x '{'a' * 32}.{'a' * 32}' has 65 characters, 1 to 64 are possible"),
    (
        host_name,
        "-guest",
        "x '-guest' is not a name by RFC 1123: the part '-guest' is not 1 to 63 letters, digits and inner hyphens",
    ),
    (
        host_name,
        "guest_1",
        "x 'guest_1' is not a name by RFC 1123: the part 'guest_1' is not 1 to 63 letters, digits and inner hyphens",
    ),
    (
        host_name,
        "a..b",
        "x 'a..b' is not a name by RFC 1123: the part '' is not 1 to 63 letters, digits and inner hyphens",
    ),
    (
        host_name,
        "a;reboot",
        "x 'a;reboot' is not a name by RFC 1123: the part 'a;reboot' is not 1 to 63 letters, digits and inner hyphens",
    ),
    (host_name, "10.0.0.1", "x '10.0.0.1' ends in a number, as an address does; a name is wanted"),
    (url, "nns.example", "x 'nns.example' has no scheme (hint: write it as http://HOST[:PORT] or https://HOST[:PORT])"),
    (url, "ftp://a", "x 'ftp://a' has the scheme 'ftp' (hint: write it as http://HOST[:PORT] or https://HOST[:PORT])"),
    (url, "http:///a", "x 'http:///a' has no host (hint: write it as http://HOST[:PORT] or https://HOST[:PORT])"),
    (
        url,
        "http://a$b",
        "x 'http://a$b' has the character '$' (hint: write it as http://HOST[:PORT] or https://HOST[:PORT])",
    ),
    (
        url,
        "http://a:0",
        "x 'http://a:0' has no possible port (hint: write it as http://HOST[:PORT] or https://HOST[:PORT])",
    ),
    (
        url,
        "http://a:99999",
        "x 'http://a:99999' is not a URL: Port out of range 0-65535 "
        "(hint: write it as http://HOST[:PORT] or https://HOST[:PORT])",
    ),
    (url, "http://1.2.3", "x '1.2.3' is not an IPv4 address (hint: write it as 192.0.2.2)"),
    (host_and_port, "logs.example", "x 'logs.example' does not end in :PORT, a number from 1 to 65535"),
    (host_and_port, "logs.example:0", "x 'logs.example:0' does not end in :PORT, a number from 1 to 65535"),
    (
        host_and_port,
        "2001:db8::1:8333",
        "x '2001:db8::1:8333' has an IPv6 address without brackets (hint: write it as [2001:db8::1]:8333)",
    ),
    (host_and_port, "[x]:1", "x 'x' is not an IPv6 address (hint: write it as 2001:db8::2)"),
    (number, "1d", "x '1d' is not a number from 0 to 9223372036854775807 (hint: digits only, without a unit)"),
    (
        number,
        str(2**63),
        f"x '{2**63}' is not a number from 0 to 9223372036854775807 (hint: digits only, without a unit)",
    ),
    (word, "a b", "x 'a b' is not a word of letters, digits and ._-"),
]


@pytest.mark.parametrize(("check", "text", "message"), BAD)
def test_bad(check: Check, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        check(text)
    assert str(caught.value) == message


@given(
    st.sampled_from(
        [interface6, interface4, address, gateway6, host_name, domain_name, url, host_and_port, number, word]
    ),
    st.text(max_size=30) | st.text(alphabet="a1.:/[]-%@$;\n\0 \u00e4\u00b2", max_size=30),
)
def test_nothing_that_a_shell_would_act_on_passes(check: Check, text: str) -> None:
    try:
        check(text)
    except UserError:
        return
    assert text.isascii()
    assert not set(text) & set("\n\r\0\t $`\"'\\;&|<>(){}*!#~" if check is not url else "\n\r\0\t $`\"'\\;&|<>(){}*!#")
