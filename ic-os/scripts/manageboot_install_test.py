"""manageboot.sh upgrade-install and upgrade-commit: what they write, what they refuse, what an interruption leaves."""

import os
import random
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from fake_machine import MIB, PARTITIONS, SECONDS, FakeMachine, Result
from manageboot_images import System, archive, raw, with_link
from sysimage import grubenv
from sysimage.extents import ExtentMap

SCRIPT = Path(os.environ["MANAGEBOOT"]).absolute()
STABLE = {slot: grubenv.make({"boot_alternative": slot, "boot_cycle": "stable"}) for slot in "AB"}
OTHER = {"A": "B", "B": "A"}
LUKS_HEADERS = 16 * MIB
ROOTS = {
    "guestos": {slot: f"PARTUUID={guids[1]}" for slot, guids in PARTITIONS.items()},
    "hostos": {slot: f"/dev/hostlvm/{slot}_root" for slot in "AB"},
}
INCOMPLETE = "slot B is not installed completely: its boot partition is no sound ext4 filesystem"
DAMAGED = "the archive is damaged, or none: "


@dataclass(frozen=True, slots=True)
class Node:
    """A machine with two slots, of which one runs."""

    machine: FakeMachine
    system: str
    slot: str
    running: dict[str, Path]
    target: dict[str, Path]

    def manageboot(self, *words: str, stdin: bytes = b"") -> Result:
        return self.machine.run([SCRIPT, self.system, *words], stdin)

    def install(self, data: bytes) -> Result:
        """From standard input; whatever comes of it, the running slot and the state stay as they are."""
        before = [self.running[part].read_bytes() for part in self.running]
        result = self.manageboot("upgrade-install", "-", stdin=data)
        assert [self.running[part].read_bytes() for part in self.running] == before
        assert self.machine.grubenv.read_bytes() == STABLE[self.slot]
        assert self.machine.asked() == []
        return result

    def commit_is_refused(self, message: str) -> None:
        assert self.manageboot("upgrade-commit") == Result(2, "", f"manageboot: {message}\n")
        assert self.machine.grubenv.read_bytes() == STABLE[self.slot]
        assert self.machine.asked() == []


def node_in(folder: Path, system: str = "guestos", slot: str = "A") -> Node:
    machine = FakeMachine(folder / "machine", f"dfinity.system={slot} dfinity.boot_state=stable")
    machine.grubenv.write_bytes(STABLE[slot])
    running, target = (machine.make_partitions(system, each) for each in (slot, OTHER[slot]))
    return Node(machine, system, slot, running, target)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return node_in(tmp_path)


@pytest.fixture(scope="module")
def release() -> System:
    return System("1.2.3", ROOTS["guestos"])


@pytest.mark.parametrize("slot", ["A", "B"])
@pytest.mark.parametrize("system", ["guestos", "hostos"])
def test_install_and_commit(system: str, slot: str, tmp_path: Path) -> None:
    release, node = System("1.2.3-test", ROOTS[system]), node_in(tmp_path, system, slot)
    target = OTHER[slot]
    update = tmp_path / "update.tar.zst"
    update.write_bytes(archive(release.members()))
    result = node.manageboot("upgrade-install", str(update))
    assert result == Result(
        0,
        f"manageboot: installing version 1.2.3-test into slot {target}\n"
        f"manageboot: version 1.2.3-test is in slot {target}; upgrade-commit starts it\n",
        "",
    )
    # Holes are zeros: the partitions were full of other bytes, and behind the images they still are.
    for part, image in (("boot", release.boot), ("root", release.root)):
        expected = raw(image, tmp_path / part)
        assert node.target[part].read_bytes()[: len(expected)] == expected
        assert node.target[part].read_bytes()[-1:] == b"\xa5"
    var = node.target["var"].read_bytes()
    assert var == bytes(LUKS_HEADERS) + b"\xa5" * (len(var) - LUKS_HEADERS)
    assert node.machine.grubenv.read_bytes() == STABLE[slot]

    before = node.machine.contents()
    result = node.manageboot("upgrade-commit")
    consequence = f"unless it confirms, the boot after it is slot {slot} again"
    said = f"manageboot: rebooting into slot {target}, version 1.2.3-test; {consequence}\n"
    assert result == Result(0, said, "")
    assert node.machine.contents() == before
    assert grubenv.parse(node.machine.grubenv.read_bytes()) == {"boot_alternative": target, "boot_cycle": "first_boot"}
    assert node.machine.asked() == ["systemctl reboot"]


