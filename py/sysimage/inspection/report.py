"""An image in words: strips of disk and volume groups to scale, a table of volumes, and what was asked for besides."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sysimage.debian.control import parse_paragraphs
from sysimage.errors import UserError
from sysimage.inspection.look import Image, Volume

WIDTH = 110  # columns of the strip
_BAR = 20  # columns of the bar of a volume's fill
_STATUS = "var/lib/dpkg/status"


def size_text(size: int) -> str:
    """A size in the unit that suits it."""
    value = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def strip(volumes: Sequence[Volume], marked: Collection[str] = ()) -> str:
    """The volumes side by side, as wide as they are large, but never narrower than their names; some marked with #."""
    if not volumes:
        return ""
    names = [volume.short_name for volume in volumes]
    widths = [len(name) + 2 for name in names]
    spare = max(WIDTH - sum(widths) - len(volumes) - 1, 0)
    total = sum(volume.length for volume in volumes) or 1
    widths = [width + spare * volume.length // total for width, volume in zip(widths, volumes, strict=True)]
    edge = "+" + "+".join("-" * width for width in widths) + "+"
    middle = "|" + "|".join(name.center(width) for width, name in zip(widths, names, strict=True)) + "|"
    row = [("#" if volume.name in marked else " ") * width for width, volume in zip(widths, volumes, strict=True)]
    marks = f"|{'|'.join(row)}|\n" if marked else ""
    return f"{edge}\n{middle}\n{marks}{edge}\n"


def _bar(used: int, capacity: int) -> str:
    filled = -(-_BAR * used // capacity)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {100 * used / capacity:5.1f} %"


def _rows(image: Image) -> Iterator[tuple[str, ...]]:
    yield "name", "at", "size", "stored", "content", "fill"
    for volume in image.volumes:
        content = f'{volume.content} "{volume.label}"' if volume.label else volume.content
        if volume.verity is not None:
            content += " + verity"
        fill = ""
        if volume.capacity:
            fill = f"{_bar(volume.used, volume.capacity)} of {size_text(volume.capacity)}"
        sizes = (size_text(each) for each in (volume.offset, volume.length, volume.stored))
        yield volume.name, *sizes, content, fill


def _table(rows: Sequence[tuple[str, ...]], right: frozenset[int]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def largest_files(volume: Volume, count: int) -> list[tuple[str, int]]:
    """Paths and sizes of the largest files, the largest first."""
    if volume.tree is None:
        return []
    files = [(path, node.size) for path, node in volume.tree.walk() if node.content is not None]
    return sorted(files, key=lambda item: (-item[1], item[0]))[:count]


def largest_packages(image: Image, volume: Volume, count: int) -> list[tuple[str, str, int]]:
    """Name, version and installed size in bytes of the largest packages, the largest first.

    Taken from dpkg's database; a volume without one has none.
    """
    if volume.tree is None or _STATUS not in volume.tree:
        return []
    text = image.read(f"{volume.name}:{_STATUS}").decode("utf-8", "replace")
    packages = []
    try:
        for fields in parse_paragraphs(text):
            if fields.get("Status", "").endswith(" installed"):
                # Installed-Size is in KiB.
                size = int(fields.get("Installed-Size", "0")) << 10
                packages.append((fields.get("Package", "?"), fields.get("Version", "?"), size))
    except ValueError as error:
        raise UserError(f"/{_STATUS} of volume {volume.name!r} is not a package database: {error}") from error
    return sorted(packages, key=lambda item: (-item[2], item[0]))[:count]


def format_image(image: Image, name: str, shown: Sequence[str] = (), files: int = 0, packages: int = 0) -> str:
    """The image in words.

    Args:
        image: what was found.
        name: how to call it.
        shown: text files to print, each VOLUME:PATH, where VOLUME may be PARTITION/VOLUME.
        files: how many of each volume's largest files to list.
        packages: how many of each volume's largest packages to list.

    Raises:
        UserError: a file to show does not exist.
    """
    lines = [f"{name}: {size_text(image.reader.size)}, {size_text(image.reader.map.mapped)} of them stored"]
    if image.table is not None:
        lines.append(f"GUID partition table {image.table['disk_guid']} ({image.table['copy']} copy)")
    lines += ["", *strip(image.held()).splitlines()]
    for volume in image.held():
        if held := image.held(volume.name):
            lines += ["", f"{volume.name}:", *strip(held).splitlines()]
    lines.append("")
    lines += _table(list(_rows(image)), frozenset((1, 2, 3)))
    for volume in image.held():
        if image.held(volume.name):
            lines += ["", *_group_lines(volume)]
    for volume in image.volumes:
        if volume.verity is not None:
            lines += ["", *_verity_lines(image, volume, shown)]
    for place in shown:
        text = image.read(place).decode("utf-8", "backslashreplace").rstrip("\n")
        lines += ["", f"{place}:", *(f"  {line}" for line in text.split("\n"))]
    for volume in image.volumes:
        if files and (found := largest_files(volume, files)):
            lines += ["", f"{volume.name}: largest files"]
            lines += _table([(f"  {size_text(size)}", f"/{path}") for path, size in found], frozenset((0,)))
        if packages and (listed := largest_packages(image, volume, packages)):
            lines += ["", f"{volume.name}: largest packages"]
            lines += _table(
                [(f"  {size_text(size)}", package, version) for package, version, size in listed], frozenset((0,))
            )
    findings = image.all_findings()
    if findings:
        lines += ["", "Findings:", *(f"  {finding}" for finding in findings)]
    return "\n".join(lines) + "\n"


def _group_lines(volume: Volume) -> Iterator[str]:
    fields = volume.details
    yield f'{volume.name}: LVM volume group "{fields["vg"]}"'
    yield f"  UUID       {fields['uuid']}, of the physical volume {fields['pv_uuid']}"
    size = size_text(fields["extent_bytes"])
    yield f"  extents    {fields['extents']} of {size}, the first at byte {fields['pe_start']}"
    yield f"  seqno      {fields['seqno']}"


def _verity_lines(image: Image, volume: Volume, shown: Sequence[str]) -> Iterator[str]:
    assert volume.verity is not None
    fields = volume.verity
    yield f"{volume.name}: dm-verity"
    named = [place for place in shown if fields["root_hash"].encode() in image.read(place)]
    where = f" (named in {', '.join(named)})" if named else ""
    yield f"  root hash  {fields['root_hash']}{where}"
    yield f"  salt       {fields['salt'] or '-'}"
    yield f"  UUID       {fields['uuid']}"
    yield f"  data       {fields['data_blocks']} blocks, the tree from block {fields['hash_start']}"
    yield f"  superblock at byte {fields['hash_offset']}, the tree ends at byte {fields['end']}"


def to_json(image: Image, shown: Sequence[str] = (), files: int = 0, packages: int = 0) -> dict[str, Any]:
    """The same as data for JSON; sizes in bytes. Arguments and errors as `format_image`."""
    return {
        "size": image.reader.size,
        "stored": image.reader.map.mapped,
        "table": image.table,
        "volumes": [_volume_json(image, volume, files, packages) for volume in image.volumes],
        "files": {place: image.read(place).decode("utf-8", "backslashreplace") for place in shown},
        "findings": image.all_findings(),
    }


def _volume_json(image: Image, volume: Volume, files: int, packages: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": volume.name,
        "holder": volume.holder,
        "offset": volume.offset,
        "length": volume.length,
        "stored": volume.stored,
        "content": volume.content,
        "label": volume.label,
        "used": volume.used,
        "capacity": volume.capacity,
        "details": dict(volume.details),
        "verity": volume.verity,
    }
    if files:
        row["largest_files"] = [{"path": f"/{path}", "size": size} for path, size in largest_files(volume, files)]
    if packages:
        row["largest_packages"] = [
            {"name": package, "version": version, "size": size}
            for package, version, size in largest_packages(image, volume, packages)
        ]
    return row
