"""Small disks with a boot loader, made by our own writers, for tests that only ask what GRUB does.

A boot partition here has a file for a kernel that is none: GRUB has chosen, saved and told all that
is asked for before it finds out.
"""

from pathlib import Path
from uuid import UUID

from sysimage import fat, gpt, grub, grubenv, lvm, tree
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ExtentMap, Sources, open_raw
from sysimage.materialise import write_raw
from sysimage.tree import Tree
from sysimage.vm.testing import path

MIB = 2048  # sectors
EPOCH = 1754697600
EFI_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
PARTITIONS = ("esp", "grub", "config", "A_boot", "A_root", "A_var", "B_boot", "B_root", "B_var")
GROUP = "hostlvm"
VOLUMES = ("config", "A_boot", "A_root", "B_boot")
EXTENT = 256  # sectors
EXTENTS = 8  # of each volume


def guid(number: int) -> str:
    """A GUID of our own."""
    return str(UUID(int=(0xB007 << 112) + number))


def layout(names: tuple[str, ...]) -> gpt.Layout:
    """A disk with partitions of these names, in this order; no larger than need be."""
    partitions, start = [], MIB
    for number, name in enumerate(names, 1):
        size = 32 * MIB if name in ("esp", "grub", GROUP) else MIB
        kind = EFI_TYPE if name == "esp" else LINUX_TYPE
        partitions.append(gpt.Partition(number, name, start, size, UUID(kind), UUID(guid(number))))
        start += size
    return gpt.Layout(UUID(guid(0)), start + MIB, tuple(partitions))


def fat_of(files: dict[str, bytes]) -> ExtentMap:
    """A FAT with these files."""
    content = Tree()
    for name, data in files.items():
        content.put(name, tree.file(data, mtime=EPOCH * tree.NANOSECONDS))
    return fat.plan(content, fat.Options(size=32 << 20))


def boot_partition(name: str) -> ExtentMap:
    """What GRUB finds in a boot partition; its command lines say which one it is."""
    content = Tree()
    lines = {slot: f"partition={name} slot={slot} state=$boot_state" for slot in "AB"}
    content.put("boot_args", tree.file(grub.boot_args(lines)))
    content.put("vmlinuz", tree.file(b"not a kernel"))
    return plan_ext4(content, Ext4Options(UUID(guid(100)), UUID(guid(101)), EPOCH, size=1 << 20))


def volume_uuid(number: int) -> str:
    """A UUID as LVM has them."""
    return lvm.hyphenated(f"{number:032}")


def volume_group() -> ExtentMap:
    """A physical volume with the volumes of a host, which lie in it in another order than that of their names."""
    volumes = tuple(
        lvm.LogicalVolume(name, volume_uuid(number), (len(VOLUMES) - number) * EXTENTS, EXTENTS)
        for number, name in enumerate(VOLUMES, 1)
    )
    contents: dict[str, ExtentMap | lvm.Empty] = dict.fromkeys(VOLUMES, lvm.EMPTY)
    contents |= {name: boot_partition(name) for name in VOLUMES if name.endswith("boot")}
    group = lvm.Layout(GROUP, volume_uuid(100), volume_uuid(101), 32 * MIB, MIB, EXTENT, EPOCH, volumes)
    return lvm.plan(group, contents)


def make_disk(target: Path, environment: bytes, names: tuple[str, ...] = PARTITIONS, slots: str = "guestos") -> Path:
    """Writes a disk with boot loader and environment block, all else empty."""
    bootloader = path("GRUB_CONFIG").parent
    contents: dict[str, ExtentMap | gpt.Empty] = dict.fromkeys(names, gpt.EMPTY)
    contents["esp"] = fat_of({"EFI/BOOT/BOOTX64.EFI": path("GRUB").read_bytes()})
    contents["grub"] = fat_of(
        {
            "grub.cfg": (bootloader / "grub.cfg").read_bytes(),
            "slots.cfg": (bootloader / f"slots/{slots}.cfg").read_bytes(),
            "grubenv": environment,
        }
    )
    for name in names:
        if name.endswith("boot"):
            contents[name] = boot_partition(name)
        elif name == GROUP:
            contents[name] = volume_group()
    write_raw(gpt.plan(layout(names), contents), Sources({}), target)
    return target


def read_environment(disk: Path) -> dict[str, str]:
    """The state of the boot loader, as it lies on a disk."""
    reader = open_raw(disk)
    with reader.sources as sources:
        volume = fat.FatReader(gpt.open_partition(reader, "grub"))
        return grubenv.parse(volume.tree().read("grubenv", sources))
