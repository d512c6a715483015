"""The one parser of config.ini and deployment.json: each value, each refusal, and the sources of the management MAC."""

import ipaddress
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostos.configuration.host import CONFIG_INI, DEPLOYMENT, LAN, MAC, MINIMAL, TEMPLATES, Host

FULL_INI = f"""\
# by hand

{CONFIG_INI}ipv4_address=192.0.2.2
ipv4_gateway=192.0.2.1
ipv4_prefix_length=24
domain=node.example.org
verbose=true
"""
DEFAULTS = {
    "ipv4_address": "",
    "ipv4_gateway": "",
    "ipv4_prefix_length": "",
    "domain": "",
    "verbose": "false",
    "nns_url": "",
    "name_servers": "",
    "logging_hosts": "",
    "memory": "490",
    "cpu": "kvm",
    "nr_of_vcpus": "64",
}
FULL = {
    "ipv6_prefix": "2a00:fb01:400:200",
    "ipv6_gateway": "2a00:fb01:400:200::1",
    "ipv4_address": "192.0.2.2",
    "ipv4_gateway": "192.0.2.1",
    "ipv4_prefix_length": "24",
    "domain": "node.example.org",
    "verbose": "true",
    "deployment_name": "mainnet",
    "mgmt_mac": MAC,
    "nns_url": "https://nns.example,http://[2001:db8::8]:8080",
    "name_servers": "2606:4700:4700::1111 192.0.2.53",
    "logging_hosts": "logs.example:443 [2001:db8::9]:9200",
    "memory": "16",
    "cpu": "qemu",
    "nr_of_vcpus": "8",
}
UNCONFIGURED = "host-config: config.ini: is not there; this host is not configured\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


def test_all_values(host: Host) -> None:
    host.configure(FULL_INI)
    assert host.run("host-config.sh", "check") == (0, "")
    assert {key: host.get(key) for key in FULL} == FULL


def test_defaults(host: Host) -> None:
    host.configure(deployment=MINIMAL)
    assert host.run("host-config.sh", "check") == (0, "")
    assert {key: host.get(key) for key in DEFAULTS} == DEFAULTS


def test_numbers_of_json(host: Host) -> None:
    host.configure(deployment=MINIMAL | {"resources": {"memory": 16, "nr_of_vcpus": 8}, "nns": {}})
    assert (host.get("memory"), host.get("nr_of_vcpus")) == ("16", "8")


def test_a_host_without_configuration(host: Host) -> None:
    host.add_port("eno1", "52:54:00:12:34:56")
    assert {key: host.get(key) for key in DEFAULTS} == DEFAULTS
    for words in (["check"], ["get", "ipv6_prefix"], ["get", "ipv6_gateway"], ["get", "deployment_name"]):
        assert host.run("host-config.sh", *words) == (3, UNCONFIGURED)
    # It has a name all the same.
    said = "host-config: the management MAC is that of the network port eno1: 52:54:00:12:34:56\n"
    assert host.run("host-config.sh", "get", "mgmt_mac") == (0, "52:54:00:12:34:56\n" + said)


def test_deployment_without_config(host: Host) -> None:
    host.configure(None)
    assert host.run("host-config.sh", "check") == (3, UNCONFIGURED)
    assert host.get("deployment_name") == "mainnet"


# Each spelling of a prefix, and the one that it has afterwards.
PREFIXES = {
    "2a00:fb01:400:200": "2a00:fb01:400:200",
    "2A00:FB01:0400:0200": "2a00:fb01:400:200",
    "2a00:fb01:400:200::": "2a00:fb01:400:200",
    "2a00:0:0:200": "2a00:0:0:200",
    "2a00::200": "2a00:0:0:200",
    "2a00:fb01::": "2a00:fb01:0:0",
    "2a00::": "2a00:0:0:0",
    "fd00:0000:0:00a0": "fd00:0:0:a0",
}


@pytest.mark.parametrize("text", PREFIXES)
def test_prefixes(text: str, host: Host) -> None:
    host.configure(f"ipv6_prefix={text}\nipv6_gateway=fe80::1\n")
    assert host.get("ipv6_prefix") == PREFIXES[text]


