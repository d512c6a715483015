"""The rules in Python against those that the images have, in awk (mawk) and jq: one verdict, values, words."""

import json
import re
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configure.key_files import ssh_lines
from configure.node_config import CONFIG_KEYS, DEPLOYMENT_KEYS, check_config, check_deployment
from sysimage.errors import UserError
from tests.hostos.configuration import host_config_test as table
from tests.hostos.configuration.host import CONFIG_INI, DEPLOYMENT, MINIMAL, Host

# As host-config.sh has them, which prints one at a time.
_VALUES_OF = """
export LC_ALL=C
share="${IC_ROOT}/opt/ic/share"
cd "${IC_ROOT}/boot/config"
awk -v file=config.ini -f "${share}/settings.awk" -f "${share}/host-config.awk" config.ini
jq --stream --raw-output --from-file "${share}/deployment.jq" deployment.json |
    awk -v file=deployment.json -f "${share}/settings.awk" -f "${share}/host-config.awk"
"""
_QUICK = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    return Host(tmp_path_factory.mktemp("host") / "root")


def as_bytes(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def judged_by_host(host: Host, config: bytes, deployment: bytes) -> str | dict[str, str]:
    """What HostOS says, or the values that it takes, all at once: the lines that `host-config.sh get` looks into."""
    host.configure(config, deployment)
    status, said = host.run("host-config.sh", "check")
    if status:
        assert status == 2
        return said.removeprefix("host-config: ").removesuffix("\n")
    done = subprocess.run(["sh", "-c", _VALUES_OF], env=host.environment, capture_output=True, text=True, check=True)
    return {key: value for key, _, value in (line.partition("=") for line in done.stdout.splitlines())}


def judged_here(config: bytes, deployment: bytes) -> str | dict[str, str]:
    try:
        return check_config("config.ini", config) | check_deployment("deployment.json", deployment)
    except UserError as error:
        return error.message


def same(host: Host, config: bytes, deployment: bytes) -> None:
    theirs, ours = judged_by_host(host, config, deployment), judged_here(config, deployment)
    if isinstance(theirs, str) and isinstance(ours, str):
        # Two parsers of JSON do not use the same words.
        theirs, ours = (
            re.sub("is not (JSON: .*|one JSON object)", "is no JSON object", each) for each in (theirs, ours)
        )
    assert ours == theirs, (config, deployment)


@pytest.mark.parametrize("case", [*table.REFUSED_INI, "full", *(f"prefix {text}" for text in table.PREFIXES)])
def test_config(case: str, host: Host) -> None:
    if case == "full":
        content: str | bytes = table.FULL_INI
    elif case.startswith("prefix ") and case[7:] in table.PREFIXES:
        content = f"ipv6_prefix={case[7:]}\nipv6_gateway=fe80::1\n"
    else:
        content = table.REFUSED_INI[case][0]
    same(host, as_bytes(content), as_bytes(DEPLOYMENT))


MORE_JSON: dict[str, object] = {
    "full": DEPLOYMENT,
    "minimal": MINIMAL,
    "empty sections": {"deployment": {"name": "a"}, "": {}, "x\n": {}},
    "section of a list": '{"deployment": {"name": "a"}, "nns": []}',
    "list of lists": '{"deployment": {"name": [["a"]]}}',
    "number": '{"deployment": {"name": 100}, "resources": {"memory": 16}}',
    "number with a point": '{"deployment": {"name": 1.50}, "resources": {}}',
    "memory with a point": '{"deployment": {"name": "a"}, "resources": {"memory": 16.0}}',
    "memory with an exponent": '{"deployment": {"name": "a"}, "resources": {"memory": 1e2}}',
    "minus": '{"deployment": {"name": -5}}',
    "zero": '{"deployment": {"name": -0}}',
    "large": '{"deployment": {"name": 123456789012345678901234567890}}',
    "exponent": '{"deployment": {"name": 1E+2}}',
    "small": '{"deployment": {"name": 1e-9}}',
    "BOM": b'\xef\xbb\xbf{"deployment": {"name": "a"}}',
    "not UTF-8": b'{"deployment": {"name": "a\xff"}}',
    "not UTF-8 in a key": b'{"deployment": {"name": "a"}, "\xff": {}}',
    "half a surrogate": r'{"deployment": {"name": "\ud800"}}',
    "emoji": r'{"deployment": {"name": "\ud83d\ude00"}}',
    "line feed in a text": '{"deployment": {"name": "a\nb"}}',
    "escape": r'{"deployment": {"name": "a\qb"}}',
    "comma": '{"deployment": {"name": "a",}}',
    "comment": '{"deployment": {"name": "a"}} // x',
    "single quotes": "{'deployment': {'name': 'a'}}",
    "word": "mainnet",
    "blank": " \n",
    "NUL": '{"deployment": {"name": "a\\u0000"}}',
    "equals": {"deployment": {"name=x": "a"}},
    "line feed in an empty section": '{"deployment": {"name": "a"}, "x\n": {}}',
    "half a surrogate in an empty section": r'{"deployment": {"name": "a"}, "\ud800": {}}',
    "deep": '{"deployment": {"name": ' + "[" * 200 + "]" * 200 + "}}",
    "deeper": "[" * 20000 + "]" * 20000,
    "upper MAC": {"deployment": {"name": "a", "mgmt_mac": "3C:EC:EF:6B:37:99"}},
    "URL": {"deployment": {"name": "a"}, "nns": {"url": "https://a/?x=%20[1]~,http://b"}},
    "URL with a bar": {"deployment": {"name": "a"}, "nns": {"url": "https://a\\b"}},
    "blanks": {"deployment": {"name": "a"}, "dns": {"name_servers": "  ::1   1.2.3.4 "}},
    "only blanks": {"deployment": {"name": "a"}, "dns": {"name_servers": "  "}},
}


@pytest.mark.parametrize("case", [*table.REFUSED_JSON, *MORE_JSON])
def test_deployment(case: str, host: Host) -> None:
    content = MORE_JSON[case] if case in MORE_JSON else table.REFUSED_JSON[case][0]
    same(host, as_bytes(CONFIG_INI), as_bytes(content))


@pytest.mark.parametrize("number", ["nan", "NaN", "+1", ".5", "01", "1.", "Infinity", "-Infinity"])
def test_what_only_jq_takes_is_refused_here(number: str) -> None:
    with pytest.raises(UserError, match=r"^deployment\.json: is not JSON"):
        check_deployment("deployment.json", f'{{"deployment": {{"name": {number}}}}}'.encode())


_ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    st.lists(st.sampled_from(["", "0", "fe80", "FF02", "2a00", "00a", "12345", "g"]), max_size=9).map(":".join),
    st.lists(st.sampled_from(["0", "1", "10", "255", "256", "01", ""]), min_size=3, max_size=5).map(".".join),
)
_LABELS = st.lists(st.sampled_from(["a", "A-b", "-a", "a-", "", "1", "x" * 63, "x" * 64, "a_b"]), max_size=4).map(
    ".".join
)
_PORTS = st.sampled_from(["", ":", ":0", ":1", ":65535", ":65536", ":08", ":123456", ":a"])
_VALUES = st.one_of(
    _ADDRESSES,
    _LABELS,
    st.tuples(st.one_of(_LABELS, _ADDRESSES, _ADDRESSES.map("[{}]".format)), _PORTS).map("".join),
    st.sampled_from(["true", "false", "kvm", "qemu", "", " ", "0", "1", "007", "32", "33", "999999", "1000000"]),
    st.sampled_from(
        ["3c:ec:ef:6b:37:99", "3C:EC:EF:6B:37:99", "00:00:00:00:00:00", "3d:ec:ef:6b:37:99", "3c:ec:ef:6b"]
    ),
    st.sampled_from(["https://a", "http://[::1]:80/,https://b", "ftp://a", "https://", "https://a b", "https://a\\"]),
    st.text(st.characters(max_codepoint=0x17F), max_size=12),
)
_LISTS = st.lists(_VALUES, min_size=1, max_size=3).map(" ".join)
_LINES = st.one_of(
    st.tuples(st.sampled_from([*CONFIG_KEYS, "x", ""]), _VALUES).map("=".join),
    st.sampled_from(["", " ", "# x", " #", "x", "ipv6_prefix", "\t", "ipv6_gateway=fe80::1", "ipv6_prefix=2a00::"]),
)
_GOOD = ["ipv6_prefix=2a00:fb01:400:200", "ipv6_gateway=fe80::1"]


