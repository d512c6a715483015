"""What is prepared for virsh on machines that are made up: files, descriptions (golden, libvirt's schema), refusals."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from manageboot_images import System, archive
from sysimage import fat, gpt, locked_tool
from sysimage.extents import ExtentMap, ImageReader, Sources, open_raw
from sysimage.vm.qemu import FIRMWARE_CODE

GOLDEN = Path("ic-os/scripts/bn-virsh/golden").absolute()
SCHEMA = Path(os.environ["SCHEMA"]).absolute()
LAYOUT = Path(os.environ["LAYOUT"]).absolute()
VM_TOOL = Path(os.environ["VM_TOOL"]).absolute()
PLACE = "/machines/bn-virsh"
SYSTEM = System("1", {"A": "PARTUUID=1", "B": "PARTUUID=2"})
BUILD = "(hint: bazel build //ic-os/boundary-guestos/envs/dev-sev/... makes one"
EMULATED = "NOTE: the machine is EMULATED, and many times slower than it should be: "
PLAIN = "NOTE: a plain launch, NOT PROTECTED from this host: "
FILES = ["bootstrap.img", "cmdline", "disk.img", "domain.xml", "initrd.img", "vmlinuz"]
SAMPLE = ["--hostname=boundary-1", "--ipv6_replica_ips=2001:db8::1"]


def disk(layout: gpt.Layout) -> ExtentMap:
    """A disk with a boot partition and nothing else."""
    contents = {each.name: gpt.EMPTY for each in layout.partitions}
    return gpt.plan(layout, contents | {"A_boot": SYSTEM.boot})


class Machine:
    """A machine, an image and a place for what is prepared."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "machine"
        self.image = folder / "disk-img.tar.zst"
        self.out = folder / "bn-virsh"
        self.firmware = folder / "OVMF.amdsev.fd"
        self.image.write_bytes(archive({"disk.img": disk(gpt.load(LAYOUT))}))
        for name in ("dev", "proc", "sys/module/kvm_amd/parameters"):
            (self.root / name).mkdir(parents=True)
        # What a built firmware of AmdSev has at its end, on top of one that has the place at address 0.
        self.firmware.write_bytes(amd_sev())
        self.able("")

    def able(self, flags: str, kvm: bool = False, sev: str = "") -> None:
        """What it can: the processor's flags, its devices, what the kernel says."""
        (self.root / "proc/cpuinfo").write_text(f"processor\t: 0\nflags\t\t: fpu {flags} sse2\n")
        for name, there in (("kvm", kvm), ("sev", bool(sev))):
            (self.root / "dev" / name).unlink(missing_ok=True)
            if there:
                (self.root / "dev" / name).symlink_to("/dev/null")
        (self.root / "sys/module/kvm_amd/parameters/sev_snp").write_text(f"{sev or 'N'}\n")

    def prepare(self, *words: str, room: int = 0, **environment: str) -> tuple[int, str, str]:
        """Exit status, output and errors. room: bytes that a file may have."""
        command = [sys.executable, "-m", "prepare", *os.environ["INPUTS"].split()]
        if not any(word.startswith("--image=") for word in words):
            command.append(f"--image={self.image}")
        command += [f"--machine={self.root}", f"--out={self.out}", "--disk_gib=50", *words]

        def limit() -> None:
            if room:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=limit,
        )
        return done.returncode, done.stdout, done.stderr

    def left(self) -> list[str]:
        """What lies where the folder was to be, but for what a test put there."""
        return sorted({*os.listdir(self.out.parent)} - {"machine", self.image.name, self.firmware.name})


