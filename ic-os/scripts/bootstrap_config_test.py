"""The bootstrap medium: what each option makes, what is refused, and foreign judges of the result."""

import os
import subprocess
from pathlib import Path
from random import Random

import pytest

from bootstrap_config import ACCOUNTS, AUTHORIZED_KEYS, FOLDERS, KEY_FILES, SETTINGS, make_archive, make_tree
from sysimage.errors import UserError

TOOL = Path(os.environ["TOOL"]).absolute()
MADE_BY_THE_RULE = Path(os.environ["IMAGE"]).absolute()
TESTDATA = Path("ic-os/scripts/testdata").absolute()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMPnBXaWL4fyAxjOAWvBfdLXRCYxrJj0hGLpzNRYmPb\n"
PUBLIC = "-----BEGIN PUBLIC KEY-----\nMIGC\n-----END PUBLIC KEY-----\n"
PRIVATE = "-----BEGIN EC PRIVATE KEY-----\nMHQC\n-----END EC PRIVATE KEY-----\n"

# Each option of a value, and the line it makes.
LINES = {
    "ipv6_address": ("2001:db8::2/64", "network.conf", "ipv6_address=2001:db8::2/64"),
    "ipv6_gateway": ("2001:db8::1", "network.conf", "ipv6_gateway=2001:db8::1"),
    "name_servers": ("2001:db8::53, 1.1.1.1", "network.conf", "name_servers=2001:db8::53 1.1.1.1"),
    "hostname": ("guest-1", "network.conf", "hostname=guest-1"),
    "ipv4_address": ("192.0.2.2/24", "network.conf", "ipv4_address=192.0.2.2/24"),
    "ipv4_gateway": ("192.0.2.1", "network.conf", "ipv4_gateway=192.0.2.1"),
    "domain": ("example.org", "network.conf", "domain=example.org"),
    "nns_url": ("https://a.example,http://[2001:db8::8]", "nns.conf", "nns_url=https://a.example,http://[2001:db8::8]"),
    "backup_retention_time_secs": ("86400", "backup.conf", "backup_retention_time_secs=86400"),
    "backup_purging_interval_secs": ("60", "backup.conf", "backup_purging_interval_secs=60"),
    "elasticsearch_hosts": (
        "a.example:443 b.example:443",
        "log.conf",
        "elasticsearch_hosts=a.example:443 b.example:443",
    ),
    "elasticsearch_tags": ("testnet,x", "log.conf", "elasticsearch_tags=testnet x"),
    "malicious_behavior": (
        '{"a": [1,\n"\u00e9"]}',
        "malicious_behavior.conf",
        'malicious_behavior={"a":[1,"\\u00e9"]}',
    ),
    "bitcoind_addr": ("[2001:db8::9]:8333", "bitcoind_addr.conf", "bitcoind_addr=[2001:db8::9]:8333"),
    "socks_proxy": ("socks5://proxy.example:1080", "socks_proxy.conf", "socks_proxy=socks5://proxy.example:1080"),
}


# Each option of a file or folder.
FILES = ["nns_public_key", "node_operator_private_key", "ic_crypto", "ic_registry_local_store"]


def words(folder: Path) -> dict[str, list[str]]:
    """Every option, with something good."""
    (folder / "crypto/sub").mkdir(parents=True)
    (folder / "crypto/sub/key").write_bytes(b"\0key")
    (folder / "store").mkdir()
    (folder / "store/01.pb").write_bytes(b"pb")
    (folder / "public.pem").write_text(PUBLIC)
    (folder / "private.pem").write_text(PRIVATE)
    (folder / "keys").mkdir()
    for account in ACCOUNTS:
        (folder / "keys" / account).write_text(KEY)
    return {name: [value] for name, (value, _, _) in LINES.items()} | {
        "nns_public_key": [f"{folder}/public.pem"],
        "node_operator_private_key": [f"{folder}/private.pem"],
        "ic_crypto": [f"{folder}/crypto"],
        "ic_registry_local_store": [f"{folder}/store"],
        AUTHORIZED_KEYS: [f"{folder}/keys"],
    }


def judge(*command: str | Path, data: bytes = b"") -> str:
    """What a foreign tool says; it must be content."""
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TZ": "UTC", "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "0"}
    result = subprocess.run(command, input=data, env=environment, capture_output=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout!r}{result.stderr!r}"
    return result.stdout.decode()


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False)


def flags(options: dict[str, list[str]]) -> list[str]:
    return [f"--{name}={value}" for name, values in options.items() for value in values]


