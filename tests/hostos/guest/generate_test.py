"""generate-guestos-config.sh: the medium has what build-bootstrap-config-image makes, machines are golden files."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

import bootstrap_config
from sysimage import fat
from sysimage.extents import open_raw
from tests.guestos.configuration.rootfs import Node
from tests.hostos.configuration.host import CONFIG_INI, DEPLOYMENT, MAC
from tests.hostos.guest.guest_host import KEY, PRIVATE_KEY, PUBLIC_KEY, GuestHost

GOLDEN: Final = Path("tests/hostos/guest/golden").absolute()
SCRIPT: Final = "generate-guestos-config.sh"
ADDRESS: Final = "2a00:fb01:400:200:6801:f4ff:fe09:d72a"
SERVER: Final = {**DEPLOYMENT, "resources": {}}
EMULATED: Final = "generate-guestos-config: WARNING: the guest is EMULATED, and many times slower than it should be: "
UNPROTECTED: Final = (
    "generate-guestos-config: WARNING: the guest is NOT PROTECTED from this host: this machine has no usable SEV-SNP\n"
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GuestHost]:
    """A server as in the field: 503 GiB, KVM, no SEV-SNP."""
    made = GuestHost(tmp_path / "host")
    made.configure(CONFIG_INI, SERVER)
    yield made
    made.close()


def options(host: GuestHost) -> dict[str, list[str]]:
    """What a person would tell build-bootstrap-config-image for the guest of such a host."""
    config = host.root / "boot/config"
    return {
        "ipv6_address": [f"{ADDRESS}/64"],
        "ipv6_gateway": ["2a00:fb01:400:200::1"],
        "name_servers": ["2606:4700:4700::1111", "192.0.2.53"],
        "hostname": [f"guest-{MAC.replace(':', '')}"],
        "nns_url": ["https://nns.example", "http://[2001:db8::8]:8080"],
        **({"nns_public_key": [f"{config}/nns_public_key.pem"]} if (config / "nns_public_key.pem").exists() else {}),
    }


def medium_of(host: GuestHost) -> tuple[dict[str, bytes], str]:
    """The files of the medium, by our own reader of FAT, and its label."""
    reader = open_raw(host.root / "run/guestos/bootstrap.img")
    with reader.sources as sources:
        volume = fat.FatReader(reader)
        tree = volume.tree()
        return {path: tree.read(path, sources) for path, node in tree.walk() if path and node.content}, volume.label()


def members(archive: bytes) -> list[tuple[object, ...]]:
    """What stands in a tar. Versions of GNU tar differ in what says nothing: device numbers of what is no device."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            (
                entry.name,
                entry.type,
                entry.mode,
                (entry.uid, entry.gid, entry.uname, entry.gname),
                entry.mtime,
                content.read() if (content := tar.extractfile(entry)) else b"",
            )
            for entry in tar
        ]


def expected_archive(host: GuestHost, **more: list[str]) -> bytes:
    return bootstrap_config.make_archive(bootstrap_config.make_tree(options(host) | more))


def test_medium_is_that_of_the_tool(host: GuestHost) -> None:
    """Members, their order, all that a header says of them, and every byte of their contents."""
    assert host.run(SCRIPT) == (0, "")
    files, label = medium_of(host)
    assert (list(files), label) == (["ic-bootstrap.tar"], "CONFIG")
    archive = expected_archive(host)
    assert members(files["ic-bootstrap.tar"]) == members(archive)
    # Nor is there anything else, such as the padding that tar is fond of.
    assert len(files["ic-bootstrap.tar"]) == len(archive)


def test_medium_with_everything(host: GuestHost, tmp_path: Path) -> None:
    ipv4 = "ipv4_address=192.0.2.2\nipv4_gateway=192.0.2.1\nipv4_prefix_length=24\ndomain=example.org\n"
    host.configure(CONFIG_INI + ipv4, SERVER)
    host.put("nns_public_key.pem", PUBLIC_KEY)
    host.put("node_operator_private_key.pem", PRIVATE_KEY)
    for account in ("admin", "backup", "readonly"):
        host.put(f"ssh_authorized_keys/{account}", KEY * (1 + len(account)))
    # What else lies there is the host's alone.
    host.put("ssh_authorized_keys/root", KEY)
    host.put("ssh_host_keys/ssh_host_ed25519_key", "secret")
    assert host.run(SCRIPT) == (0, "")
    keys = [
        f"{account}={host.root}/boot/config/ssh_authorized_keys/{account}"
        for account in ("admin", "backup", "readonly")
    ]
    archive = expected_archive(
        host,
        ipv4_address=["192.0.2.2/24"],
        ipv4_gateway=["192.0.2.1"],
        domain=["example.org"],
        node_operator_private_key=[f"{host.root}/boot/config/node_operator_private_key.pem"],
        accounts_ssh_authorized_keys=keys,
    )
    made = medium_of(host)[0]["ic-bootstrap.tar"]
    assert members(made) == members(archive)
    # The guest takes it.
    node = Node(tmp_path / "guest")
    assert node.take(made) == (0, "bootstrap-ic-node: the node is configured\n")
    assert node.content("boot/config/bootstrap")["boot/config/bootstrap/network.conf"].decode().splitlines() == [
        f"ipv6_address={ADDRESS}/64",
        "ipv6_gateway=2a00:fb01:400:200::1",
        "name_servers=2606:4700:4700::1111 192.0.2.53",
        "hostname=guest-3cecef6b3799",
        "ipv4_address=192.0.2.2/24",
        "ipv4_gateway=192.0.2.1",
        "domain=example.org",
    ]