def amd_sev() -> bytes:
    """Debian's firmware, with an address in the entry for the hashes of a kernel."""
    data = bytearray((VM_TOOL / FIRMWARE_CODE).read_bytes())
    guid = bytes.fromhex("1f3755723b3a044b927b1da6efa8d454")
    at = data.rindex(guid) - 2 - 8
    assert data[at : at + 4] == bytes(4)
    data[at : at + 8] = (0x80FC00).to_bytes(4, "little") + (0x400).to_bytes(4, "little")
    return bytes(data)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def check_schema(domain: Path) -> None:
    """Raises UserError with what xmllint says."""
    schema = SCHEMA / "usr/share/libvirt/schemas/domain.rng"
    locked_tool.run(SCHEMA, "xmllint", ["--noout", "--relaxng", str(schema), str(domain)])


@pytest.mark.parametrize(
    ("able", "words", "golden", "said"),
    [
        (("svm", True, "Y"), ["--firmware={firmware}"], "sev-snp", ""),
        (("svm", True, "1"), ["--firmware={firmware}", "--launch=sev-snp"], "sev-snp", ""),
        (("svm", True, "N"), [], "kvm", f"{PLAIN}this machine has no usable SEV-SNP.\n"),
        (("vmx", True, ""), [], "kvm", f"{PLAIN}this machine has no usable SEV-SNP.\n"),
        (("svm", True, "Y"), ["--launch=kvm"], "kvm", f"{PLAIN}as you wish.\n"),
        (("", False, ""), [], "emulation", f"{EMULATED}this machine has no usable KVM.\n"),
        (("svm", False, ""), [], "emulation", f"{EMULATED}this machine has no usable KVM.\n"),
        # A device alone says nothing.
        (("", True, ""), [], "emulation", f"{EMULATED}this machine has no usable KVM.\n"),
        (("svm", True, "Y"), ["--launch=emulation"], "emulation", f"{EMULATED}as you wish.\n"),
        (
            ("", False, ""),
            ["--launch=sev-snp", "--firmware={firmware}"],
            "sev-snp",
            "NOTE: this machine has no usable KVM: start it on another one.\n",
        ),
        (
            ("svm", True, ""),
            ["--launch=sev-snp", "--firmware={firmware}"],
            "sev-snp",
            "NOTE: this machine has no usable SEV-SNP: start it on another one.\n",
        ),
    ],
)
def test_launches(machine: Machine, able: tuple[str, bool, str], words: list[str], golden: str, said: str) -> None:
    machine.able(*able)
    words = [word.format(firmware=machine.firmware) for word in words]
    status, text, errors = machine.prepare(*SAMPLE, *words)
    assert (status, errors) == (0, "")
    domain = machine.out / "domain.xml"
    made = (
        domain.read_text().replace(str(machine.out), PLACE).replace(str(machine.firmware), "/machines/OVMF.amdsev.fd")
    )
    assert made == (GOLDEN / f"{golden}.xml").read_text()
    check_schema(domain)
    connect = "  virsh --connect qemu:///system"
    assert text == (
        f"{said}{machine.out} has the machine boundary-guestos ({golden}). "
        "To start it, to see its console (Ctrl-] leaves it), to end it:\n"
        f"{connect} create {domain}\n{connect} console boundary-guestos\n{connect} destroy boundary-guestos\n"
    )


def test_files_are_those_of_the_image(machine: Machine) -> None:
    status, _, errors = machine.prepare(*SAMPLE)
    assert (status, errors, sorted(os.listdir(machine.out))) == (0, "", FILES)
    for name in ("vmlinuz", "initrd.img"):
        assert (machine.out / name).read_bytes() == SYSTEM.boot_files[name]
    line = (machine.out / "cmdline").read_text()
    assert line.startswith("root=PARTUUID=1 dfinity.system=A dfinity.boot_state=stable root_hash=")
    (cmdline,) = ElementTree.parse(machine.out / "domain.xml").iter("cmdline")
    assert cmdline.text == line
    # The disk has its size, and costs what is in it.
    state = (machine.out / "disk.img").stat()
    assert state.st_size == 50 << 30
    assert state.st_blocks * 512 < 64 << 20
    place = gpt.load(LAYOUT)["A_boot"].offset
    with open(machine.out / "disk.img", "rb") as file:
        file.seek(place)
        assert file.read(SYSTEM.boot.size) == ImageReader(SYSTEM.boot, Sources({})).read(0, SYSTEM.boot.size)


