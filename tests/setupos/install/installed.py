"""What an installation leaves on the disks: byte for byte what the images have, whole filesystems, one volume group."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from sysimage import ext4, gpt, grub, lvm, verity, volumes
from sysimage.extents import Extent, ExtentMap, FileSlice, ImageReader, Sources, open_raw
from sysimage.materialise import write_raw
from tests.guestos.guest import GUESTOS
from tests.hostos.host import CONFIG, HOSTOS
from tests.vm.system import System, filesystem, region

_PIECE = 1 << 20
_GROWN = re.compile(r"partition 3: sectors 411648 to \d+ are not whole MiB")
_BLOCK = 4096
_GPT = 34 * 512  # bytes of a partition table, at the beginning; as many at the end
_DESCRIPTION = 1 << 20  # bytes of a physical volume before its first extent


def _physical_volumes(disks: Sequence[Path]) -> Iterator[tuple[int, ImageReader]]:
    """The physical volume of each disk, in the partition of HostOS or on the disk as a whole, and where it begins."""
    for number, disk in enumerate(disks):
        raw = open_raw(disk)
        keyed = ExtentMap(
            raw.size,
            (Extent(each.offset, each.length, FileSlice(f"disk{number}", each.offset)) for each in raw.map.extents),
        )
        reader = ImageReader(keyed, Sources({f"disk{number}": disk}))
        if gpt.find(reader):
            entry = gpt.read(reader)[HOSTOS.group]
            yield entry.offset, ImageReader(keyed.slice(entry.offset, entry.length), reader.sources)
        else:
            yield 0, reader


def check_group(disks: Sequence[Path]) -> lvm.VolumeGroup:
    """All disks are physical volumes of one group, and all of them is in volumes; the group as the first has it."""
    groups = []
    for _, volume in _physical_volumes(disks):
        with volume.sources:
            assert lvm.verify(volume) == []
            groups.append(lvm.read(volume))
    first = groups[0]
    assert {(group.name, group.uuid, group.seqno) for group in groups} == {(HOSTOS.group, first.uuid, first.seqno)}
    assert sorted(first.physical_volumes.values()) == sorted(group.pv_uuid for group in groups)
    assert {volume.name for volume in first.volumes} == {
        "config",
        "guestos",
        *(f"{slot}_{kind}" for slot in "AB" for kind in ("boot", "root", "var")),
    }
    used = sum(volume.size for volume in first.volumes)
    assert used == sum(group.extents * group.extent_size for group in groups)
    return first


def open_spread(disks: Sequence[Path], name: str) -> ImageReader:
    """What lies in a volume whose pieces are on several disks; its holes are those of the disks."""
    extents: list[Extent] = []
    paths: dict[str, Path] = {}
    size = 0
    for number, (_, volume) in enumerate(_physical_volumes(disks)):
        paths[f"disk{number}"] = disks[number]
        with volume.sources:
            found = lvm.read(volume)[name]
        size = found.size
        for segment in found.segments:
            (area,) = segment.areas
            if area.offset is not None:
                piece = volume.map.slice(area.offset, segment.length)
                extents += (Extent(segment.start + each.offset, each.length, each.source) for each in piece.extents)
    return ImageReader(ExtentMap(size, extents), Sources(paths))


def take_out(disks: Sequence[Path], name: str, target: Path) -> Path:
    """Copies a volume into a file of its own, holes and all."""
    volume = open_spread(disks, name)
    with volume.sources:
        write_raw(volume.map, volume.sources, target)
    return target


def differences(image: Path, found: ImageReader, leave_out: Sequence[tuple[int, int]]) -> list[int]:
    """Where, by bytes from its beginning, the content of an image is not what was found.

    Args:
        image: the raw image. What lies where it has holes is not compared.
        found: what is to be the same.
        leave_out: offset and length of what is not compared.
    """
    wrong = []
    reader = open_raw(image)
    with reader.sources:
        for extent in reader.map.extents:
            for start in range(extent.offset, extent.end, _PIECE):
                wanted = bytearray(reader.read(start, min(_PIECE, extent.end - start)))
                there = bytearray(found.read(start, len(wanted)))
                for offset, length in leave_out:
                    cut = slice(max(offset - start, 0), max(offset + length - start, 0))
                    wanted[cut] = there[cut] = b""
                if wanted != there:
                    wrong.append(start)
    return wrong


def check_slot(system: System, disk: Path) -> None:
    """Slot A starts: a sound boot partition, and a root that is, hash for hash, the one that it asks for."""
    offset, _ = region(disk, system.volume("A_boot"))
    judge = ["e2fsck", "-f", "-n", f"{disk}?offset={offset}"]
    done = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    content, view = filesystem(disk, system.volume("A_boot"))
    with view.sources as sources:
        line = grub.parse_boot_args(content.read("boot_args", sources))["A"]
    words = dict(re.findall(r"(\S+?)=(\S+)", line))
    reader = open_raw(disk)
    with reader.sources:
        root = volumes.open_volume(reader, system.volume("A_root"))
        superblock = verity.read_superblock(root, int(words["verity.data_blocks"]) * _BLOCK)
        assert verity.verify(root, superblock, bytes.fromhex(words["root_hash"])) == []


def check_host(disks: Sequence[Path], image: Path) -> None:
    """The first disk has what the raw image of HostOS has, and nothing of what was there where it would count."""
    first = disks[0]
    with image.open("rb") as file:
        end = file.seek(0, 2)
    group = region(image, HOSTOS.group)
    leave_out = [(0, _GPT), (end - _GPT, _GPT), (group[0], _DESCRIPTION), region(image, CONFIG)]
    found = open_raw(first)
    with found.sources:
        assert differences(image, found, leave_out) == []
        # The partition that was grown ends where the disk does.
        assert [finding for finding in gpt.verify(found) if not _GROWN.fullmatch(finding)] == []
        for name in ("A_var", "B_boot", "B_root", "B_var"):
            volume = volumes.open_volume(found, HOSTOS.volume(name))
            assert not ext4.find(volume), f"{name} has a filesystem, which no image has there"
    judged = subprocess.run(["sgdisk", "--verify", first], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in judged, judged
    check_slot(HOSTOS, first)


def check_guest(disk: Path, image: Path) -> None:
    """The disk of the guest, taken out of its volume, has what the image of GuestOS has; its table fits the disk."""
    with image.open("rb") as file:
        end = file.seek(0, 2)
    found = open_raw(disk)
    with found.sources:
        assert differences(image, found, [(0, _GPT), (end - _GPT, _GPT)]) == []
        assert gpt.verify(found) == []
        assert [entry.number for entry in gpt.read(found).partitions] == list(range(1, 10))
    judged = subprocess.run(["sgdisk", "--verify", disk], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in judged, judged
    check_slot(GUESTOS, disk)


def host_files(disk: Path) -> dict[str, bytes]:
    """The files of the host's volume `config`."""
    content, view = filesystem(disk, CONFIG)
    with view.sources as sources:
        return {path: content.read(path, sources) for path, node in content.walk() if node.type.value == "file"}