def test_umask_and_locale_do_not_matter(host: GuestHost) -> None:
    host.put("nns_public_key.pem", PUBLIC_KEY)
    archives = []
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            assert host.run(SCRIPT) == (0, "")
        finally:
            os.umask(before)
        archives.append(medium_of(host)[0])
    assert archives[0] == archives[1]
    assert members(archives[0]["ic-bootstrap.tar"]) == members(expected_archive(host))


def test_what_is_left(host: GuestHost) -> None:
    """The medium has a private key; QEMU gets at it because libvirt hands it over, and nobody else does."""
    assert host.run(SCRIPT) == (0, "")
    folder = host.root / "run/guestos"
    assert folder.stat().st_mode & 0o777 == 0o711
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "bootstrap.img": 0o600,
        "firmware-variables.fd": 0o600,
        "guestos.xml": 0o600,
        "launch": 0o600,
    }
    assert host.run_file("launch").decode() == "acceleration=kvm\nsev_snp=no\n"
    assert host.run_file("firmware-variables.fd") == b"variables"


def small(host: GuestHost) -> None:
    """A machine of a test: no KVM, little memory."""
    host.set_memory(4)
    host.set_processor("")
    host.configure(CONFIG_INI, {**DEPLOYMENT, "resources": {"memory": "2", "nr_of_vcpus": "1"}})


def no_kvm_module(host: GuestHost) -> None:
    host.set_processor("svm", kvm=False)


def paravirtual_kvm(host: GuestHost) -> None:
    """A device that opens on a processor that cannot."""
    host.set_processor("hypervisor svm_not_quite vmxnet")


def emulation_wanted(host: GuestHost) -> None:
    host.configure(CONFIG_INI, {**DEPLOYMENT, "resources": {"cpu": "qemu"}})


def server(_: GuestHost) -> None:
    pass


NO_KVM = EMULATED + "this machine has no usable /dev/kvm; look for SVM in its firmware's settings\n"


@pytest.mark.parametrize(
    ("prepare", "golden", "said"),
    [
        (server, "kvm.xml", ""),
        (small, "emulated-small.xml", NO_KVM),
        (no_kvm_module, "emulated.xml", NO_KVM),
        (paravirtual_kvm, "emulated.xml", NO_KVM),
        (emulation_wanted, "emulated.xml", EMULATED + "deployment.json says so (cpu)\n"),
    ],
)
def test_machine(host: GuestHost, prepare: Callable[[GuestHost], None], golden: str, said: str) -> None:
    prepare(host)
    assert host.run(SCRIPT) == (0, said)
    assert host.run_file("guestos.xml").decode() == (GOLDEN / golden).read_text()
    assert host.run_file("launch").decode().startswith(f"acceleration={'emulation' if said else 'kvm'}\n")


def test_another_deployment_is_another_machine(host: GuestHost) -> None:
    host.configure(CONFIG_INI, {**SERVER, "deployment": {"name": "testnet", "mgmt_mac": MAC}})
    assert host.run(SCRIPT) == (0, "")
    ours, theirs = host.run_file("guestos.xml").decode().splitlines(), (GOLDEN / "kvm.xml").read_text().splitlines()
    assert sorted(line.split(">")[0].split()[0] for line in set(ours) - set(theirs)) == ["<mac", "<uuid"]


def memory_of(gib: str) -> Callable[[GuestHost], None]:
    return lambda host: host.configure(CONFIG_INI, {**DEPLOYMENT, "resources": {"memory": gib}})


def file_of(name: str, content: str | bytes) -> Callable[[GuestHost], None]:
    return lambda host: host.put(name, content)