def test_the_table_is_one_of_the_whole_disk(machine: Machine) -> None:
    assert machine.prepare(*SAMPLE)[0] == 0
    made = machine.out / "disk.img"
    reader = open_raw(made)
    with reader.sources:
        assert gpt.verify(reader) == []
        assert gpt.read_copy(reader, "backup").header_at == (50 << 30) // 512 - 1
    for judge, fine in (("sgdisk", "No problems found."), ("sfdisk", "No errors detected.")):
        said = subprocess.run([judge, "--verify", made], capture_output=True, text=True, check=True).stdout
        assert fine in said
        assert "Caution" not in said


def test_medium_is_that_of_the_tool(machine: Machine) -> None:
    assert machine.prepare(*SAMPLE)[0] == 0
    inputs = dict(word.removeprefix("--").split("=", 1) for word in os.environ["INPUTS"].split())
    other = machine.root / "other.img"
    subprocess.run([Path(inputs["medium_tool"]).absolute(), other, *SAMPLE], check=True)
    assert (machine.out / "bootstrap.img").read_bytes() == other.read_bytes()
    reader = open_raw(other)
    with reader.sources:
        assert fat.FatReader(reader).label() == "CONFIG"
    assert (machine.out / "bootstrap.img").stat().st_mode & 0o777 == 0o600


def test_printed_commands(machine: Machine) -> None:
    """A stand-in for virsh gets files that are there, under names as hostile as folders can have."""
    machine.out = machine.out.parent / "a & 'b' <c>"
    status, text, errors = machine.prepare(*SAMPLE, "--name=bn.1", "--connect=qemu:///session", "--bridge=br0")
    assert (status, errors) == (0, "")
    folder = machine.root / "programs"
    folder.mkdir()
    (folder / "virsh").write_text('#!/bin/sh\nprintf \'%s\\n\' "$@" --\n[ "$3" != create ] || test -f "$4"\n')
    (folder / "virsh").chmod(0o755)
    commands = "\n".join(line for line in text.splitlines() if line.startswith("  "))
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", commands], env={"PATH": str(folder)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        word
        for words in (["create", f"{machine.out}/domain.xml"], ["console", "bn.1"], ["destroy", "bn.1"])
        for word in ["--connect", "qemu:///session", *words, "--"]
    ]
    check_schema(machine.out / "domain.xml")
    domain = ElementTree.parse(machine.out / "domain.xml").getroot()
    sources = [source.get("file") for source in domain.iter("source") if source.get("file")]
    named = [*sources, *(domain.findtext(f"os/{each}") for each in ("kernel", "initrd"))]
    assert named == [f"{machine.out}/{name}" for name in ("disk.img", "bootstrap.img", "vmlinuz", "initrd.img")]
    assert all(os.path.isfile(str(name)) for name in named)
    assert [each.get("bridge") for each in domain.iter("source") if each.get("bridge")] == ["br0"]


def test_again(machine: Machine) -> None:
    """The same options make the same machine; what was there goes as a whole."""
    contents = []
    for _ in range(2):
        assert machine.prepare(*SAMPLE)[0] == 0
        contents.append({name: (machine.out / name).read_bytes() for name in FILES if name != "disk.img"})
        (machine.out / "disk.img").write_bytes(b"written to")
    assert contents[0] == contents[1]
    assert machine.left() == ["bn-virsh"]


def other_layout() -> gpt.Layout:
    """Boundary-guestOS's with config one MiB smaller."""
    layout = gpt.load(LAYOUT)
    parts = [
        gpt.Partition(
            each.number, each.name, each.start, each.size - 2048 * (each.name == "config"), each.type, each.guid
        )
        for each in layout.partitions
    ]
    return gpt.Layout(layout.disk_guid, layout.size, tuple(parts))


