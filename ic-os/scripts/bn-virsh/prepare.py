"""Makes what libvirt starts a Boundary-guestOS from, out of its disk image, and prints the commands for virsh.

  prepare --image=disk-img.tar.zst --out=FOLDER [--OPTION=VALUE ...]

The folder gets disk.img, vmlinuz, initrd.img and cmdline of slot A, bootstrap.img and domain.xml, all or nothing. Other
options than those below are for the bootstrap medium.
"""

import hashlib
import os
import re
import stat
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from xml.sax.saxutils import escape

from absl import flags

from sysimage import boot_files, gpt, ovmf
from sysimage.errors import UserError
from sysimage.extents import ImageReader, open_raw
from sysimage.files import atomic_folder
from sysimage.folders import read_file
from sysimage.vm import disks
from sysimage.vm.qemu import SLOW_FEATURES, processor_virtualizes
from tools.main import EXIT_USER_ERROR, refuse_arguments, run

DISK = "disk.img"
MEDIUM = "bootstrap.img"
DOMAIN = "domain.xml"
FILES = (MEDIUM, "cmdline", DISK, DOMAIN, "initrd.img", "vmlinuz")
DEFAULT_IMAGE = "bazel-bin/ic-os/boundary-guestos/envs/dev-sev/disk-img.tar.zst"
BUILD = "bazel build //ic-os/boundary-guestos/envs/dev-sev/..."
SEV_SNP, KVM, EMULATION = "sev-snp", "kvm", "emulation"
FIRMWARE_MAX = 64 << 20

_IMAGE = flags.DEFINE_string("image", None, f"disk-img.tar.zst of a variant; left out: {DEFAULT_IMAGE}.")
_OUT = flags.DEFINE_string("out", None, "Folder to make; one that this made before is replaced.", required=True)
_LAUNCH = flags.DEFINE_enum(
    "launch", None, [SEV_SNP, KVM, EMULATION], "How the machine runs; left out: the best that this machine can."
)
_FIRMWARE = flags.DEFINE_string("firmware", None, "OVMF of edk2's platform AmdSev, for a launch under SEV-SNP.")
_NAME = flags.DEFINE_string("name", "boundary-guestos", "What libvirt calls the machine.")
_MEMORY = flags.DEFINE_integer("memory", 4, "Memory in GiB.", lower_bound=1)
_CPUS = flags.DEFINE_integer("cpus", 4, "Processors.", lower_bound=1)
_DISK = flags.DEFINE_integer(
    "disk_gib", 50, "Size of the disk in GiB; the image is made as large with a hole, and its table for it."
)
_BRIDGE = flags.DEFINE_string("bridge", "", "Bridge of this machine that it is on; left out: QEMU's own network.")
_CONNECT = flags.DEFINE_string("connect", "qemu:///system", "Which libvirt the printed commands talk to.")
# Of the target, and of tests.
_LAYOUT = flags.DEFINE_string("layout", None, "Partitions that the image must have.", required=True)
_TEMPLATE = flags.DEFINE_string("template", None, "Description of the machine, to be filled.", required=True)
_FILLER = flags.DEFINE_string("filler", None, "The awk program that fills it.", required=True)
_MEDIUM_TOOL = flags.DEFINE_string("medium_tool", None, "The program that makes a bootstrap medium.", required=True)
_MACHINE = flags.DEFINE_string("machine", "/", "Root of the machine that is looked at for what it can.")