def test_the_table_above_has_every_option() -> None:
    assert [setting.name for setting in SETTINGS] == list(LINES)
    assert [option.name for option in (*KEY_FILES, *FOLDERS)] == FILES


@pytest.mark.parametrize("name", LINES)
def test_each_value_becomes_a_line_of_its_file(name: str, tmp_path: Path) -> None:
    value, file, line = LINES[name]
    options = {name: [value]}
    for gateway, address in (("ipv6_gateway", "ipv6_address"), ("ipv4_gateway", "ipv4_address")):
        if name in (gateway, address):
            options |= {each: [LINES[each][0]] for each in (gateway, address)}
    tree = make_tree(options)
    names = {path for path, _ in tree.walk()}
    assert names == {"", "network.conf", file}
    content = judge("tar", "--extract", "--to-stdout", "--file=-", file, data=make_archive(tree))
    assert line in content.splitlines()


def test_without_options_there_is_an_empty_network_conf() -> None:
    assert judge("tar", "--list", "--file=-", data=make_archive(make_tree({}))) == "network.conf\n"


def test_a_medium_with_everything_before_foreign_judges(tmp_path: Path) -> None:
    image = tmp_path / "medium.img"
    done = program(image, *flags(words(tmp_path)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert judge("fsck.fat", "-n", image).splitlines()[1] == f"{image}: 2 files, 36/4101 clusters"
    listing = judge("mdir", "-i", image, "::")
    assert " Volume in drive : is CONFIG " in listing
    assert "ic-bootstrap.tar" in listing
    assert judge("blkid", "-o", "value", "-s", "LABEL", image) == "CONFIG\n"
    tar = tmp_path / "taken.tar"
    judge("mcopy", "-n", "-i", image, "::ic-bootstrap.tar", tar)
    rows = judge("tar", "--list", "--verbose", "--numeric-owner", "--utc", "--file", tar).splitlines()
    assert [row.split(maxsplit=5)[::5] for row in rows] == [
        ["drwxr-xr-x", "accounts_ssh_authorized_keys/"],
        *(["-rw-r--r--", f"accounts_ssh_authorized_keys/{account}"] for account in ACCOUNTS),
        ["-rw-r--r--", "backup.conf"],
        ["-rw-r--r--", "bitcoind_addr.conf"],
        ["drwxr-xr-x", "ic_crypto/"],
        ["drwxr-xr-x", "ic_crypto/sub/"],
        ["-rw-------", "ic_crypto/sub/key"],
        ["drwxr-xr-x", "ic_registry_local_store/"],
        ["-rw-r--r--", "ic_registry_local_store/01.pb"],
        ["-rw-r--r--", "log.conf"],
        ["-rw-r--r--", "malicious_behavior.conf"],
        ["-rw-r--r--", "network.conf"],
        ["-rw-r--r--", "nns.conf"],
        ["-rw-r--r--", "nns_public_key.pem"],
        ["-rw-------", "node_operator_private_key.pem"],
        ["-rw-r--r--", "socks_proxy.conf"],
    ]
    assert {(row.split()[1], *row.split()[3:5]) for row in rows} == {("0/0", "2025-08-09", "00:00")}
    network = judge("tar", "--extract", "--to-stdout", "--file", tar, "network.conf")
    assert network.splitlines() == [line for _, file, line in LINES.values() if file == "network.conf"]


def test_the_same_options_make_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the order of the options, the modes and times of the files, and the clock."""
    options = words(tmp_path)
    assert program(tmp_path / "a.img", *flags(options)).returncode == 0
    for path in (tmp_path / "crypto").rglob("*"):
        path.chmod(0o700)
        os.utime(path, (1, 1))
    assert program(tmp_path / "b.img", *reversed(flags(options))).returncode == 0
    assert (tmp_path / "a.img").read_bytes() == (tmp_path / "b.img").read_bytes()


def test_a_medium_is_as_small_as_its_type_allows_and_grows_with_its_content(tmp_path: Path) -> None:
    assert program(tmp_path / "small.img", "--hostname=a").returncode == 0
    assert (tmp_path / "small.img").stat().st_size == 2136576
    (tmp_path / "store").mkdir()
    (tmp_path / "store/large").write_bytes(Random(0).randbytes(9 << 20))
    assert program(tmp_path / "large.img", f"--ic_registry_local_store={tmp_path}/store").returncode == 0
    size = (tmp_path / "large.img").stat().st_size
    assert 9 << 20 < size < 10 << 20
    judge("fsck.fat", "-n", tmp_path / "large.img")


BAD: list[tuple[dict[str, list[str]], str]] = [
    (
        {"hostnam": ["a"]},
        f"there is no option 'hostnam' (hint: there are {', '.join([*LINES, *FILES, AUTHORIZED_KEYS])})",
    ),
    ({"hostname": ["a", "b"]}, "--hostname is given 2 times (hint: give it once)"),
    ({"nns_public_key": ["a", "b"]}, "--nns_public_key is given 2 times (hint: give it once)"),
    ({"hostname": [""]}, "hostname '' has 0 characters, 1 to 64 are possible"),
    ({"name_servers": [" "]}, "--name_servers is given without a value (hint: leave the option out)"),
    ({"name_servers": ["::1 ::1"]}, "name_servers has '::1' twice"),
    ({"name_servers": ["dns"]}, "name_servers 'dns' is not an IP address (hint: write it as 2001:db8::2)"),
    (
        {"ipv6_address": ["2001:db8::2/64"]},
        "--ipv6_address is given without --ipv6_gateway (hint: give both, or neither)",
    ),
    ({"ipv4_gateway": ["192.0.2.1"]}, "--ipv4_gateway is given without --ipv4_address (hint: give both, or neither)"),
    (
        {"ipv6_address": ["2001:db8::2/64"], "ipv6_gateway": ["192.0.2.1"]},
        "ipv6_gateway '192.0.2.1' is an IPv4 address; an IPv6 address is wanted",
    ),
    (
        {"ipv4_address": ["192.0.2.2/24"], "ipv4_gateway": ["192.0.3.1"]},
        "ipv4_gateway '192.0.3.1' is not in the network 192.0.2.0/24 of the address 192.0.2.2/24",
    ),
    (
        {"domain": ["exa mple"]},
        "domain 'exa mple' is not a name by RFC 1123: the part 'exa mple' is not 1 to 63 letters, "
        "digits and inner hyphens",
    ),
    (
        {"nns_url": ["https://a", "b"]},
        "nns_url 'b' has no scheme (hint: write it as http://HOST[:PORT] or https://HOST[:PORT])",
    ),
    (
        {"backup_retention_time_secs": ["1d"]},
        "backup_retention_time_secs '1d' is not a number from 0 to 9223372036854775807 (hint: digits "
        "only, without a unit)",
    ),
    ({"backup_purging_interval_secs": ["0"]}, "backup_purging_interval_secs is 0 seconds (hint: give at least 1)"),
    ({"elasticsearch_hosts": ["a"]}, "elasticsearch_hosts 'a' does not end in :PORT, a number from 1 to 65535"),
    ({"elasticsearch_tags": ["a$b"]}, "elasticsearch_tags 'a$b' is not a word of letters, digits and ._-"),
    (
        {"malicious_behavior": ["{"]},
        "malicious_behavior is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ),
    ({"malicious_behavior": ["[]"]}, 'malicious_behavior is not a JSON object (hint: write it as {"KEY": VALUE})'),
    ({"bitcoind_addr": ["a"]}, "bitcoind_addr 'a' does not end in :PORT, a number from 1 to 65535"),
    (
        {"socks_proxy": ["http://a"]},
        "socks_proxy 'http://a' has the scheme 'http' (hint: write it as socks5://HOST[:PORT] or "
        "socks5h://HOST[:PORT])",
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_values(options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UserError) as caught:
        make_tree(options)
    assert str(caught.value) == message


BAD_FILES = [
    ("nns_public_key", "none", "nns_public_key: cannot read {0}/none: No such file or directory"),
    (
        "nns_public_key",
        "private.pem",
        "nns_public_key ({0}/private.pem), line 1: has a EC PRIVATE KEY where a PUBLIC KEY is wanted",
    ),
    (
        "node_operator_private_key",
        "public.pem",
        "node_operator_private_key ({0}/public.pem), line 1: has a PUBLIC KEY where a EC PRIVATE KEY "
        "or PRIVATE KEY is wanted",
    ),
    ("nns_public_key", "large", "nns_public_key: {0}/large has more than the 65536 bytes that are possible"),
    ("ic_crypto", "public.pem", "ic_crypto: {0}/public.pem is not a folder"),
    ("ic_crypto", "empty", "ic_crypto: {0}/empty has no files in it (hint: leave the option out)"),
    ("ic_crypto", "odd", "ic_crypto: 'a b' in {0}/odd has other characters than letters, digits and ._@+=,-"),
    (AUTHORIZED_KEYS, "none", "accounts_ssh_authorized_keys: {0}/none is not a folder"),
    (
        AUTHORIZED_KEYS,
        "store",
        "accounts_ssh_authorized_keys ({0}/store/01.pb): there is no account '01.pb' (hint: there are "
        "admin, backup, readonly, root)",
    ),
]


@pytest.mark.parametrize(("option", "name", "message"), BAD_FILES)
def test_bad_files(option: str, name: str, message: str, tmp_path: Path) -> None:
    words(tmp_path)
    (tmp_path / "large").write_bytes(bytes(65537))
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/a b").touch()
    with pytest.raises(UserError) as caught:
        make_tree({option: [f"{tmp_path}/{name}"]})
    assert str(caught.value) == message.format(tmp_path)


def test_ssh_keys_by_account(tmp_path: Path) -> None:
    words(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/root").write_text(KEY * 2)
    tree = make_tree({AUTHORIZED_KEYS: [f"admin={tmp_path}/keys/admin", f"{tmp_path}/more"]})
    names = [path for path, _ in tree.walk("accounts_ssh_authorized_keys")]
    assert names == [f"accounts_ssh_authorized_keys{name}" for name in ("", "/admin", "/root")]
    for bad, message in (
        (
            [f"ic-replica={tmp_path}/keys/admin"],
            f"accounts_ssh_authorized_keys ({tmp_path}/keys/admin): there is no account 'ic-replica' "
            "(hint: there are admin, backup, readonly, root)",
        ),
        ([f"root={tmp_path}/keys/root", f"{tmp_path}/more"], "accounts_ssh_authorized_keys has keys of root twice"),
        (
            [f"root={tmp_path}/public.pem"],
            f"accounts_ssh_authorized_keys ({tmp_path}/public.pem), line 1: does not begin with a type of ssh key "
            "(hint: a line is: TYPE BASE64 [COMMENT], without options)",
        ),
    ):
        with pytest.raises(UserError) as caught:
            make_tree({AUTHORIZED_KEYS: bad})
        assert str(caught.value) == message


def test_the_program_refuses_in_one_line_and_writes_nothing(tmp_path: Path) -> None:
    image = tmp_path / "medium.img"
    usage = "(hint: build-bootstrap-config-image OUT [--OPTION=VALUE ...])"
    for arguments, message in (
        (
            [image, "--hostname=a_b"],
            "hostname 'a_b' is not a name by RFC 1123: the part 'a_b' is not 1 to 63 letters, digits and inner hyphens",
        ),
        (
            [image, "--hostnam=a"],
            "Unknown command line flag 'hostnam'. Did you mean: hostname ? (hint: --help lists the flags)",
        ),
        ([image, "--hostname=a", "--hostname=b"], "--hostname is given 2 times (hint: give it once)"),
        (["--hostname=a"], f"no file is named {usage}"),
        ([image, "x"], f"unexpected argument 'x' {usage}"),
        ([tmp_path / "none/x.img"], f"cannot write {tmp_path}/none/x.img: No such file or directory"),
    ):
        done = program(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_rule_hands_on_every_attribute(tmp_path: Path) -> None:
    """A medium of the rule (:everything) is the one of these options, byte by byte."""
    options = {
        "ipv6_address": ["2001:db8::2/64"],
        "ipv6_gateway": ["2001:db8::1"],
        "name_servers": ["2001:db8::53", "192.0.2.53"],
        "hostname": ["guest-1"],
        "ipv4_address": ["192.0.2.2/24"],
        "ipv4_gateway": ["192.0.2.1"],
        "domain": ["example.org"],
        "nns_url": ["https://a.example", "https://b.example"],
        "backup_retention_time_secs": ["0"],
        "backup_purging_interval_secs": ["60"],
        "elasticsearch_hosts": ["a.example:443"],
        "elasticsearch_tags": ["one", "two"],
        "malicious_behavior": ['{"a": 1}'],
        "bitcoind_addr": ["[2001:db8::9]:8333"],
        "socks_proxy": ["socks5://proxy.example:1080"],
        "nns_public_key": [f"{TESTDATA}/public.pem"],
        "node_operator_private_key": [f"{TESTDATA}/private.pem"],
        "ic_crypto": [f"{TESTDATA}/folder"],
        "ic_registry_local_store": [f"{TESTDATA}/folder"],
        AUTHORIZED_KEYS: [f"admin={TESTDATA}/keys.pub"],
    }
    assert program(tmp_path / "medium.img", *flags(options)).returncode == 0
    assert (tmp_path / "medium.img").read_bytes() == MADE_BY_THE_RULE.read_bytes()
    assert set(options) == {option.name for option in (*SETTINGS, *KEY_FILES, *FOLDERS)} | {AUTHORIZED_KEYS}
