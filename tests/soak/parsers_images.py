"""Readers, inspectors and verifiers of file systems, disks and maps."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from uuid import UUID

from sysimage import ext4, extents, fat, gpt, grub, grubenv, lvm, tree, verity
from sysimage.ext4 import Ext4Options, FileContexts
from sysimage.extents import ExtentMap, ImageReader, open_raw
from sysimage.gpt import EMPTY, Layout, Partition
from sysimage.inspection import format_image, look, open_image, to_json
from sysimage.lvm import metadata
from sysimage.materialise import write_raw
from sysimage.places import Content
from sysimage.tree import NodeType, Tree
from tests.soak.draw import EPOCH, Limits, pattern
from tests.soak.draw import tree as draw_tree
from tests.soak.lvm_scenarios import any_layout
from tests.soak.mutate import repair_gpt, repair_lvm
from tests.soak.parser import Parser

_GUID = UUID("0FC63DAF-8483-4772-8E79-3D69D8477DE4")
_SMALL = Limits(nodes=40, sparse=1 << 20, target_max=900)


def ext4_options(random: Random, **changes: object) -> Ext4Options:
    """Options with identities of their own, and blocks of any size."""
    fields: dict[str, object] = {
        "uuid": UUID(int=random.getrandbits(128)),
        "hash_seed": UUID(int=random.getrandbits(128)),
        "epoch": EPOCH,
        "block_size": random.choice((1024, 1024, 2048, 4096)),
    }
    return Ext4Options(**(fields | changes))  # type: ignore[arg-type]


def _raw(image: ExtentMap, random: Random, folder: Path) -> bytes:
    with pattern(random, folder) as sources:
        return ImageReader(image, sources).read(0, image.size)


def small_ext4(random: Random) -> ExtentMap:
    """A few hundred KiB with a bit of everything."""
    content = draw_tree(random, _SMALL)
    if random.random() < 0.5:
        for number in range(300):
            content.put(f"many/{number}-{'x' * (number % 20)}", tree.file(b""))
    return ext4.plan(content, ext4_options(random, inode_size=512 if random.random() < 0.3 else 256))


def small_fat(random: Random) -> ExtentMap:
    """A FAT of a few MiB."""
    content = Tree()
    for number in range(random.choice((0, 3, 40))):
        place = random.choice(("", "EFI/BOOT/", "a long directory name/and another/"))
        content.put(f"{place}{random.choice(('FILE', 'long name of file '))}{number}", tree.file(b"x" * (number * 99)))
    return fat.plan(content, fat.Options(type=random.choice((fat.FatType.FAT16, fat.FatType.FAT32)), label="SOAK"))


def small_group(random: Random, contents: Mapping[str, Content]) -> ExtentMap:
    """A physical volume whose volumes lie in any order, with gaps; extents have 128 KiB."""
    names = sorted(contents, key=lambda _: random.random())
    volumes, position = [], 0
    for number, name in enumerate(names, 3):
        position += random.choice((0, 1))
        content = contents[name]
        extents = 1 + (-(-content.size // (1 << 17)) if isinstance(content, ExtentMap) else 0)
        volumes.append(lvm.LogicalVolume(name, lvm.hyphenated(f"{number:032}"), position, extents))
        position += extents
    start = random.choice((256, 2048))
    group, here = lvm.hyphenated(f"{1:032}"), lvm.hyphenated(f"{2:032}")
    layout = lvm.Layout("soak", group, here, start + (position + 1) * 256, start, 256, EPOCH, tuple(volumes))
    return lvm.plan(layout, contents)


def small_disk(random: Random) -> ExtentMap:
    """A disk with a FAT, an ext4 with its hash tree, and nothing; half of the time the latter as logical volumes."""
    parts: dict[str, Content] = {"root": small_ext4(random), "var": EMPTY}
    if random.random() < 0.5:
        parts = {"group": small_group(random, parts)}
    parts["esp"] = small_fat(random)
    rows = []
    start = 2048
    for number, (name, content) in enumerate(parts.items(), 1):
        size = -(-content.size // (1 << 20)) * 2048 if isinstance(content, ExtentMap) else 2048
        rows.append(Partition(number, name, start, size, _GUID, UUID(int=number)))
        start += size
    return gpt.plan(Layout(UUID(int=9), start + 2048, tuple(rows)), parts)


def _ext4_sample(random: Random, folder: Path) -> bytes:
    return _raw(small_ext4(random), random, folder)


def _fat_sample(random: Random, folder: Path) -> bytes:
    return _raw(small_fat(random), random, folder)


def _disk_sample(random: Random, folder: Path) -> bytes:
    return _raw(small_disk(random), random, folder)


def _lvm_sample(random: Random, folder: Path) -> bytes:
    contents: dict[str, Content] = {f"volume-{number}": EMPTY for number in range(random.choice((0, 1, 7)))}
    contents["data"] = ExtentMap.of_bytes(random.randbytes(300))
    return _raw(small_group(random, contents), random, folder)


def _bare_gpt(random: Random, _folder: Path) -> bytes:
    count = random.choice((0, 1, 2))
    rows = tuple(
        Partition(n, f"part {n} \u2603", n * 2048, 2048, _GUID, UUID(int=n), random.getrandbits(64))
        for n in range(1, count + 1)
    )
    image = gpt.plan(Layout(UUID(int=9), 2048 * (count + 2), rows), {row.name: EMPTY for row in rows})
    data = bytearray(image.size)
    for extent in image.extents:
        assert isinstance(extent.source, bytes)
        data[extent.offset : extent.end] = extent.source
    return bytes(data)


def _verity_sample(random: Random, folder: Path) -> bytes:
    image = ExtentMap.of_bytes(random.randbytes(random.choice((1, 4096, 5000, 600_000))))
    with pattern(random, folder) as sources:
        planned = verity.plan(image, sources, random.randbytes(random.choice((0, 32, 256))), UUID(int=5))
        return ImageReader(planned.map, sources).read(0, planned.map.size)


def _call_ext4(path: Path) -> object:
    reader = open_raw(path)
    findings = ext4.verify(reader)
    return findings, ext4.inspect(reader), len(ext4.read(reader))


def _call_ext4_verify(path: Path) -> object:
    return ext4.verify(open_raw(path))


def _call_fat(path: Path) -> object:
    reader = open_raw(path)
    return fat.verify(reader), fat.inspect(reader), fat.FatReader(reader).tree()


def _call_fat_verify(path: Path) -> object:
    return fat.verify(open_raw(path))


def _call_gpt(path: Path) -> object:
    reader = open_raw(path)
    return gpt.find(reader), gpt.verify(reader), gpt.inspect(reader)


def _call_lvm(path: Path) -> object:
    reader = open_raw(path)
    findings = lvm.find(reader), lvm.verify(reader), lvm.inspect(reader)
    return findings, [volume.open(reader).size for volume in lvm.read(reader).volumes]


def _call_lvm_verify(path: Path) -> object:
    return lvm.verify(open_raw(path))


def _lvm_text(random: Random, _folder: Path) -> bytes:
    return metadata.render(any_layout(random, 5))


def _lvm_layout(random: Random, _folder: Path) -> bytes:
    layout = any_layout(random, 5)
    rows = [{"name": v.name, "uuid": v.uuid, "start": v.start, "extents": v.extents} for v in layout.volumes]
    fields = ("vg", "vg_uuid", "pv_uuid", "size", "pe_start", "extent_size", "creation_time", "creation_host")
    return json.dumps({**{name: getattr(layout, name) for name in fields}, "volumes": rows}, indent=1).encode()


def _call_lvm_layout(path: Path) -> object:
    layout = lvm.load(path)
    return lvm.plan(layout, {volume.name: EMPTY for volume in layout.volumes})


def _call_verity(path: Path) -> object:
    reader = open_raw(path)
    found = None
    for offset in (4096, 8192, 602_112):
        if reader.read(offset, 6) == b"verity":
            found = verity.read_superblock(reader, offset)
            verity.inspect(reader, offset)
            verity.verify(reader, found, bytes(32))
    return found


def _call_inspection(path: Path) -> object:
    findings: list[str] = []
    with open_image(path, "", findings) as reader:
        image = look(reader, verify=True)
        return format_image(image, "image", files=3, packages=3), json.dumps(to_json(image, files=3, packages=3))


def _tree_file(random: Random, folder: Path) -> bytes:
    made = draw_tree(random, Limits(nodes=20))
    literal = [path for path, node in made.walk() for e in node.data.extents if isinstance(e.source, bytes)]
    for path in literal:
        made.change(path, content=ExtentMap.of_slice("pattern", 0, 10))
    tree.save(made, folder / "tree")
    return (folder / "tree").read_bytes()


def _call_tree(path: Path) -> object:
    loaded = tree.load(path)
    tree.save(loaded, path.with_name("again"))
    return ext4.plan(loaded, ext4_options(Random(1)))


def _map_file(random: Random, folder: Path) -> bytes:
    extents.save(small_fat(random), folder / "map", folder / "literals", "literals")
    return (folder / "map").read_bytes()


def _call_map(path: Path) -> object:
    loaded = extents.load(path)
    extents.save(loaded, path.with_name("map again"), path.with_name("literals again"), "literals")
    return loaded.mapped, loaded.sources()


def _raw_map(path: Path) -> object:
    loaded = extents.load(path)
    if loaded.size < 1 << 28:
        source = path.with_name("source")
        source.write_bytes(bytes(1 << 20))
        with extents.Sources(dict.fromkeys(loaded.sources(), source)) as sources:
            write_raw(loaded, sources, path.with_name("raw"))
    return loaded


def _layout(random: Random, _folder: Path) -> bytes:
    rows = []
    for number in range(1, random.choice((1, 3, 9)) + 1):
        row: dict[str, object] = {"name": f"p{number}", "start": 2048 * number, "size": 2048, "type": str(_GUID)}
        row["guid"] = str(UUID(int=number))
        if random.random() < 0.5:
            row |= {"number": number, "attributes": 1 << 60}
        rows.append(row)
    return json.dumps({"disk_guid": str(UUID(int=77)), "partitions": rows}, indent=1).encode()


def _call_layout(path: Path) -> object:
    layout = gpt.load(path)
    return gpt.plan(layout, {each.name: EMPTY for each in layout.partitions})


def _call_file_contexts(path: Path) -> object:
    contexts = FileContexts.load(path)
    places = ("usr/bin/x", "etc", "", "usr/lib/a/b.so", "var/log/\udcff")
    return [contexts.label(place, kind) for place in places for kind in NodeType]


_FILE_CONTEXTS = b"""# of a policy
/.*                 system_u:object_r:default_t:s0
/usr/bin(/.*)?      system_u:object_r:bin_t:s0
/usr/lib/.*\\.so     --  system_u:object_r:lib_t:s0
/var/log            -d  system_u:object_r:var_log_t:s0
/proc/.*            <<none>>
/etc/[^/]+\\.conf    --  system_u:object_r:etc_t:s0
"""

PARSERS = (
    Parser("ext4", _ext4_sample, _call_ext4, tries=25),
    Parser("ext4-verify", _ext4_sample, _call_ext4_verify, tries=25),
    Parser("fat", _fat_sample, _call_fat, tries=25),
    Parser("fat-verify", _fat_sample, _call_fat_verify, tries=25),
    Parser("gpt", _bare_gpt, _call_gpt, repair_gpt),
    Parser("lvm", _lvm_sample, _call_lvm, repair_lvm, tries=25),
    Parser("lvm-verify", _lvm_sample, _call_lvm_verify, repair_lvm, tries=25),
    Parser("lvm-text", _lvm_text, lambda path: metadata.parse(path.read_bytes()), text=True),
    Parser("lvm-layout", _lvm_layout, _call_lvm_layout, text=True),
    Parser("verity", _verity_sample, _call_verity),
    Parser("inspection", _disk_sample, _call_inspection, repair_gpt, tries=8),
    Parser("tree", _tree_file, _call_tree, text=True),
    Parser("map", _map_file, _call_map, text=True),
    Parser("map-raw", _map_file, _raw_map, text=True, tries=20),
    Parser("layout", _layout, _call_layout, text=True),
    Parser("file-contexts", lambda _random, _folder: _FILE_CONTEXTS, _call_file_contexts, text=True),
    Parser(
        "grubenv",
        lambda _random, _folder: grubenv.make({"slot": "A", "state": "stable", "odd": "a\\b\nc"}),
        lambda path: grubenv.parse(path.read_bytes()),
    ),
    Parser(
        "boot-args",
        lambda _random, _folder: grub.boot_args({"A": "root=/dev/x quiet $boot_state", "B": "a=1"}),
        lambda path: grub.parse_boot_args(path.read_bytes()),
        text=True,
    ),
)