@pytest.mark.parametrize("length", [0, 9, 24, 30])
def test_prefix_lengths(length: int, host: Host) -> None:
    host.configure(ini(f"ipv4_prefix_length={length}"))
    assert host.get("ipv4_prefix_length") == str(length)


def ini(line: str) -> str:
    """config.ini with a line in place of that of the same key."""
    key = line.split("=")[0]
    return "".join(each + "\n" for each in FULL_INI.splitlines() if not each.startswith(f"{key}=")) + line + "\n"


PREFIX_HINT = "; it is four groups, such as 2a00:fb01:400:200"
ADDRESS_HINT = "; write it as 192.0.2.2"
TOGETHER = "ipv4_address, ipv4_gateway and ipv4_prefix_length go together; give all three, or none"
NOT_PRINTABLE = "has another character than printable ASCII; write it without, and without carriage returns"
# What config.ini has, and what is said of it.
REFUSED_INI: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", ": there is no ipv6_prefix; it must be there"),
    "no gateway": ("ipv6_prefix=2a00:fb01:400:200\n", ": there is no ipv6_gateway; it must be there"),
    "unknown": ("\n# comment\nipv6_prefx=1\n", ", line 3: there is no key 'ipv6_prefx'"),
    "no equals": ("ipv6_prefix\n", ", line 1: is not of the form key=value"),
    "section": ("[network]\n", ", line 1: is not of the form key=value"),
    "blanks": ("ipv6_prefix = 2a00:fb01:400:200\n", ", line 1: there is no key 'ipv6_prefix '"),
    "twice": (CONFIG_INI + "ipv6_gateway=fe80::1\n", ", line 3: ipv6_gateway comes twice"),
    "carriage return": (CONFIG_INI.replace("\n", "\r\n"), f", line 1: {NOT_PRINTABLE}"),
    "tab": ("\t\n", f", line 1: {NOT_PRINTABLE}"),
    "NUL": (b"verbose=true\nverbose=\0\n", f", line 2: {NOT_PRINTABLE}"),
    "latin": ("# für\n", f", line 1: {NOT_PRINTABLE}"),
    "empty value": ("domain=\n", ", line 1: domain cannot be ''; it is a name by RFC 1123, such as example.org"),
    "command": (
        "domain=$(reboot)\n",
        ", line 1: domain cannot be '$(reboot)'; it is a name by RFC 1123, such as example.org",
    ),
    "long": (
        "domain=" + "a" * 300 + "\n",
        f", line 1: domain cannot be '{'a' * 100}'; it is a name by RFC 1123, such as example.org",
    ),
    "verbose": ("verbose=yes\n", ", line 1: verbose cannot be 'yes'; it is true or false"),
    "prefix": ("ipv6_prefix=nonsense\n", f", line 1: ipv6_prefix cannot be 'nonsense'{PREFIX_HINT}"),
    "prefix of three": ("ipv6_prefix=2a00:fb01:400\n", f", line 1: ipv6_prefix cannot be '2a00:fb01:400'{PREFIX_HINT}"),
    "prefix of five": ("ipv6_prefix=1:2:3:4:5\n", f", line 1: ipv6_prefix cannot be '1:2:3:4:5'{PREFIX_HINT}"),
    "prefix and more": ("ipv6_prefix=1:2:3:4:5::\n", f", line 1: ipv6_prefix cannot be '1:2:3:4:5::'{PREFIX_HINT}"),
    "prefix with two gaps": ("ipv6_prefix=2a00::1::\n", f", line 1: ipv6_prefix cannot be '2a00::1::'{PREFIX_HINT}"),
    "prefix with a length": ("ipv6_prefix=2a00::/64\n", f", line 1: ipv6_prefix cannot be '2a00::/64'{PREFIX_HINT}"),
    "multicast": (
        ini("ipv6_prefix=ff02::"),
        ", line 9: ipv6_prefix cannot be 'ff02::'; it is that of a network in which machines have addresses",
    ),
    "link-local": (
        ini("ipv6_prefix=fe80::"),
        ", line 9: ipv6_prefix cannot be 'fe80::'; it is that of a network in which machines have addresses",
    ),
    "unspecified": (
        ini("ipv6_prefix=::1"),
        ", line 9: ipv6_prefix cannot be '::1'; it is that of a network in which machines have addresses",
    ),
    "gateway": ("ipv6_gateway=1\n", ", line 1: ipv6_gateway cannot be '1'; write it as 2001:db8::1"),
    "gateway elsewhere": (
        ini("ipv6_gateway=2a00:fb01:400:201::1"),
        ", line 9: ipv6_gateway cannot be '2a00:fb01:400:201::1'; "
        "it lies in the network of ipv6_prefix, or is link-local",
    ),
    "IPv4 address": ("ipv4_address=1.2.3\n", f", line 1: ipv4_address cannot be '1.2.3'{ADDRESS_HINT}"),
    "octal": ("ipv4_address=1.2.3.04\n", f", line 1: ipv4_address cannot be '1.2.3.04'{ADDRESS_HINT}"),
    "IPv4 gateway": ("ipv4_gateway=1.2.3.256\n", f", line 1: ipv4_gateway cannot be '1.2.3.256'{ADDRESS_HINT}"),
    "length": (
        "ipv4_prefix_length=33\n",
        ", line 1: ipv4_prefix_length cannot be '33'; it is a number from 0 to 32",
    ),
    "address alone": (CONFIG_INI + "ipv4_address=192.0.2.2\n", f": {TOGETHER}"),
    "no length": (CONFIG_INI + "ipv4_address=192.0.2.2\nipv4_gateway=192.0.2.1\n", f": {TOGETHER}"),
    "IPv4 gateway elsewhere": (
        ini("ipv4_gateway=192.0.3.1"),
        ", line 9: ipv4_gateway cannot be '192.0.3.1'; it lies in the network of ipv4_address",
    ),
    "IPv4 gateway itself": (
        ini("ipv4_gateway=192.0.2.2"),
        ", line 9: ipv4_gateway cannot be '192.0.2.2'; it is the router's address, not the machine's own",
    ),
}