@pytest.mark.parametrize("sparse", [True, False])
def test_streamed(sparse: bool, node: Node, release: System, tmp_path: Path) -> None:
    assert node.install(archive(release.members(), sparse)).status == 0
    expected = raw(release.root, tmp_path / "root")
    assert node.target["root"].read_bytes()[: len(expected)] == expected


def refused(node: Node, data: bytes, message: str, begun: bool = False) -> None:
    """The archive is refused with one line, and commit refuses what there is of it."""
    said = "manageboot: installing version 1.2.3 into slot B\n" if begun else ""
    assert node.install(data) == Result(2, said, f"manageboot: {message}\n")
    if not begun:
        assert set(node.target["root"].read_bytes()) == set(node.target["var"].read_bytes()) == {0xA5}
    node.commit_is_refused(INCOMPLETE)


def test_what_is_no_archive(node: Node, release: System) -> None:
    refused(node, b"", DAMAGED + "unexpected end of file")
    refused(node, b"not an archive", DAMAGED + "unsupported format")


Change = Callable[[System], dict[str, ExtentMap]]


def changed(**members: ExtentMap) -> Change:
    return lambda release: release.members() | {name.replace("_", "."): data for name, data in members.items()}


def with_boot(**files: bytes) -> Change:
    """Other files in the boot partition; an empty one is left out."""

    def change(release: System) -> dict[str, ExtentMap]:
        other = System(release.version, release.roots)
        other.boot_files |= {name.replace("_img", ".img").replace("_txt", ".txt"): data for name, data in files.items()}
        other.boot_files = {name: data for name, data in other.boot_files.items() if data}
        return release.members() | {"boot.img": other.boot}

    return change


def with_arguments(**words: str) -> Change:
    def change(release: System) -> dict[str, ExtentMap]:
        line = release.boot_args(**{name.replace("_dot_", "."): word for name, word in words.items()})
        return with_boot(boot_args=line)(release)

    return change


def order(*names: str) -> Change:
    return lambda release: {name: release.members()[name] for name in names}


