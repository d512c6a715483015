"""The tool that configures images: every refusal with its words, edits read back, nothing half-written, no key told."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from configure import contents
from configure.testing import CHILD, CONFIG_INI, image
from sysimage.inspection import open_image


def pem(label: str, content: str) -> bytes:
    text = base64.encodebytes(bytes.fromhex(content)).decode().replace("\n", "")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "".join(f"{line}\n" for line in (f"-----BEGIN {label}-----", *lines, f"-----END {label}-----")).encode()


SECRET: Final = "5ec7e7" * 10 + "5ec7"
EC: Final = pem("EC PRIVATE KEY", f"302e0201010420{SECRET}a00706052b8104000a")
ED25519: Final = pem("PRIVATE KEY", f"302e020100300506032b657004220420{SECRET}")
NNS: Final = pem("PUBLIC KEY", f"308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100{'07' * 96}")
NNS_SHA256: Final = hashlib.sha256(base64.b64decode(b"".join(NNS.split(b"\n")[1:-2]))).hexdigest()
SSH: Final = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH her laptop\n"
SSH_SHA256: Final = (
    "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(SSH.split()[1])).digest()).decode()[:43]
)
OTHER_CONFIG: Final = b"ipv6_prefix=2001:db8:0:1\nipv6_gateway=fe80::1\n"

# What options name; each test has these files in its folder.
FILES: Final = {
    "bad.ini": CONFIG_INI + b"verbose=yes\n",
    "carriage.ini": CONFIG_INI.replace(b"\n", b"\r\n"),
    "elsewhere.ini": b"ipv6_prefix=2001:db8:0:1\n# so\nipv6_gateway=2001:db8:0:2::1\n",
    "empty": b"",
    "good.ini": OTHER_CONFIG,
    "half.ini": OTHER_CONFIG + b"ipv4_address=192.0.2.2\n",
    "large": b"#" * 65537,
    "no_gateway.ini": b"ipv6_prefix=2001:db8:0:1\n",
    "twice.ini": CONFIG_INI + b"ipv6_prefix=2001:db8:0:1\n",
    "unknown.ini": b"ipv6=1\n" + CONFIG_INI,
    "word.ini": CONFIG_INI + b"verbose\n",
    "broken.json": b'{"deployment": \n nothing}',
    "good.json": b'{"deployment": {"name": "testnet", "mgmt_mac": "3C:EC:EF:6B:37:99"}}',
    "list.json": b"[]",
    "nameless.json": b'{"resources": {"cpu": "kvm"}}',
    "unknown.json": b'{"deployment": {"name": "a", "nmae": "b"}}',
    "value.json": b'{"deployment": {"name": "a"}, "resources": {"memory": "490G"}}',
    "admin.pub": b"# hers\n" + SSH,
    "options.pub": SSH + b'command="x" ' + SSH,
    "carriage.pub": b" ".join(SSH.split()[:2]) + b"\r\n",  # as part of a comment the host takes one
    "private.pub": b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
    "keys/admin": SSH,
    "keys/readonly": SSH,
    "other_keys/root": SSH,
    "ec.pem": EC,
    "ed25519.pem": ED25519,
    "encrypted.pem": pem("ENCRYPTED PRIVATE KEY", "3000"),
    "cut.pem": EC[:60],
    "hollow.pem": pem("EC PRIVATE KEY", "3000"),
    "nns.pem": NNS,
    "hollow_nns.pem": pem("PUBLIC KEY", "3000"),
    "no.img": bytes(1 << 20),
}
TO: Final = "--output=out.img"
CHECKS: Final = "there are cpu, memory, disks, network, or all for these"
CONFIG_KEYS: Final = "ipv6_prefix, ipv6_gateway, ipv4_address, ipv4_gateway, ipv4_prefix_length, domain, verbose"
DEPLOYMENT_KEYS: Final = (
    "deployment.name, deployment.mgmt_mac, logging.hosts, nns.url, dns.name_servers, resources.memory, resources.cpu, "
    "resources.nr_of_vcpus"
)
REMOVABLE: Final = (
    "node_operator_private_key.pem, ssh_authorized_keys/admin, ssh_authorized_keys/backup, ssh_authorized_keys/readonly"
)
NO_TEXT: Final = "has another character than printable ASCII; write it without, and without carriage returns"

REFUSED: Final = [
    # Options that do not go together.
    (
        [],
        "nothing says where the result goes (hint: give --output=FILE, or --in_place to change the image "
        "itself; --show only looks)",
    ),
    (
        [TO, "--in_place"],
        "both --output and --in_place are given (hint: give --output=FILE, or --in_place to change the image "
        "itself; --show only looks)",
    ),
    (["--in_place"], "nothing is to be changed (hint: --help lists what can be; --show shows what is there)"),
    (["--show", TO], "--show changes nothing, and goes with no option that does"),
    (["--show", "--set=verbose=true"], "--show changes nothing, and goes with no option that does"),
    (["--json", TO], "--json goes with --show"),
    ([TO, "word"], "unexpected argument 'word'"),
    (
        ["--output=out.iso"],
        "{folder}/out.iso: the name of an image ends in .tar.zst, .tar, .img (hint: it says how it is packed)",
    ),
    # --config
    ([TO, "--config=bad.ini"], "bad.ini, line 4: verbose cannot be 'yes'; it is true or false"),
    ([TO, "--config=carriage.ini"], f"carriage.ini, line 1: {NO_TEXT}"),
    (
        [TO, "--config=elsewhere.ini"],
        "elsewhere.ini, line 3: ipv6_gateway cannot be '2001:db8:0:2::1'; it lies in the network of "
        "ipv6_prefix, or is link-local",
    ),
    ([TO, "--config=empty"], "empty: there is no ipv6_prefix; it must be there"),
    (
        [TO, "--config=half.ini"],
        "half.ini: ipv4_address, ipv4_gateway and ipv4_prefix_length go together; give all three, or none",
    ),
    ([TO, "--config=large"], "--config: {folder}/large has more than the 65536 bytes that are possible"),
    ([TO, "--config=missing"], "--config: cannot read {folder}/missing: No such file or directory"),
    ([TO, "--config=no_gateway.ini"], "no_gateway.ini: there is no ipv6_gateway; it must be there"),
    ([TO, "--config=twice.ini"], "twice.ini, line 4: ipv6_prefix comes twice"),
    ([TO, "--config=unknown.ini"], "unknown.ini, line 1: there is no key 'ipv6'"),
    ([TO, "--config=word.ini"], "word.ini, line 4: is not of the form key=value"),
    # --deployment
    ([TO, "--deployment=broken.json"], "broken.json: is not JSON: Expecting value in line 2, column 2"),
    ([TO, "--deployment=list.json"], "list.json: is not one JSON object"),
    ([TO, "--deployment=empty"], "empty: is not one JSON object"),
    ([TO, "--deployment=nameless.json"], "nameless.json: there is no deployment.name; it must be there"),
    ([TO, "--deployment=unknown.json"], "unknown.json: there is no key 'deployment.nmae'"),
    (
        [TO, "--deployment=value.json"],
        "value.json: resources.memory cannot be '490G'; it is a number from 1 to 999999, without a unit",
    ),
    # --set
    ([TO, "--set=verbose"], "--set 'verbose' is not of the form KEY=VALUE"),
    ([TO, "--set=speed=1"], f"--set: there is no key 'speed' (hint: there are {CONFIG_KEYS}, {DEPLOYMENT_KEYS})"),
    ([TO, "--set=verbose=1"], "--set: verbose cannot be '1'; it is true or false"),
    (
        [TO, "--set=ipv6_prefix=2001:db8"],
        "--set: ipv6_prefix cannot be '2001:db8'; it is four groups, such as 2a00:fb01:400:200",
    ),
    (
        [TO, "--set=deployment.mgmt_mac=01:00:00:00:00:01"],
        "--set: deployment.mgmt_mac cannot be '01:00:00:00:00:01'; it is that of a network card, such as "
        "3c:ec:ef:6b:37:99",
    ),
    ([TO, "--set=verbose=true", "--set=verbose=false"], "--set verbose is given twice"),
    ([TO, "--set=ipv6_prefix="], "config.ini of the image with --set: there is no ipv6_prefix; it must be there"),
    (
        [TO, "--set=ipv6_prefix=2001:db8:0:1"],
        "config.ini of the image with --set, line 3: ipv6_gateway cannot be '2a00:fb01:400:200::1'; it lies "
        "in the network of ipv6_prefix, or is link-local",
    ),
    (
        [TO, "--config=good.ini", "--set=ipv4_address=192.0.2.2"],
        "good.ini with --set: ipv4_address, ipv4_gateway and ipv4_prefix_length go together; give all three, or none",
    ),
    (
        [TO, "--set=deployment.name="],
        "deployment.json of the image with --set: there is no deployment.name; it must be there",
    ),
    # Keys
    (
        [TO, "--ssh_authorized_keys=admin.pub"],
        "--ssh_authorized_keys: admin.pub is a file (hint: say whose keys: admin=admin.pub)",
    ),
    (
        [TO, "--ssh_authorized_keys=root=admin.pub"],
        "--ssh_authorized_keys (admin.pub): there is no account 'root' (hint: there are admin, backup, readonly)",
    ),
    (
        [TO, "--ssh_authorized_keys=other_keys"],
        "--ssh_authorized_keys (other_keys/root): there is no account 'root' (hint: there are admin, backup, readonly)",
    ),
    ([TO, "--ssh_authorized_keys=missing"], "--ssh_authorized_keys: {folder}/missing is not a folder"),
    (
        [TO, "--ssh_authorized_keys=keys", "--ssh_authorized_keys=admin=admin.pub"],
        "--ssh_authorized_keys has keys of admin twice",
    ),
    (
        [TO, "--ssh_authorized_keys=admin=options.pub"],
        "options.pub, line 2: is not a public ssh key (hint: a line is TYPE BASE64 [COMMENT], without options)",
    ),
    (
        [TO, "--ssh_authorized_keys=admin=carriage.pub"],
        "carriage.pub, line 1: has a carriage return; lines end in a line feed alone",
    ),
    (
        [TO, "--ssh_authorized_keys=admin=private.pub"],
        "private.pub, line 1: this is a private key (hint: the public one is in the file that ends in .pub)",
    ),
    ([TO, "--node_operator_private_key=cut.pem"], "cut.pem: the EC PRIVATE KEY that begins in line 1 has no end"),
    (
        [TO, "--node_operator_private_key=encrypted.pem"],
        "encrypted.pem, line 1: has a ENCRYPTED PRIVATE KEY where a EC PRIVATE KEY or PRIVATE KEY is wanted",
    ),
    (
        [TO, "--node_operator_private_key=hollow.pem"],
        "hollow.pem: its content is not the private key that it should be: it is no ECPrivateKey (hint: an "
        "EC or Ed25519 key is wanted, without a password)",
    ),
    (
        [TO, "--node_operator_private_key=nns.pem"],
        "nns.pem, line 1: has a PUBLIC KEY where a EC PRIVATE KEY or PRIVATE KEY is wanted",
    ),
    ([TO, "--nns_public_key=ec.pem"], "ec.pem, line 1: has a EC PRIVATE KEY where a PUBLIC KEY is wanted"),
    (
        [TO, "--nns_public_key=hollow_nns.pem"],
        "hollow_nns.pem: its content is not a public key: it is no SubjectPublicKeyInfo",
    ),
    ([TO, "--nns_public_key=empty"], "empty: has 0 blocks of PUBLIC KEY, one is wanted"),
    # Checks and removals
    ([TO, "--skip_checks=config"], f"--skip_checks: there is no check 'config' (hint: {CHECKS}; none skips nothing)"),
    ([TO, "--skip_checks="], f"--skip_checks is given without a value (hint: {CHECKS})"),
    ([TO, "--remove=config.ini"], f"--remove 'config.ini' cannot be taken away (hint: there are {REMOVABLE})"),
    (
        [TO, "--remove=ssh_authorized_keys/admin", "--ssh_authorized_keys=keys"],
        "--remove 'ssh_authorized_keys/admin', which another option gives (hint: leave one of them out)",
    ),
    (
        [TO, "--config=good.ini", "--nns_public_key=missing"],
        "--nns_public_key: cannot read {folder}/missing: No such file or directory",
    ),
]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("dev") / "dev.img")


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image(tmp_path_factory.mktemp("prod") / "prod.img", dev=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def run(folder: Path, *arguments: str | Path) -> tuple[int, str, str]:
    # What this process can import, the program can import.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "BUILD_WORKING_DIRECTORY": str(folder)}
    command = [sys.executable, "-m", "configure.configure", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    for secret in (SECRET, SECRET.upper(), *(key.split(b"\n")[1].decode() for key in (EC, ED25519))):
        assert secret not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(path: Path) -> contents.Contents:
    with open_image(path, in_place=True) as disk:
        return contents.read(disk)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused(folder: Path, dev: Path, arguments: list[str], message: str) -> None:
    before, there = dev.stat(), names(folder)
    said = f"error: {message.replace('{folder}', str(folder))}\n"
    assert run(folder, f"--image={dev}", *arguments) == (2, "", said)
    assert names(folder) == there
    after = dev.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert names(dev.parent) == ["dev.img"]


def test_a_refused_edit_in_place_leaves_the_image(folder: Path, dev: Path) -> None:
    before = sha256(dev)
    status, _, said = run(folder, f"--image={dev}", "--in_place", "--set=verbose=true", "--skip_checks=cpus")
    assert (status, said) == (
        2,
        f"error: --skip_checks: there is no check 'cpus' (hint: {CHECKS}; none skips nothing)\n",
    )
    assert sha256(dev) == before


def test_images_that_are_none(folder: Path) -> None:
    assert run(folder, "--show") == (2, "", "error: no image is named (hint: --image=FILE)\n")
    status, out, said = run(folder, "--image=missing.img", "--show")
    assert (status, out) == (2, "")
    assert said == f"error: cannot read {folder}/missing.img: No such file or directory\n"
    status, out, said = run(folder, "--image=no.img", "--show")
    assert (status, out, said.count("\n")) == (2, "", 1)
    assert "is this an image of SetupOS?" in said


@pytest.mark.parametrize("word", ["all", "memory"])
def test_checks_of_production_are_not_skipped(folder: Path, prod: Path, word: str) -> None:
    there = names(folder)
    assert run(folder, f"--image={prod}", TO, f"--skip_checks={word}") == (
        2,
        "",
        "error: --skip_checks: this image is one of production, whose checks cannot be skipped "
        "(hint: take an image of dev, for a machine that is for tests)\n",
    )
    assert names(folder) == there
    assert run(folder, f"--image={prod}", TO, "--skip_checks=none")[0] == 0


ALL: Final = (
    *("--config=good.ini", "--deployment=good.json", "--ssh_authorized_keys=keys", "--nns_public_key=nns.pem"),
    *("--ssh_authorized_keys=backup=admin.pub", "--node_operator_private_key=ec.pem", "--skip_checks=network,cpu"),
)
WANTED: Final = {
    "config.ini": OTHER_CONFIG,
    "deployment.json": FILES["good.json"],
    "ssh_authorized_keys/admin": SSH,
    "ssh_authorized_keys/backup": FILES["admin.pub"],
    "ssh_authorized_keys/readonly": SSH,
    "node_operator_private_key.pem": EC,
    "nns_public_key.pem": NNS,
    "skip-checks": b"cpu\nnetwork\n",
}


@pytest.mark.parametrize("kind", ["img", "tar.zst"])
@pytest.mark.parametrize("output", ["out.img", "out.tar", "out.tar.zst", ""])
def test_everything_is_read_back(folder: Path, kind: str, output: str) -> None:
    path = image(folder / f"in.{kind}")
    before = sha256(path)
    there = names(folder)
    where = f"--output={output}" if output else "--in_place"
    assert run(folder, f"--image={path}", where, *ALL) == (0, "", "")
    result = folder / output if output else path
    assert read(result).files == WANTED
    assert (sha256(path) == before) == bool(output)
    made = [output, f"{output}.sha256"][: 1 + output.startswith("out.tar")] if output else []
    assert names(folder) == sorted([*there, *made])
    if len(made) == 2:
        assert (folder / made[1]).read_text() == f"{sha256(result)}  {output}\n"
    with open_image(result, in_place=True) as disk:
        assert [child.sha256 == child.stated for child in contents.children(disk)] == [True, True]


def test_what_is_not_named_stays(folder: Path, dev: Path) -> None:
    status, out, said = run(
        folder, f"--image={dev}", TO, "--set=verbose=true", "--set=resources.cpu=qemu", "--set=resources.memory="
    )
    assert (status, out) == (0, "")
    assert said.splitlines() == [
        "note: no nns_public_key.pem: the image installs nothing without",
        "note: no ssh keys: nobody will be able to log in to the installed host by ssh",
        "note: no node_operator_private_key.pem: on a machine of the second generation the installer warns, and waits "
        "5 minutes",
    ]
    now = read(folder / "out.img")
    assert now.files["config.ini"] == CONFIG_INI + b"verbose=true\n"
    assert json.loads(now.files["deployment.json"]) == {
        "deployment": {"name": "mainnet"},
        "resources": {"cpu": "qemu"},
    }
    assert set(now.files) == {"config.ini", "deployment.json"}
    assert now.others == ("setupos.log",)


def test_removals_and_edits_in_place(folder: Path) -> None:
    path = image(folder / "stick.img")
    assert run(folder, "--image=stick.img", "--in_place", *ALL)[0] == 0
    configured = sha256(path)
    assert run(folder, "--image=stick.img", "--in_place", *ALL) == (0, "", "")
    assert sha256(path) == configured
    arguments = ["--remove=node_operator_private_key.pem", "--remove=ssh_authorized_keys/backup", "--skip_checks=none"]
    assert run(folder, "--image=stick.img", "--in_place", *arguments)[0] == 0
    gone = {"node_operator_private_key.pem", "ssh_authorized_keys/backup", "skip-checks"}
    assert read(path).files == {name: data for name, data in WANTED.items() if name not in gone}
    # Of a key that was taken away nothing is left on the disk.
    assert bytes.fromhex(SECRET) not in path.read_bytes()
    assert EC.split(b"\n")[1] not in path.read_bytes()


def test_shown(folder: Path, dev: Path) -> None:
    assert run(folder, f"--image={dev}", TO, *ALL)[0] == 0
    before = sha256(folder / "out.img")
    child = hashlib.sha256(CHILD + b"host-os.img.tar.zst").hexdigest()
    status, text, said = run(folder, "--image=out.img", "--show")
    assert (status, said) == (0, "")
    lines = text.splitlines()
    assert lines[0] == "out.img: SetupOS 1.2.3; checks of the machine may be skipped"
    for line in (
        "  ipv6_prefix         2001:db8:0:1",
        "  ipv6_gateway        fe80::1",
        "  deployment_name     testnet",
        "  mgmt_mac            3c:ec:ef:6b:37:99",
        f"  ssh, admin          {SSH_SHA256} ssh-ed25519 her laptop",
        f"  NNS                 BLS12-381, public key sha256 {NNS_SHA256}",
        "  node operator       EC secp256k1",
        "skipped checks        cpu, network",
        f"  host-os.img.tar.zst         7.2 MiB  sha256 {child}, as its .sha256 says",
        "  setupos.log",
    ):
        assert line in lines, text
    assert not [line for line in lines if line.startswith("note: ")]
    status, text, said = run(folder, "--image=out.img", "--show", "--json")
    assert (status, said) == (0, "")
    data = json.loads(text)
    assert data["config.ini"] == {"ipv6_prefix": "2001:db8:0:1", "ipv6_gateway": "fe80::1"}
    assert data["node_operator_private_key.pem"] == {"algorithm": "EC secp256k1", "public_sha256": ""}
    assert data["ssh_authorized_keys"]["admin"] == [
        {"type": "ssh-ed25519", "fingerprint": SSH_SHA256, "comment": "her laptop"}
    ]
    assert data["skip-checks"] == ["cpu", "network"]
    assert data["children"][0] == {
        "name": "host-os.img.tar.zst",
        "size": len(CHILD) + 19,
        "sha256": child,
        "as_stated": True,
    }
    assert (data["version"], data["checks_may_be_skipped"], data["findings"]) == ("1.2.3", True, [])
    assert sha256(folder / "out.img") == before


def test_a_malformed_image_is_shown_and_mended(folder: Path) -> None:
    path = image(folder / "bad.img", config=b"ipv6_prefix=1\n")
    status, text, _ = run(folder, "--image=bad.img", "--show")
    assert status == 0
    assert "config.ini\n  malformed, see below\n" in text
    assert "note: config.ini, line 1: ipv6_prefix cannot be '1'; it is four groups, such as 2a00:fb01:400:200\n" in text
    assert (
        run(folder, "--image=bad.img", "--in_place", "--config=good.ini", "--node_operator_private_key=ed25519.pem")[0]
        == 0
    )
    assert read(path).files["config.ini"] == OTHER_CONFIG
    assert "  node operator       Ed25519\n" in run(folder, "--image=bad.img", "--show")[1]