@pytest.mark.parametrize("case", REFUSED_INI)
def test_refused_config(case: str, host: Host) -> None:
    text, reason = REFUSED_INI[case]
    host.configure(text)
    # It counts as a whole or not at all: no value of either file is given.
    for words in (["check"], ["get", "ipv6_prefix"], ["get", "memory"], ["get", "mgmt_mac"]):
        assert host.run("host-config.sh", *words) == (2, f"host-config: config.ini{reason}\n")


def deployment(section: str, **values: object) -> object:
    return {**DEPLOYMENT, section: {**DEPLOYMENT[section], **values}}


MAC_HINT = "; it is that of a network card, such as 3c:ec:ef:6b:37:99"
COUNT_HINT = "; it is a number from 1 to 999999, without a unit"
WORD_HINT = "; it is a word of letters, digits and ._-"
SERVERS_HINT = "; write IP addresses with blanks between them"
HOSTS_HINT = "; write them as HOST:PORT with blanks between them, an IPv6 address in brackets"
URLS_HINT = "; write http or https URLs with commas between them"
REFUSED_JSON: dict[str, tuple[object, str]] = {
    "empty": ("", "is not one JSON object"),
    "list": ([MINIMAL], "is not one JSON object"),
    "two": ("{} {}", "is not one JSON object"),
    "cut off": ('{"deployment": {', "is not JSON: parse error: Unfinished JSON term at EOF at line 1, column 16"),
    "text": ("name=mainnet\n", "is not JSON: parse error: Invalid numeric literal at line 2, column 0"),
    "nothing": ({}, "there is no deployment.name; it must be there"),
    "no name": ({"deployment": {"mgmt_mac": MAC}}, "there is no deployment.name; it must be there"),
    "unknown section": ({**DEPLOYMENT, "network": {"a": "b"}}, "there is no key 'network.a'"),
    "unknown key": (deployment("nns", urls="https://a.example"), "there is no key 'nns.urls'"),
    "no section": ({"name": "mainnet"}, "there is no key 'name'"),
    "too deep": ({"deployment": {"name": {"name": "mainnet"}}}, "there is no key 'deployment.name.name'"),
    "a dot in a key": ({"deployment.name": "mainnet"}, "there is no key 'deployment?name'"),
    "escape in a key": ({"\x1b[2J\n": "x"}, "there is no key '??2J?'"),
    "twice": ('{"deployment": {"name": "a", "name": "b"}}', "deployment.name comes twice"),
    "section twice": (
        '{"deployment": {"name": "a"}, "deployment": {"name": "b"}}',
        "deployment.name comes twice",
    ),
    "name": (deployment("deployment", name="main net"), f"deployment.name cannot be 'main net'{WORD_HINT}"),
    "no text": (deployment("deployment", name=""), f"deployment.name cannot be ''{WORD_HINT}"),
    "null": (deployment("deployment", name=None), f"deployment.name cannot be '<null>'{WORD_HINT}"),
    "boolean": (deployment("deployment", name=True), f"deployment.name cannot be '<boolean>'{WORD_HINT}"),
    "empty list": (deployment("deployment", name=[]), f"deployment.name cannot be '<array>'{WORD_HINT}"),
    "line feed": (deployment("deployment", name="a\nmemory=1"), f"deployment.name cannot be 'a\\memory=1'{WORD_HINT}"),
    "not ASCII": (deployment("deployment", name="für"), f"deployment.name cannot be 'f\\r'{WORD_HINT}"),
    "MAC": (deployment("deployment", mgmt_mac="3c:ec:ef"), f"deployment.mgmt_mac cannot be '3c:ec:ef'{MAC_HINT}"),
    "MAC of a group": (
        deployment("deployment", mgmt_mac="01:00:5e:00:00:01"),
        f"deployment.mgmt_mac cannot be '01:00:5e:00:00:01'{MAC_HINT}",
    ),
    "MAC of none": (
        deployment("deployment", mgmt_mac="00:00:00:00:00:00"),
        f"deployment.mgmt_mac cannot be '00:00:00:00:00:00'{MAC_HINT}",
    ),
    "hosts": (deployment("logging", hosts="logs.example"), f"logging.hosts cannot be 'logs.example'{HOSTS_HINT}"),
    "port": (deployment("logging", hosts="a:1 b:65536"), f"logging.hosts cannot be 'a:1 b:65536'{HOSTS_HINT}"),
    "URL": (deployment("nns", url="ftp://nns.example"), f"nns.url cannot be 'ftp://nns.example'{URLS_HINT}"),
    "servers": (deployment("dns", name_servers="::1,::2"), f"dns.name_servers cannot be '::1,::2'{SERVERS_HINT}"),
    "memory": (deployment("resources", memory="490G"), f"resources.memory cannot be '490G'{COUNT_HINT}"),
    "no memory": (deployment("resources", memory=0), f"resources.memory cannot be '0'{COUNT_HINT}"),
    "half": (deployment("resources", nr_of_vcpus=0.5), f"resources.nr_of_vcpus cannot be '0.5'{COUNT_HINT}"),
    "cpu": (deployment("resources", cpu="kvmqemu"), "resources.cpu cannot be 'kvmqemu'; it is kvm or qemu"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_JSON)
def test_refused_deployment(case: str, host: Host) -> None:
    text, reason = REFUSED_JSON[case]
    host.configure(deployment=text)
    for words in (["check"], ["get", "memory"], ["get", "ipv6_prefix"], ["get", "mgmt_mac"]):
        assert host.run("host-config.sh", *words) == (2, f"host-config: deployment.json: {reason}\n")


def test_config_without_deployment(host: Host) -> None:
    host.configure(deployment=None)
    said = "host-config: deployment.json: is not there; put it beside config.ini\n"
    assert host.run("host-config.sh", "check") == (2, said)
    assert host.run("host-config.sh", "get", "ipv6_prefix") == (2, said)


@pytest.mark.parametrize("words", [[], ["get"], ["set", "verbose"], ["check", "all"], ["get", "a", "b"]])
def test_usage(words: list[str], host: Host) -> None:
    said = "host-config: usage: host-config.sh get KEY, or host-config.sh check\n"
    assert host.run("host-config.sh", *words) == (2, said)


@pytest.mark.parametrize("key", ["", "nonsense", "ipv6", "deployment.name", "."])
def test_unknown_keys(key: str, host: Host) -> None:
    host.configure()
    assert host.run("host-config.sh", "get", key) == (2, f"host-config: there is no key '{key}'\n")


# Of what the machine is known by when deployment.json does not say: exactly one line says which it is.


def named(host: Host, mac: str, source: str) -> None:
    said = f"host-config: the management MAC is that of {source}: {mac}\n"
    assert host.run("host-config.sh", "get", "mgmt_mac") == (0, f"{mac}\n{said}")
    # Whoever asks later gets the same, without the machine being asked again.
    assert host.get("mgmt_mac") == mac


def test_the_bmc_counts_before_ports(host: Host) -> None:
    host.configure(deployment={"deployment": {"name": "mainnet"}})
    host.add_port("eno1", "52:54:00:12:34:56")
    host.add_bmc(LAN.format("3C:EC:EF:6B:37:99"))
    named(host, MAC, "the BMC")
    host.add_bmc(LAN.format("3c:ec:ef:6b:37:00"))
    assert host.get("mgmt_mac") == MAC


def test_deployment_counts_before_the_bmc(host: Host) -> None:
    host.configure(deployment={"deployment": {"name": "mainnet", "mgmt_mac": "3C:EC:EF:00:00:01"}})
    host.add_bmc(LAN.format(MAC))
    assert host.get("mgmt_mac") == "3c:ec:ef:00:00:01"


@pytest.mark.parametrize("device", ["sys/bus/platform/devices/dmi-ipmi-si.0", "sys/bus/acpi/devices/IPI0001:00"])
def test_a_bmc_whose_driver_comes_up_is_waited_for(device: str, host: Host) -> None:
    (host.root / device).mkdir(parents=True)
    host.add_port("eno1", "52:54:00:12:34:56")
    host.program(
        "udevadm", 'echo "udevadm $*" >> "${IC_ROOT}/asked"; [ "$1" = settle ] || touch "${IC_ROOT}/dev/ipmi0"'
    )
    (host.root / "lan").write_text(LAN.format(MAC))
    host.program("ipmitool", 'cat "${IC_ROOT}/lan"')
    named(host, MAC, "the BMC")
    assert host.asked() == ["udevadm settle --timeout=30", "udevadm wait --timeout=30 /dev/ipmi0"]


def test_a_bmc_whose_driver_does_not_come_up(host: Host) -> None:
    (host.root / "sys/bus/platform/devices/dmi-ipmi-si.0").mkdir(parents=True)
    host.program("udevadm", "exit 1")
    host.add_port("eno1", "52:54:00:12:34:56")
    assert host.run("host-config.sh", "get", "mgmt_mac") == (
        0,
        "52:54:00:12:34:56\n"
        "host-config: devices are still coming up after 30 s\n"
        "host-config: there is a BMC, but within 30 s no /dev/ipmi0 to ask it by\n"
        "host-config: the management MAC is that of the network port eno1: 52:54:00:12:34:56\n",
    )


@pytest.mark.parametrize("text", ["", LAN.format("00:00:00:00:00:00"), "MAC Address : nonsense\n"])
def test_a_bmc_without_a_mac(text: str, host: Host) -> None:
    host.add_port("eno1", "52:54:00:12:34:56")
    host.add_bmc(text)
    named(host, "52:54:00:12:34:56", "the network port eno1")


def test_a_bmc_that_does_not_answer(host: Host) -> None:
    host.add_port("eno1", "52:54:00:12:34:56")
    host.add_bmc("", status=1)
    assert host.run("host-config.sh", "get", "mgmt_mac") == (
        0,
        "52:54:00:12:34:56\n"
        "host-config: the BMC does not say its MAC: ipmitool failed with exit status 1\n"
        "host-config: the management MAC is that of the network port eno1: 52:54:00:12:34:56\n",
    )


def test_the_first_port_by_name_that_is_one(host: Host) -> None:
    host.add_port("enp2s0", "52:54:00:00:00:02", bus="pci0000:00/0000:02:00.0")
    host.add_port("enp1s0", "52:54:00:00:00:01", bus="pci0000:00/0000:01:00.0")
    # Not Ethernet (InfiniBand), on USB, and without a device.
    host.add_port("ena0", "00:00:00:00:00:09", bus="pci0000:00/0000:09:00.0", kind=32)
    host.add_port("enb0", "52:54:00:00:00:08", bus="pci0000:00/0000:08:00.0/usb1/1-1/1-1:1.0")
    host.add_virtual("br6", "6a:00:00:00:00:01")
    assert host.run("list-ports.sh") == (0, "enp1s0\nenp2s0\n")
    named(host, "52:54:00:00:00:01", "the network port enp1s0")


def test_a_port_in_a_bond_is_known_by_its_own_mac(host: Host) -> None:
    port = host.add_port("eno1", "aa:aa:aa:aa:aa:aa")
    (port / "bonding_slave").mkdir()
    (port / "bonding_slave/perm_hwaddr").write_text("52:54:00:12:34:56\n")
    named(host, "52:54:00:12:34:56", "the network port eno1")


def test_a_machine_without_any_mac(host: Host) -> None:
    assert host.run("list-ports.sh") == (0, "")
    assert host.run("host-config.sh", "get", "mgmt_mac") == (
        2,
        "host-config: neither a BMC nor a network port has a MAC that could be the management MAC; "
        "give deployment.mgmt_mac in deployment.json\n",
    )
    assert host.content("run") == {}


# settings.awk against Python: what is an address to one is one to the other.

_GROUPS = st.lists(st.sampled_from(["", "0", "1", "ab", "FFFF", "0000", "12345", "g"]), max_size=10).map(":".join)
_DOTTED = st.lists(st.sampled_from(["0", "1", "09", "10", "255", "256", "", "a", "1000"]), max_size=6).map(".".join)
_TEXTS = st.lists(st.one_of(_GROUPS, _DOTTED, st.ip_addresses(v=6).map(str)), min_size=1, max_size=200)


def python_address(text: str, version: int) -> bool:
    """What it is to Python, but for IPv4 addresses in IPv6 ones and zones, which no setting may have."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return found.version == version and not (version == 6 and re.search(r"[.%]", text))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> list[str | Path]:
    """A command line that says of each line whether it is an IPv4 address, an IPv6 address, a prefix."""
    program = tmp_path_factory.mktemp("awk") / "judge.awk"
    program.write_text("{ print is_ipv4($0), is_ipv6($0), is_prefix6($0) }\n")
    return ["awk", "-f", TEMPLATES[0] / "opt/ic/share/settings.awk", "-f", program]


@given(texts=_TEXTS)
@settings(deadline=None, max_examples=60)
def test_addresses_are_those_of_python(judge: list[str | Path], texts: list[str]) -> None:
    text = "".join(f"{each}\n" for each in texts)
    done = subprocess.run(judge, input=text, capture_output=True, text=True, check=True)
    said = [tuple(word == "1" for word in line.split(" ")) for line in done.stdout.splitlines()]
    expected = []
    for each in texts:
        # Four groups, or an address that ends in "::" and has no bit behind the fourth.
        four = python_address(f"{each}:1:1:1:1", 6) and not each.endswith(":")
        ends = each.endswith("::") and python_address(each, 6)
        prefix = four or (ends and int(ipaddress.IPv6Address(each)) % 2**64 == 0 and len(each.split(":")) <= 6)
        expected.append((python_address(each, 4), python_address(each, 6), prefix))
    assert said == expected
