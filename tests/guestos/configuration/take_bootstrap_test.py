"""Taking over ic-bootstrap.tar: what is taken, what is ignored, what is refused, and power cuts in between."""

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

import bootstrap_config
from tests.guestos.configuration.rootfs import TEMPLATES, Node, archive

ADMIN = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMPnBXaWL4fyAxjOAWvBfdLXRCYxrJj0hGLpzNRYmPb admin@here\n"
PUBLIC = b"-----BEGIN PUBLIC KEY-----\nMIGC\n-----END PUBLIC KEY-----\n"
PRIVATE = b"-----BEGIN EC PRIVATE KEY-----\nMHQC\n-----END EC PRIVATE KEY-----\n"
NETWORK = b"ipv6_address=2001:db8::2/64\nipv6_gateway=2001:db8::1\nhostname=guest-1\n"
FULL = {
    "network.conf": NETWORK,
    "nns.conf": b"nns_url=https://[2001:db8::8]:8080,http://nns.example\n",
    "nns_public_key.pem": PUBLIC,
    "backup.conf": b"backup_retention_time_secs=86400\nbackup_purging_interval_secs=3600\n",
    "log.conf": b"elasticsearch_hosts=logs.example:443\nelasticsearch_tags=a b\n",
    "malicious_behavior.conf": b'malicious_behavior={"maliciously_gossip_drop_requests":true}\n',
    "bitcoind_addr.conf": b"bitcoind_addr=[2001:db8::9]:8333\n",
    "socks_proxy.conf": b"socks_proxy=socks5://proxy.example:1080\n",
    "node_operator_private_key.pem": PRIVATE,
    "accounts_ssh_authorized_keys/": b"",
    "accounts_ssh_authorized_keys/admin": ADMIN,
    "ic_crypto/": b"",
    "ic_crypto/node_signing/": b"",
    "ic_crypto/node_signing/key": b"\0\xff key",
    "ic_crypto/public_keys.pb": b"public",
    "ic_registry_local_store/": b"",
    "ic_registry_local_store/0000000000/00/00/01.pb": b"registry",
}
CONFIGURED = "bootstrap-ic-node: the node is configured\n"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "root")


def expected(entries: dict[str, bytes]) -> dict[str, bytes]:
    """What is there after a take-over."""
    state = {
        "boot/config/CONFIGURED": b"",
        "boot/config/bootstrap/": b"",
        "var/lib/ic/crypto/": b"",
        "var/lib/ic/data/": b"",
    }
    for name, content in entries.items():
        place = "boot/config/bootstrap/"
        if name.startswith("ic_crypto/"):
            place, name = "var/lib/ic/crypto/", name.removeprefix("ic_crypto/")
        elif name.startswith("ic_registry_local_store/"):
            place = "var/lib/ic/data/"
        parts = name.rstrip("/").split("/")
        for depth in range(1, len(parts)):
            state[place + "/".join(parts[:depth]) + "/"] = b""
        state[place + name] = content
    return state


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_all_is_taken_over(node: Node) -> None:
    assert node.take(archive(FULL)) == (0, CONFIGURED)
    assert node.state() == expected(FULL)
    bootstrap, crypto, data = (
        node.root / each for each in ("boot/config/bootstrap", "var/lib/ic/crypto", "var/lib/ic/data")
    )
    assert mode(bootstrap) == mode(bootstrap / "accounts_ssh_authorized_keys") == 0o755
    assert mode(bootstrap / "network.conf") == mode(bootstrap / "accounts_ssh_authorized_keys/admin") == 0o644
    assert mode(bootstrap / "node_operator_private_key.pem") == 0o400
    assert mode(crypto / "node_signing") == 0o700
    assert mode(crypto / "node_signing/key") == 0o600
    assert mode(data / "ic_registry_local_store") == 0o750
    assert mode(data / "ic_registry_local_store/0000000000/00/00/01.pb") == 0o640
    assert node.owners.read_text().splitlines() == [
        f"ic-replica:ic-replica {node.root}/boot/config/bootstrap.new/node_operator_private_key.pem",
        f"-R --reference={crypto} {crypto}/.bootstrap",
        f"-R --reference={data} {data}/.bootstrap",
    ]