def libvirt_is_gone(host: GuestHost) -> None:
    host.fail("list", "error: failed to connect to the hypervisor\nerror: Failed to connect socket\n")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (
            memory_of("503"),
            "the guest is to have 503 GiB of memory, but this machine has 503 GiB and needs 1 for itself; "
            "change resources.memory in deployment.json",
        ),
        (
            file_of("nns_public_key.pem", "no key\n"),
            "the guest would not take its configuration: "
            "nns_public_key.pem, line 1: is not the beginning of such a key in PEM",
        ),
        (
            file_of("node_operator_private_key.pem", PUBLIC_KEY),
            "the guest would not take its configuration: "
            "node_operator_private_key.pem, line 1: is not the beginning of such a key in PEM",
        ),
        (
            file_of("ssh_authorized_keys/admin", KEY + "command=reboot " + KEY),
            "the guest would not take its configuration: admin, line 2: is not a public ssh key",
        ),
        (
            file_of("ssh_authorized_keys/backup", KEY * 1000),
            "ssh_authorized_keys/backup has more than 65536 bytes",
        ),
        (
            file_of("nns_public_key.pem", b"\x1b[2J"),
            "nns_public_key.pem has other characters than printable ASCII",
        ),
        (
            libvirt_is_gone,
            "libvirt does not say which guests run: "
            "error: failed to connect to the hypervisor error: Failed to connect socket",
        ),
    ],
)
def test_refusals(host: GuestHost, prepare: Callable[[GuestHost], None], said: str) -> None:
    """One line, and no description of a machine, not even that of the last start."""
    prepare(host)
    assert host.run(SCRIPT) == (2, f"generate-guestos-config: {said}\n")
    assert not (host.root / "run/guestos/guestos.xml").exists()


def test_what_was_right_before_is_not_left(host: GuestHost) -> None:
    assert host.run(SCRIPT) == (0, "")
    host.configure("ipv6_prefix=nonsense\n", SERVER)
    status, said = host.run(SCRIPT)
    assert status == 2
    assert said.splitlines()[-1] == "generate-guestos-config: no guest is started with such a configuration"
    assert len(said.splitlines()) == 2
    assert said.startswith("host-config: config.ini, line 1: ipv6_prefix cannot be 'nonsense'")
    assert not (host.root / "run/guestos/guestos.xml").exists()


def test_arguments(host: GuestHost) -> None:
    for words in (["--sev"], ["--sev-snp", "now"]):
        said = f"generate-guestos-config: there is no argument '{' '.join(words)}'; there is --sev-snp\n"
        assert host.run(SCRIPT, *words) == (2, said)


def test_running_guest_keeps_what_it_has(host: GuestHost) -> None:
    assert host.run(SCRIPT) == (0, "")
    before = host.content("run/guestos")
    host.execute("../../../programs/virsh", "create", "--file", f"{host.root}/run/guestos/guestos.xml")
    host.configure("ipv6_prefix=nonsense\n", SERVER)
    assert host.run(SCRIPT) == (0, "generate-guestos-config: the guest runs already; nothing is changed\n")
    assert host.content("run/guestos") == before


# SEV-SNP. What it takes out of the guest's disk is tested in take_guest_kernel_test.py.


@pytest.mark.parametrize(("snp", "kvm"), [("N", True), ("Y", False)])
def test_without_the_hardware_the_guest_is_launched_as_ever(host: GuestHost, snp: str, kvm: bool) -> None:
    host.set_processor("svm", kvm=kvm, snp=snp)
    assert host.run(SCRIPT, "--sev-snp") == (0, ("" if kvm else NO_KVM) + UNPROTECTED)
    assert host.run_file("guestos.xml").decode() == (GOLDEN / ("kvm.xml" if kvm else "emulated.xml")).read_text()
    assert b"sev_snp=no\n" in host.run_file("launch")


def test_without_firmware_for_it_there_is_no_protected_guest(host: GuestHost) -> None:
    host.set_processor("svm", snp="Y")
    (host.root / "opt/ic/share/sev-firmware.fd").write_bytes(b"")
    assert host.run(SCRIPT, "--sev-snp") == (
        2,
        "generate-guestos-config: there is no firmware for SEV-SNP in this image: "
        "build it with --//ic-os/hostos:sev_firmware\n",
    )
    assert not (host.root / "run/guestos/guestos.xml").exists()


def test_protected_machine(host: GuestHost) -> None:
    """Everything that XML takes for its own comes through the command line unharmed."""
    host.set_processor("svm", snp="Y")
    (host.root / "opt/ic/share/sev-firmware.fd").write_bytes(b"firmware")
    taker = host.root / "opt/ic/bin/take-guest-kernel.sh"
    taker.write_text(
        "#!/bin/sh\nprintf '%s' 'root=PARTUUID=1 a=<&>\"@MAC@\\1 b' > \"${IC_ROOT}/run/guestos/cmdline\"\n"
    )
    assert host.run(SCRIPT, "--sev-snp") == (0, "")
    assert host.run_file("guestos.xml").decode() == (GOLDEN / "sev-snp.xml").read_text()
    assert host.run_file("launch").decode() == "acceleration=kvm\nsev_snp=yes\n"