@given(st.lists(_LINES, max_size=4), st.booleans(), st.booleans())
@_QUICK
def test_any_config(host: Host, lines: list[str], good: bool, ended: bool) -> None:
    text = "\n".join([*(_GOOD if good else []), *lines]) + ("\n" if ended else "")
    same(host, text.encode("utf-8", "surrogatepass"), as_bytes(MINIMAL))


@given(_ADDRESSES, _ADDRESSES, _ADDRESSES, _ADDRESSES, st.integers(0, 33))
@_QUICK
def test_any_network(host: Host, prefix: str, gateway: str, address: str, router: str, length: int) -> None:
    text = (
        f"ipv6_prefix={prefix}\nipv6_gateway={gateway}\n"
        f"ipv4_address={address}\nipv4_gateway={router}\nipv4_prefix_length={length}\n"
    )
    same(host, text.encode(), as_bytes(MINIMAL))


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1), st.booleans())
@_QUICK
def test_any_ipv4(host: Host, address: int, length: int, other: int, near: bool) -> None:
    router = address ^ other % 2 ** (33 - length) % 2**32 if near else other
    dotted = [".".join(str(byte) for byte in each.to_bytes(4, "big")) for each in (address, router)]
    text = f"ipv4_address={dotted[0]}\nipv4_gateway={dotted[1]}\nipv4_prefix_length={length}\n"
    same(host, CONFIG_INI.encode() + text.encode(), as_bytes(MINIMAL))


