"""Judges an archive: whole, and as reproducible as it should be. Shares only the format's constants."""

from typing import BinaryIO

from sysimage.sparse_tar import format as tar
from sysimage.sparse_tar.format import BLOCK, RECORD

_MAX_BLOCKS = 1 << 16  # extension blocks of one member; more are taken for damage


def verify(file: BinaryIO) -> list[str]:
    """What is wrong with an archive that can be sought in; nothing if it is all right.

    Checked: checksums, magic, owner 0:0 without names, sparse maps (in order, without overlap, in
    whole blocks, up to the real size), padding of zeros, the end (two zero blocks, whole records).
    """
    size = file.seek(0, 2)
    findings = []
    if size % RECORD:
        findings.append(f"the archive has {size} bytes, not whole records of {RECORD}")
    position = 0
    names: set[bytes] = set()
    while True:
        file.seek(position)
        header = file.read(BLOCK)
        if len(header) < BLOCK:
            return [*findings, "the tar archive is cut off"]
        if not any(header):
            break
        name = header[:100].rstrip(b"\0")
        what = name.decode("utf-8", "replace")
        if name in names:
            findings.append(f"{what}: there are several members with this name")
        names.add(name)
        findings += [f"{what}: {finding}" for finding in _check_header(header)]
        end = _check_data(file, header, position, findings, what)
        if end is None or end > size:
            return [*findings, f"{what}: its data cannot be followed, or is cut off"]
        position = end
    file.seek(position)
    tail = file.read(2 * RECORD)
    if len(tail) < 2 * BLOCK or any(tail) or len(tail) > RECORD + BLOCK:
        findings.append("the end is not two zero blocks and zeros up to a whole record")
    return findings


def _check_header(header: bytes) -> list[str]:
    findings = []
    fields = tar.HEADER.unpack(header)
    _, mode, uid, gid, _, _, checksum, kind, link, magic, user, group, major, minor, *rest = fields
    blanked = bytearray(header)
    blanked[tar.CHECKSUM] = b" " * 8
    if checksum != b"%06o\0 " % sum(blanked):
        findings.append("wrong checksum")
    if kind not in (tar.TYPE_FILE, tar.TYPE_SPARSE):
        findings.append(f"type is {kind!r}")
    if magic != tar.MAGIC:
        findings.append(f"magic is {magic!r}")
    if uid != b"0000000\0" or gid != b"0000000\0" or any(user) or any(group):
        findings.append(f"belongs to {uid!r} ({user.rstrip(bytes(1))!r}), {gid!r} ({group.rstrip(bytes(1))!r})")
    if any(link) or any(major) or any(minor) or any(rest[0]) or any(rest[1]) or any(rest[2]) or any(rest[3]):
        findings.append("has a link name, device numbers, times or an offset")
    if not mode.startswith(b"0000"):
        findings.append(f"mode is {mode!r}")
    return findings


def _check_data(file: BinaryIO, header: bytes, position: int, findings: list[str], what: str) -> int | None:
    """Where the member ends in the archive; None if its sparse map is damaged."""
    fields = tar.HEADER.unpack(header)
    stored = _value(fields[4])
    if fields[7] != tar.TYPE_SPARSE:
        return _check_padding(file, position + BLOCK, stored, findings, what)
    real_size = _value(fields[20])
    cells, more = fields[18], fields[19]
    position += BLOCK
    blocks = 0
    while more:
        extension = file.read(BLOCK)
        blocks += 1
        if len(extension) < BLOCK or blocks > _MAX_BLOCKS:
            return None
        entries, more = tar.EXTENSION.unpack(extension)
        cells += entries
        position += BLOCK
    used = [(_value(cells[n : n + 12]), _value(cells[n + 12 : n + 24])) for n in range(0, len(cells.rstrip(b"\0")), 24)]
    end = total = 0
    for offset, length in used:
        if offset < end or (offset % BLOCK and length):
            findings.append(f"{what}: the segment at {offset} overlaps another or does not begin at a block")
        if length % BLOCK and offset + length != real_size:
            findings.append(f"{what}: the segment at {offset} has {length} bytes, not whole blocks")
        end = offset + length
        total += length
    if end != real_size or total != stored:
        findings.append(f"{what}: {total} bytes up to {end} are mapped, the header says {stored} up to {real_size}")
    return _check_padding(file, position, stored, findings, what)


def _check_padding(file: BinaryIO, start: int, length: int, findings: list[str], what: str) -> int:
    end = start + length
    if end > file.seek(0, 2):
        return end  # the caller says that it is cut off
    file.seek(end)
    if any(file.read(-length % BLOCK)):
        findings.append(f"{what}: the padding is not zeros")
    return end + -length % BLOCK


def _value(field: bytes) -> int:
    if field[0] == tar.BASE_256:
        return int.from_bytes(field[1:], "big")
    text = field.rstrip(b" \0")
    return int(text, 8) if text and not text.strip(b"01234567") else 0