@pytest.mark.parametrize(
    ("able", "words", "message"),
    [
        ("", ["--image=none.tar.zst"], f"there is no image none.tar.zst {BUILD}; --image names another)"),
        (
            "",
            ["--image={folder}/other.tar.zst"],
            "{folder}/other.tar.zst is not a disk image of Boundary-guestOS: config is 409600 sectors at 411648 there; "
            f"it has 407552 at 411648 {BUILD})",
        ),
        (
            "",
            ["--image={folder}/update.tar.zst"],
            "{folder}/update.tar.zst has no member 'disk.img'",
        ),
        ("", ["--name=a b"], "--name 'a b' has other characters than letters, digits and ._-"),
        ("", ["--out=/proc/bn-virsh"], "cannot write /proc/bn-virsh: "),
        (
            "",
            ["--out={folder}/machine"],
            "{folder}/machine has something else in it, dev (hint: name another folder, or empty it)",
        ),
        ("", ["file"], "unexpected argument 'file' (hint: options are written --NAME=VALUE; --help lists them)"),
        (
            "",
            ["--memory"],
            "unexpected argument '--memory' (hint: options are written --NAME=VALUE; --help lists them)",
        ),
        ("", ["--memory=0"], "flag --memory=0: 0 is not a positive integer (hint: --help lists the flags)"),
        (
            "",
            ["--ipv6_replica_ip=::1"],
            "Unknown command line flag 'ipv6_replica_ip'. Did you mean: ipv6_replica_ips ?",
        ),
        ("", ["--hostname=two words"], "hostname 'two words'"),
        (
            "svm",
            [],
            "a launch under SEV-SNP takes firmware that measures the kernel, which Debian does not build "
            "(hint: --firmware=OVMF.fd of edk2's platform AmdSev; or --launch=kvm, without protection from this host)",
        ),
        (
            "svm",
            [f"--firmware={VM_TOOL / FIRMWARE_CODE}"],
            f"--firmware: {VM_TOOL / FIRMWARE_CODE} has no place for the hashes of a kernel "
            "(hint: build edk2's platform AmdSev)",
        ),
        ("svm", ["--firmware=none"], "--firmware: cannot read none: No such file or directory"),
    ],
)
def test_refusals(machine: Machine, able: str, words: list[str], message: str) -> None:
    """One line, and nothing is left."""
    folder = machine.out.parent
    machine.able(able, kvm=bool(able), sev="Y" if able else "")
    others = {"other": {"disk.img": disk(other_layout())}, "update": {"boot.img": SYSTEM.boot}}
    for name, members in others.items():
        (folder / f"{name}.tar.zst").write_bytes(archive(members))
    status, text, errors = machine.prepare(*(word.format(folder=folder) for word in words))
    assert (status, errors.count("\n")) == (2, 1), errors
    assert errors.startswith(f"error: {message.format(folder=folder)}")
    assert "virsh" not in text.replace("prepare-for-virsh", "")
    assert machine.left() == ["other.tar.zst", "update.tar.zst"]


def test_no_image_was_built(machine: Machine) -> None:
    (machine.root / "repository").mkdir()
    status, _, errors = machine.prepare("--image=", BUILD_WORKSPACE_DIRECTORY=str(machine.root / "repository"))
    assert (status, errors) == (
        2,
        "error: there is no image bazel-bin/ic-os/boundary-guestos/envs/dev-sev/disk-img.tar.zst "
        f"{BUILD}; --image names another)\n",
    )


def test_no_space(machine: Machine) -> None:
    """What was prepared before stays."""
    assert machine.prepare(*SAMPLE)[0] == 0
    before = (machine.out / "domain.xml").read_bytes()
    status, _, errors = machine.prepare(*SAMPLE, "--name=other", room=20 << 20)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert "File too large" in errors
    assert (machine.out / "domain.xml").read_bytes() == before
    assert machine.left() == ["bn-virsh"]