_KEYS = sorted({part for key in DEPLOYMENT_KEYS for part in key.split(".")})
_JSON_VALUES = st.one_of(
    _VALUES, _LISTS, st.integers(-10, 2_000_000), st.none(), st.booleans(), st.just({}), st.just([]), st.just(["a"])
)
_SECTIONS = st.dictionaries(st.one_of(st.sampled_from(_KEYS), st.text(max_size=3)), _JSON_VALUES, max_size=3)


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(_KEYS), st.text(max_size=3)), st.one_of(_SECTIONS, _JSON_VALUES), max_size=3
    ),
    st.booleans(),
)
@_QUICK
def test_any_deployment(host: Host, sections: dict[str, object], ascii_only: bool) -> None:
    named = {"deployment": {"name": "a"}, **sections}
    same(host, CONFIG_INI.encode(), json.dumps(named, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(st.sampled_from([key for key in DEPLOYMENT_KEYS if key != "deployment.name"]), st.one_of(_VALUES, _LISTS))
@_QUICK
def test_any_value(host: Host, key: str, value: str) -> None:
    section, _, name = key.partition(".")
    content: dict[str, dict[str, str]] = {"deployment": {"name": "a"}}
    content.setdefault(section, {})[name] = value
    same(host, CONFIG_INI.encode(), json.dumps(content).encode())


@given(st.binary(max_size=40), st.integers(0, 80))
@_QUICK
def test_damaged_json(host: Host, junk: bytes, at: int) -> None:
    good = b'{"deployment": {"name": "mainnet", "mgmt_mac": "3c:ec:ef:6b:37:99"}}'
    data = good[:at] + junk + good[at:]
    ours = judged_here(CONFIG_INI.encode(), data)
    if isinstance(ours, str) and "is not JSON" in ours:
        return  # jq may take more
    same(host, CONFIG_INI.encode(), data)


_KEY_LINES = st.one_of(
    st.tuples(
        st.sampled_from(
            [b"ssh-ed25519", b"ssh-rsa", b"ssh-dss", b"ecdsa-sha2-nistp256", b"sk-ssh-ed25519@openssh.com", b""]
        ),
        st.sampled_from([b" ", b"  ", b"\t", b""]),
        st.sampled_from([b"AAAA", b"AA==", b"A=A", b"A+/9=", b"", b"A A"]),
        st.sampled_from([b"", b" ", b" me", b" m\xfc\0", b"\r", b"x y"]),
    ).map(b"".join),
    st.sampled_from([b"", b"# x", b" #x", b'command="x" ssh-rsa AAAA', b"\t#", b"-----BEGIN PRIVATE KEY-----"]),
    st.binary(max_size=10),
)


@given(st.lists(_KEY_LINES, max_size=5), st.booleans())
@_QUICK
def test_any_ssh_keys(host: Host, lines: list[bytes], ended: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    folder = host.root / "boot/config/ssh_authorized_keys"
    folder.mkdir(exist_ok=True)
    (folder / "admin").write_bytes(data)
    done = host.execute("setup-ssh-keys.sh")
    assert done.returncode == 0
    keys, others = ssh_lines(data)
    taken = (host.root / "run/ic/ssh_authorized_keys/admin").read_bytes()
    assert taken == b"".join(key.replace(b"\0", b"\1") + b"\n" for key in keys)
    assert re.findall(r"line (\d+): left out", done.stderr) == [str(number) for number in others]