_WORD = re.compile(r"--([a-z0-9_]+)=.*", re.DOTALL)
_MACHINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NAMESPACE = uuid.UUID("2b110bb7-cdec-7d41-b97e-893edcbe5428")  # the GUID of the disk
_GIB = 1 << 30


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Command line words for this program, and those for the medium.

    Raises:
        UserError: a word is no option with its value.
    """
    ours: list[str] = []
    medium: list[str] = []
    for word in words:
        option = _WORD.fullmatch(word)
        if option is None:
            raise UserError(f"unexpected argument {word!r}", hint="options are written --NAME=VALUE; --help lists them")
        (ours if option[1] in flags.FLAGS else medium).append(word)
    return ours, medium


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return False


def able(machine: Path) -> str:
    """The best launch that a machine can."""
    if not _is_device(machine / "dev/kvm") or not processor_virtualizes(machine):
        return EMULATION
    parameter = machine / "sys/module/kvm_amd/parameters/sev_snp"
    if _is_device(machine / "dev/sev") and parameter.is_file() and parameter.read_text().strip() in ("1", "Y"):
        return SEV_SNP
    return KVM


def choose(asked: str | None, best: str) -> str:
    """The launch, which is announced where it is not what one would wish for."""
    order = (EMULATION, KVM, SEV_SNP)
    launch = asked or best
    if order.index(launch) > order.index(best):
        print(f"NOTE: this machine has no usable {'KVM' if best == EMULATION else 'SEV-SNP'}: start it on another one.")
    elif launch == KVM:
        why = "as you wish" if best != KVM else "this machine has no usable SEV-SNP"
        print(f"NOTE: a plain launch, NOT PROTECTED from this host: {why}.")
    elif launch == EMULATION:
        why = "as you wish" if best != EMULATION else "this machine has no usable KVM"
        print(f"NOTE: the machine is EMULATED, and many times slower than it should be: {why}.")
    return launch


def check_firmware(launch: str, path: str | None) -> str:
    """The absolute path of firmware that measures what it loads; empty where none is wanted.

    Raises:
        UserError: it is missing, or is another.
    """
    if launch != SEV_SNP:
        return ""
    if path is None:
        raise UserError(
            "a launch under SEV-SNP takes firmware that measures the kernel, which Debian does not build",
            hint="--firmware=OVMF.fd of edk2's platform AmdSev; or --launch=kvm, without protection from this host",
        )
    if not ovmf.measures_kernel(read_file("--firmware", path, FIRMWARE_MAX)):
        raise UserError(
            f"--firmware: {path} has no place for the hashes of a kernel", hint="build edk2's platform AmdSev"
        )
    return str(Path(path).absolute())


def check_layout(image: str, disk: ImageReader, layout: gpt.Layout) -> None:
    """That an image has the partitions of the system.

    Raises:
        UserError: it has others.
    """
    found = {each.name: (each.first, each.last + 1 - each.first) for each in gpt.read(disk).partitions}
    for wanted in layout.partitions:
        if found.get(wanted.name) != (wanted.start, wanted.size):
            where = "it has none" if wanted.name not in found else "it has {1} at {0}".format(*found[wanted.name])
            raise UserError(
                f"{image} is not a disk image of Boundary-guestOS: {wanted.name} is {wanted.size} sectors at "
                f"{wanted.start} there; {where}",
                hint=f"{BUILD} makes one",
            )


def make_medium(target: Path, options: Sequence[str]) -> None:
    """Has the bootstrap medium made. What is wrong with the options is said by the program that makes it."""
    # It is a program of Bazel's, and finds its own modules.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([os.path.abspath(_MEDIUM_TOOL.value), target, *options], env=environment, check=False)
    if done.returncode:
        sys.exit(EXIT_USER_ERROR)
    target.chmod(0o600)  # it may have a private key; libvirt hands it to QEMU


def fill(values: Mapping[str, str]) -> str:
    """The description of the machine, of the template that HostOS has for its guest."""
    lines = "\n".join(f"{name}={value}" for name, value in values.items())
    return subprocess.run(
        ["awk", "-f", _FILLER.value, _TEMPLATE.value],
        env={**os.environ, "LC_ALL": "C", "VALUES": lines},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode("utf-8", "surrogateescape")


def describe(name: str, folder: Path, launch: str, firmware: str, command_line: str) -> dict[str, str]:
    """Values for the template. The same machine has the same identity whenever it is made."""
    emulated = launch == EMULATION
    mac = hashlib.sha256(name.encode()).digest()
    values = {
        "TYPE": "qemu" if emulated else "kvm",
        "NAME": name,
        "UUID": str(uuid.uuid5(_NAMESPACE, f"bn-virsh/{name}")),
        "MEMORY": str(_MEMORY.value),
        "VCPUS": str(_CPUS.value),
        "CPU": "maximum" if emulated else "host-passthrough",
        "FOLDER": str(folder),
        "MAC": f"52:54:00:{mac[0]:02x}:{mac[1]:02x}:{mac[2]:02x}",
        "BRIDGE": _BRIDGE.value,
        "SEV_FIRMWARE": firmware,
        "COMMAND_LINE": command_line,
    }
    escaped = {key: escape(value, {"'": "&apos;"}) for key, value in values.items()}
    slow = "".join(f"<feature policy='disable' name='{each}'/>" for each in SLOW_FEATURES)
    return {**escaped, "CPU_FEATURES": slow if emulated else ""}


def find_image(given: str | None) -> str:
    """The image that is to be taken, wherever Bazel started this program.

    Raises:
        UserError: it is not there.
    """
    image = given or DEFAULT_IMAGE
    start = os.environ.get("BUILD_WORKING_DIRECTORY" if given else "BUILD_WORKSPACE_DIRECTORY", "")
    if not Path(start, image).is_file():
        raise UserError(f"there is no image {image}", hint=f"{BUILD} makes one; --image names another")
    return os.path.join(start, image)


def main(argv: Sequence[str]) -> None:
    """Makes the folder and prints the commands."""
    refuse_arguments(argv)
    out = Path(_OUT.value)
    image = find_image(_IMAGE.value)
    if not _MACHINE_NAME.fullmatch(_NAME.value):
        raise UserError(f"--name {_NAME.value!r} has other characters than letters, digits and ._-")
    if not str(out).isprintable():
        raise UserError(f"--out {str(out)!r} has characters that cannot be printed")
    launch = choose(_LAUNCH.value, able(Path(_MACHINE.value)))
    firmware = check_firmware(launch, _FIRMWARE.value)
    with atomic_folder(out, FILES) as made:
        make_medium(made / MEDIUM, MEDIUM_OPTIONS)
        disk = disks.unpack(image, made, size=_DISK.value * _GIB)
        reader = open_raw(disk)
        with reader.sources:
            check_layout(image, reader, gpt.load(_LAYOUT.value))
            for offset, data in gpt.expand(reader):
                disks.overwrite(disk, offset, data)
            files = boot_files.read(reader, "A_boot", "A", {"boot_state": "stable"})
        (made / "vmlinuz").write_bytes(files.kernel)
        (made / "initrd.img").write_bytes(files.initrd)
        (made / "cmdline").write_text(files.command_line)
        values = describe(_NAME.value, out, launch, firmware, files.command_line)
        (made / DOMAIN).write_text(fill(values), errors="surrogateescape")
    print(
        f"{out} has the machine {_NAME.value} ({launch}). "
        "To start it, to see its console (Ctrl-] leaves it), to end it:"
    )
    virsh = f"  virsh --connect {_CONNECT.value}"
    print(f"{virsh} create {quote(str(out / DOMAIN))}\n{virsh} console {_NAME.value}\n{virsh} destroy {_NAME.value}")


MEDIUM_OPTIONS: list[str] = []

if __name__ == "__main__":
    words = sys.argv[1:]
    if not {"--help", "--helpfull"} & {*words}:
        try:
            words, MEDIUM_OPTIONS = split(words)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(EXIT_USER_ERROR)
    sys.argv[1:] = words
    run(main)