def test_an_archive_of_gnu_tar_with_leading_dots(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name, content in FULL.items():
        if not name.endswith("/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    made = subprocess.run(["tar", "--create", "--file=-", "--directory", folder, "."], capture_output=True, check=True)
    assert node.take(made.stdout) == (0, CONFIGURED)
    assert node.state() == expected(FULL)


def test_what_is_not_on_the_list_is_named_and_ignored(node: Node) -> None:
    others = {
        "evil\x1b[2J\n.sh": b"#!/bin/sh\n",
        "etc/": b"",
        "etc/shadow": b"root::",
        "accounts_ssh_authorized_keys/ic-replica": b"",
        "network.conf.old": b"",
        "ic_cryptography": b"",
    }
    said = "bootstrap-ic-node: ignored, for it is not on the list of what is taken: "
    names = [
        "evil\\033[2J\\n.sh",
        "etc/",
        "etc/shadow",
        "accounts_ssh_authorized_keys/ic-replica",
        "network.conf.old",
        "ic_cryptography",
    ]
    assert node.take(archive(FULL | others)) == (0, "".join(f"{said}{name}\n" for name in names) + CONFIGURED)
    assert node.state() == expected(FULL)


def member(name: str, kind: bytes, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def sparse(name: str, size: int) -> bytes:
    """A member that says it is large and has no byte (GNU sparse 1.0)."""
    out = tarfile.TarInfo(name)
    out.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(size),
    }
    body = f"1\n{size}\n0\n".encode().ljust(512, b"\0")
    out.size = len(body)
    return out.tobuf(tarfile.PAX_FORMAT) + body + bytes(1024)


MALFORMED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is not a tar archive"),
    "garbage": (bytes(range(256)) * 40, "it is not a tar archive"),
    "zeros": (bytes(10240), "it is not a tar archive"),
    "compressed": (__import__("gzip").compress(archive(FULL), mtime=0), "it is not a tar archive"),
    "cut off between members": (archive(FULL)[: 1024 * 4], "it is cut off"),
    "cut off in a member": (archive({"ic_crypto/key": bytes(4096)})[:2048], "it is damaged"),
    "cut off in a header": (archive({"network.conf": NETWORK})[:300], "it is damaged"),
    "flipped header": (archive(FULL).replace(b"nns.conf", b"nnt.conf"), "it is damaged"),
    "symbolic link": (
        archive(FULL, member("nns.conf2", tarfile.SYMTYPE, linkname="/etc/shadow")),
        "'nns.conf2 -> /etc/shadow' is neither a file nor a directory",
    ),
    "hard link": (
        archive({"network.conf": NETWORK}, member("nns.conf", tarfile.LNKTYPE, linkname="network.conf")),
        "'nns.conf link to network.conf' is neither a file nor a directory",
    ),
    "device": (
        archive(FULL, member("ic_crypto/disk", tarfile.BLKTYPE, devmajor=8, devminor=0)),
        "'ic_crypto/disk' is neither a file nor a directory",
    ),
    "pipe": (archive(FULL, member("log", tarfile.FIFOTYPE)), "'log' is neither a file nor a directory"),
    "absolute path": (archive({"/etc/passwd": b""}), "'/etc/passwd' is an absolute path"),
    "path traversal": (archive({"ic_crypto/../../x": b""}), "'ic_crypto/../../x' is not a plain path"),
    "parent": (archive({"../network.conf": NETWORK}), "'../network.conf' is not a plain path"),
    "dot inside": (archive({"ic_crypto/./x": b""}), "'ic_crypto/./x' is not a plain path"),
    "twice": (archive({"network.conf": NETWORK, "./network.conf": b""}), "'./network.conf' comes twice"),
    "directory for a file": (archive({"network.conf/": b""}), "'network.conf/' is not a file"),
    "file for a directory": (archive({"ic_crypto": b""}), "'ic_crypto' is not a directory"),
    "file for the keys": (
        archive({"accounts_ssh_authorized_keys": b""}),
        "'accounts_ssh_authorized_keys' is not a directory",
    ),
    "large": (archive({"nns.conf": bytes(65537)}), "'nns.conf' has more than 65536 bytes"),
    "larger than any disk": (sparse("ic_crypto/key", 1 << 50), "its directories have more than 268435456 bytes"),
    "odd name": (
        archive({"ic_crypto/a b": b""}),
        "'ic_crypto/a b' has other characters than letters, digits and ._@+=,-",
    ),
    "file and directory": (archive({"ic_crypto/a": b"", "ic_crypto/a/b": b""}), "its crypto files cannot be unpacked"),
    "only the root": (archive({"./": b""}), ""),
}


@pytest.mark.parametrize("case", [case for case in MALFORMED if MALFORMED[case][1]])
def test_malformed_archive(case: str, node: Node) -> None:
    data, message = MALFORMED[case]
    before = node.state()
    assert node.take(data) == (3, f"bootstrap-ic-node: REFUSED, nothing of it is applied: {message}\n")
    assert node.state() == before


GOOD_CONF = [
    ("network.conf", ""),
    ("network.conf", "# by hand\n\nhostname=a\n"),
    ("network.conf", "hostname=a"),
    ("network.conf", "ipv6_address=fe80::1/128\nname_servers=::1 1.1.1.1 2001:DB8:0:0:0:0:0:53\n"),
    ("network.conf", "ipv4_address=10.0.2.15/24\nipv4_gateway=10.0.2.2\ndomain=a.b-c.example\n"),
    ("nns_public_key.pem", "\n" + PUBLIC.decode()),
    (
        "node_operator_private_key.pem",
        "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n" + PRIVATE.decode(),
    ),
    ("accounts_ssh_authorized_keys/root", "# two keys\n" + ADMIN.decode() + "ecdsa-sha2-nistp256 AAAA==\n"),
]


@pytest.mark.parametrize(("file", "text"), GOOD_CONF)
def test_good_content(file: str, text: str, node: Node) -> None:
    assert node.take(archive({file: text.encode()})) == (0, CONFIGURED)
    assert (node.root / "boot/config/bootstrap" / file).read_text() == text


BAD_CONTENT = [
    ("network.conf", "hostname", "network.conf, line 1: is not of the form key=value"),
    ("network.conf", "a=b\n", "network.conf, line 1: there is no key 'a'"),
    ("network.conf", " hostname=a\n", "network.conf, line 1: there is no key ' hostname'"),
    ("network.conf", "hostname=a\nhostname=a\n", "network.conf, line 2: hostname comes twice"),
    ("network.conf", "hostname=\n", "network.conf, line 1: hostname cannot be ''"),
    ("network.conf", "hostname=a;reboot\n", "network.conf, line 1: hostname cannot be 'a;reboot'"),
    ("network.conf", "hostname=$(reboot)\n", "network.conf, line 1: hostname cannot be '$(reboot)'"),
    ("network.conf", "hostname=-a\n", "network.conf, line 1: hostname cannot be '-a'"),
    ("network.conf", "hostname=a\x1b[2J\n", "network.conf: has other characters than printable ASCII"),
    ("network.conf", "hostname=a\0\n", "network.conf: has other characters than printable ASCII"),
    ("network.conf", "hostname=a\r\n", "network.conf: has other characters than printable ASCII"),
    ("network.conf", f"hostname={'a' * 64}\n", f"network.conf, line 1: hostname cannot be '{'a' * 64}'"),
    ("network.conf", "ipv6_address=2001:db8::1\n", "network.conf, line 1: ipv6_address cannot be '2001:db8::1'"),
    (
        "network.conf",
        "ipv6_address=2001:db8::1/129\n",
        "network.conf, line 1: ipv6_address cannot be '2001:db8::1/129'",
    ),
    ("network.conf", "ipv6_address=1.2.3.4/24\n", "network.conf, line 1: ipv6_address cannot be '1.2.3.4/24'"),
    ("network.conf", "ipv6_address=a::b::c/64\n", "network.conf, line 1: ipv6_address cannot be 'a::b::c/64'"),
    (
        "network.conf",
        "ipv6_address=1:2:3:4:5:6:7/64\n",
        "network.conf, line 1: ipv6_address cannot be '1:2:3:4:5:6:7/64'",
    ),
    ("network.conf", "ipv6_address=::12345/64\n", "network.conf, line 1: ipv6_address cannot be '::12345/64'"),
    ("network.conf", "ipv4_address=1.2.3.256/24\n", "network.conf, line 1: ipv4_address cannot be '1.2.3.256/24'"),
    ("network.conf", "ipv4_address=1.2.3.4/33\n", "network.conf, line 1: ipv4_address cannot be '1.2.3.4/33'"),
    ("network.conf", "ipv4_gateway=::1\n", "network.conf, line 1: ipv4_gateway cannot be '::1'"),
    ("network.conf", "ipv4_gateway=10.0.0.1\n", "network.conf, line 1: ipv4_gateway is there without ipv4_address"),
    (
        "network.conf",
        "name_servers=1.1.1.1,2.2.2.2\n",
        "network.conf, line 1: name_servers cannot be '1.1.1.1,2.2.2.2'",
    ),
    ("nns.conf", "nns_url=ftp://a\n", "nns.conf, line 1: nns_url cannot be 'ftp://a'"),
    ("nns.conf", "nns_url=http://a/`id`\n", "nns.conf, line 1: nns_url cannot be 'http://a/`id`'"),
    (
        "backup.conf",
        "backup_retention_time_secs=1d\n",
        "backup.conf, line 1: backup_retention_time_secs cannot be '1d'",
    ),
    ("log.conf", "elasticsearch_hosts=a$b\n", "log.conf, line 1: elasticsearch_hosts cannot be 'a$b'"),
    (
        "malicious_behavior.conf",
        "malicious_behavior=true\n",
        "malicious_behavior.conf, line 1: malicious_behavior cannot be 'true'",
    ),
    ("bitcoind_addr.conf", "bitcoind_addr=a|b\n", "bitcoind_addr.conf, line 1: bitcoind_addr cannot be 'a|b'"),
    ("socks_proxy.conf", "socks_proxy=http://a\n", "socks_proxy.conf, line 1: socks_proxy cannot be 'http://a'"),
    ("nns_public_key.pem", "", "nns_public_key.pem, line 0: ends without one whole key"),
    ("nns_public_key.pem", "hello\n", "nns_public_key.pem, line 1: is not the beginning of such a key in PEM"),
    ("nns_public_key.pem", PRIVATE.decode(), "nns_public_key.pem, line 1: is not the beginning of such a key in PEM"),
    ("nns_public_key.pem", PUBLIC.decode() * 2, "nns_public_key.pem, line 6: ends without one whole key"),
    ("nns_public_key.pem", PUBLIC.decode()[:-20], "nns_public_key.pem, line 3: is not a line of base64"),
    ("nns_public_key.pem", PUBLIC.decode()[:32], "nns_public_key.pem, line 2: ends without one whole key"),
    ("accounts_ssh_authorized_keys/admin", "hello\n", "admin, line 1: is not a public ssh key"),
    ("accounts_ssh_authorized_keys/admin", 'command="sh" ' + ADMIN.decode(), "admin, line 1: is not a public ssh key"),
]


@pytest.mark.parametrize(("file", "text", "message"), BAD_CONTENT)
def test_malformed_content_refuses_all(file: str, text: str, message: str, node: Node) -> None:
    before = node.state()
    assert node.take(archive(FULL | {file: text.encode()})) == (
        3,
        f"bootstrap-ic-node: REFUSED, nothing of it is applied: {message}\n",
    )
    assert node.state() == before


def test_what_was_there_before_makes_room(node: Node) -> None:
    """A crypto store that has something of the same name, in another kind."""
    crypto = node.root / "var/lib/ic/crypto"
    (crypto / "public_keys.pb").mkdir()
    (crypto / "node_signing").write_bytes(b"old")
    (crypto / "kept").write_bytes(b"kept")
    assert node.take(archive(FULL))[0] == 0
    assert node.state() == expected(FULL) | {"var/lib/ic/crypto/kept": b"kept"}


def test_archive_that_cannot_be_read(node: Node) -> None:
    status, said = node.run("take-bootstrap.sh", node.root / "boot")
    assert (status, said) == (3, "bootstrap-ic-node: REFUSED, nothing of it is applied: it cannot be read\n")


def test_archive_that_is_too_large(node: Node) -> None:
    tar = node.root / "medium.tar"
    with tar.open("wb") as file:
        file.truncate((512 << 20) + 1)
    status, said = node.run("take-bootstrap.sh", tar)
    assert (status, said) == (
        3,
        "bootstrap-ic-node: REFUSED, nothing of it is applied: it has more than 536870912 bytes\n",
    )
    assert node.state() == {"var/lib/ic/crypto/": b"", "var/lib/ic/data/": b""}


# Programs by which the script changes something, or makes sure that it is on the disk.
CHANGING = ("chmod", "chown", "head", "mkdir", "mv", "rm", "sync", "tar")
POWER_CUT = """
echo >> "${BOOTSTRAP_ROOT}/count"
if [ "$(wc -l < "${BOOTSTRAP_ROOT}/count")" -eq "$(cat "${BOOTSTRAP_ROOT}/cut")" ]; then kill -KILL 0; fi
"""


def with_power_cut(node: Node, before: int) -> None:
    """The whole script dies before the given command of those that change something, counted from 1."""
    (node.root / "cut").write_text(str(before))
    (node.root / "count").unlink(missing_ok=True)
    for name in CHANGING:
        real = f'exec /usr/bin/{name} "$@"' if name != "chown" else "exit 0"
        node.program(name, POWER_CUT + real)


def test_power_cut_before_every_command(tmp_path: Path) -> None:
    """Whole or not there, at every moment; the next boot completes it, or begins anew with whatever medium it finds."""
    other = {"network.conf": b"hostname=other\n", "ic_crypto/other": b"other"}
    begun = completed = 0
    for number in range(1, 1000):
        node = Node(tmp_path / str(number))
        with_power_cut(node, number)
        status, _ = node.take(archive(FULL))
        if status == 0:
            break
        assert status == -9
        with_power_cut(node, 0)
        if (node.root / "boot/config/bootstrap").is_dir():
            completed += 1
            assert node.content("boot/config/bootstrap") == {
                name: content
                for name, content in expected(FULL).items()
                if name.startswith("boot/config/bootstrap/") and name != "boot/config/bootstrap/"
            }
            assert node.run("take-bootstrap.sh", "--finish") == (0, CONFIGURED)
            assert node.state() == expected(FULL)
        else:
            begun += 1
            assert not (node.root / "boot/config/CONFIGURED").exists()
            again = FULL if number % 2 else other
            assert node.take(archive(again)) == (0, CONFIGURED)
            assert node.state() == expected(again)
    else:
        pytest.fail("the script never came to its end")
    # Cuts on both sides of the moment from which on it counts.
    assert begun > 10
    assert completed > 5


def test_what_the_tool_makes_is_taken(node: Node, tmp_path: Path) -> None:
    """Every option of build-bootstrap-config-image, each value at its oddest."""
    (tmp_path / "folder/sub").mkdir(parents=True)
    (tmp_path / "folder/sub/a,b=c@d+e_f-g.h").write_bytes(b"key")
    for name, content in (("public", PUBLIC), ("private", PRIVATE), ("admin", ADMIN)):
        (tmp_path / name).write_bytes(content)
    options = {
        "ipv6_address": "2001:DB8:0:0:0:0:0:2/128",
        "ipv6_gateway": "fe80::1",
        "name_servers": "::1 1.1.1.1",
        "hostname": "3-com.Example.a1",
        "ipv4_address": "192.0.2.2/31",
        "ipv4_gateway": "192.0.2.3",
        "domain": ".".join(["a" * 63] * 3 + ["a" * 61]),
        "nns_url": "https://[2001:db8::8]:8080/a/b?c=%20,http://nns.example",
        "backup_retention_time_secs": "9223372036854775807",
        "backup_purging_interval_secs": "1",
        "elasticsearch_hosts": "[2001:db8::8]:1,a-b.example:65535",
        "elasticsearch_tags": "a_b.c-d 1",
        "malicious_behavior": '{"a": ["\\u00e9 $(reboot)", {}]}',
        "bitcoind_addr": "[::1]:1,a:1",
        "socks_proxy": "socks5h://[2001:db8::8]:1080",
        "nns_public_key": f"{tmp_path}/public",
        "node_operator_private_key": f"{tmp_path}/private",
        "ic_crypto": f"{tmp_path}/folder",
        "ic_registry_local_store": f"{tmp_path}/folder",
        "accounts_ssh_authorized_keys": f"root={tmp_path}/admin",
    }
    known = (*bootstrap_config.SETTINGS, *bootstrap_config.KEY_FILES, *bootstrap_config.FOLDERS)
    assert set(options) == {option.name for option in known} | {bootstrap_config.AUTHORIZED_KEYS}
    tree = bootstrap_config.make_tree({name: [value] for name, value in options.items()})
    assert node.take(bootstrap_config.make_archive(tree)) == (0, CONFIGURED)
    taken = node.content("boot/config/bootstrap")
    assert len([name for name in taken if not name.endswith("/")]) == 10
    assert (node.root / "var/lib/ic/crypto/sub/a,b=c@d+e_f-g.h").read_bytes() == b"key"


def test_the_tool_has_the_limits_of_the_guest() -> None:
    text = (TEMPLATES[0] / "opt/ic/share/bootstrap-members.awk").read_text()
    limits = {name: int(value) for name, value in re.findall(r"(\w+_MAX) = (\d+)", text)}
    assert limits["FILE_MAX"] == bootstrap_config.SMALL_FILE_MAX
    assert limits["FOLDERS_MAX"] == bootstrap_config.FOLDERS_MAX