WHERE = "is it an update-img.tar.zst?"
UNVERIFIABLE = "boot.img does not say how its root is verified"
FOREIGN: dict[str, tuple[Change, str]] = {
    "other order": (
        order("root.img", "boot.img", "VERSION.TXT"),
        f"the archive has 'root.img' where boot.img is expected; {WHERE}",
    ),
    "a disk": (
        lambda _: {"disk.img": ExtentMap(64 * MIB)},
        f"the archive has 'disk.img' where boot.img is expected; {WHERE}",
    ),
    "a path": (
        lambda release: {"./boot.img": release.boot},
        f"the archive has './boot.img' where boot.img is expected; {WHERE}",
    ),
    "no filesystem": (changed(boot_img=ExtentMap(MIB)), "boot.img is no sound ext4 filesystem"),
    "large boot": (
        changed(boot_img=ExtentMap(8 * MIB + 4096)),
        "boot.img has 8392704 bytes; there is room for 8388608",
    ),
    "no kernel": (with_boot(vmlinuz=b""), "boot.img has no vmlinuz"),
    "no initrd": (with_boot(initrd_img=b""), "boot.img has no initrd.img"),
    "no version": (with_boot(version_txt=b""), "boot.img has no version.txt"),
    "no arguments": (with_boot(boot_args=b""), "boot.img has no boot_args"),
    "empty arguments": (
        with_boot(boot_args=b"#\n"),
        f"boot.img is for another system: its root in slot B is '', not '{ROOTS['guestos']['B']}'",
    ),
    "host": (
        lambda _: System("1.2.3", ROOTS["hostos"]).members(),
        f"boot.img is for another system: its root in slot B is '/dev/hostlvm/B_root', not '{ROOTS['guestos']['B']}'",
    ),
    "no hash": (with_arguments(root_hash=""), UNVERIFIABLE),
    "no salt": (with_arguments(verity_dot_salt=""), UNVERIFIABLE),
    "no blocks": (with_arguments(verity_dot_data_blocks=""), UNVERIFIABLE),
    "blocks": (with_arguments(verity_dot_data_blocks="1a"), UNVERIFIABLE),
    "tree": (with_arguments(verity_dot_hash_start="x"), UNVERIFIABLE),
    "twice": (with_arguments(root_hash="00 root_hash=11"), UNVERIFIABLE),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_archive_that_is_refused_before_anything_is_written(case: str, node: Node, release: System) -> None:
    change, message = FOREIGN[case]
    refused(node, archive(change(release)), message)
    assert set(node.target["boot"].read_bytes()) == {0xA5}


def test_name_of_two_lines(node: Node, release: System) -> None:
    """The name must not pass for a header and the beginning of the content."""
    result = node.install(archive({"boot.img\n0 root.img": release.boot}))
    assert (result.status, result.output) == (2, "")
    assert result.errors == "manageboot: boot.img is no sound ext4 filesystem\n"


MISFIT = "the root of slot B does not fit the root hash in its boot partition"
LATE: dict[str, tuple[Change, str]] = {
    "no root": (order("boot.img", "VERSION.TXT"), f"the archive has 'VERSION.TXT' where root.img is expected; {WHERE}"),
    "no version": (order("boot.img", "root.img"), DAMAGED + "it ends where VERSION.TXT is expected"),
    "one more": (
        lambda release: {**release.members(), "more.img": ExtentMap(MIB)},
        "the archive has 'more.img' where its end is expected",
    ),
    "large root": (
        changed(root_img=ExtentMap(16 * MIB + 4096)),
        "root.img has 16781312 bytes; there is room for 16777216",
    ),
    "large version": (changed(VERSION_TXT=ExtentMap(8192)), "VERSION.TXT has 8192 bytes; there is room for 4096"),
    "other version": (
        changed(VERSION_TXT=ExtentMap.of_bytes(b"1.2.4\n")),
        "VERSION.TXT says '1.2.4', and version.txt in boot.img '1.2.3'",
    ),
    "other root": (lambda release: release.members() | {"root.img": System("1.2.2", release.roots).root}, MISFIT),
    "root cut": (lambda release: release.members() | {"root.img": release.root.slice(0, 4 * MIB)}, MISFIT),
    "other hash": (with_arguments(root_hash="00" * 32), MISFIT),
}


@pytest.mark.parametrize("case", LATE)
def test_archive_that_is_refused_before_the_slot_is_complete(case: str, node: Node, release: System) -> None:
    change, message = LATE[case]
    refused(node, archive(change(release)), message, begun=True)


def test_link_at_the_end(node: Node, release: System) -> None:
    """tar hands no links on, so they are found in its list."""
    data = with_link(archive(release.members()), "passwd")
    message = (
        "the archive has the members boot.img root.img VERSION.TXT passwd; boot.img root.img VERSION.TXT are expected"
    )
    refused(node, data, message, begun=True)


def test_flipped_byte_in_the_root(node: Node, release: System) -> None:
    """Its archive is sound: the hash tree finds it."""
    root = bytearray(raw(release.root, node.machine.folder / "root.img"))
    root[2 * MIB] ^= 1
    data = archive(release.members() | {"root.img": ExtentMap.of_bytes(bytes(root))})
    refused(node, data, MISFIT, begun=True)


@pytest.mark.parametrize("seed", range(12))
def test_archive_that_is_cut_or_damaged_anywhere(seed: int, node: Node, release: System) -> None:
    draw = random.Random(seed)
    whole = archive(release.members())
    place = draw.randrange(1, len(whole) - 1)
    data = whole[:place] if seed % 2 else whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
    result = node.install(data)
    assert result.status == 2
    assert result.errors.count("\n") == 1
    assert result.errors.startswith("manageboot: ")
    node.commit_is_refused(INCOMPLETE)


def test_something_behind_the_archive(node: Node, release: System) -> None:
    refused(node, archive(release.members()) + b"garbage", DAMAGED + "unsupported format", begun=True)


def test_commit_without_an_install(node: Node) -> None:
    node.commit_is_refused(INCOMPLETE)


def test_commit_looks_once_more(node: Node, release: System) -> None:
    """What was sound when it was installed may be no longer."""
    assert node.install(archive(release.members())).status == 0
    with node.target["root"].open("r+b") as root:
        root.seek(2 * MIB)
        old = root.read(1)
        root.seek(2 * MIB)
        root.write(bytes([old[0] ^ 1]))
    node.commit_is_refused(MISFIT)


@pytest.mark.parametrize("part", ["root", "var", "boot"])
def test_partition_that_is_in_use(part: str, node: Node, release: System) -> None:
    """The kernel refuses it to wipefs; nothing is written then."""
    in_use = node.target[part].name
    node.machine.stand_in("wipefs", f'for last; do :; done; [ "${{last##*/}}" != {in_use} ]')
    before = node.machine.contents()
    place = f"/dev/disk/by-partuuid/{in_use}"
    assert node.install(archive(release.members())) == Result(
        2, "manageboot: installing version 1.2.3 into slot B\n", f"manageboot: {place} is in use\n"
    )
    assert node.machine.contents() == before


def test_partitions_of_two_disks(node: Node, release: System) -> None:
    name = node.target["root"].name
    (node.machine.folder / "disk-of" / name).write_text("sda\n")
    before = node.machine.contents()
    message = "the partitions of slot B lie on different disks (vda, sda); remove the one that is not this system's"
    assert node.install(archive(release.members())) == Result(2, "", f"manageboot: {message}\n")
    node.commit_is_refused(message)
    assert node.machine.contents() == before


def test_partition_that_is_missing(node: Node, release: System) -> None:
    node.target["var"].unlink()
    message = f"slot B has no /dev/disk/by-partuuid/{node.target['var'].name}"
    assert node.install(archive(release.members())) == Result(2, "", f"manageboot: {message}\n")


def test_disk_that_does_not_keep_the_boot_partition(node: Node, release: System) -> None:
    node.machine.stand_in("cmp", "exit 1")
    place = f"/dev/disk/by-partuuid/{node.target['boot'].name}"
    refused(node, archive(release.members()), f"{place} does not hold what was written to it", begun=True)


def test_reboot_that_fails(node: Node, release: System) -> None:
    assert node.install(archive(release.members())).status == 0
    node.machine.stand_in("systemctl", "exit 1")
    result = node.manageboot("upgrade-commit")
    assert (result.status, result.errors) == (
        2,
        "manageboot: the upgrade is committed, but systemctl cannot reboot\n",
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_install_that_is_killed_leaves_a_slot_that_commit_refuses(
    number: signal.Signals, node: Node, release: System
) -> None:
    """Half of the archive has come when the whole process group goes; the next install succeeds."""
    whole = archive(release.members())
    command = node.machine.command(SCRIPT, "guestos", "upgrade-install", "-")
    with subprocess.Popen(
        command, env=node.machine.environment(), stdin=-1, stdout=-1, start_new_session=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(whole[: len(whole) // 2])
        process.stdin.flush()
        assert process.stdout.readline() == b"manageboot: installing version 1.2.3 into slot B\n"
        os.killpg(process.pid, number)
        process.stdin.close()
        process.wait(SECONDS)
    # What was the script's may take a moment longer: it holds the lock.
    subprocess.run(["flock", node.machine.folder / "run" / "manageboot.lock", "true"], check=True, timeout=SECONDS)
    for left in (node.machine.folder / "run").glob("manageboot.??????"):
        # SIGKILL leaves it; it lies in memory and goes with the next boot.
        assert number == signal.SIGKILL
        subprocess.run(["rm", "-r", left], check=True)
    node.commit_is_refused(INCOMPLETE)
    assert node.install(whole).status == 0
