"""The table at the end of OVMF: made ones, good and damaged, and that of Debian's firmware."""

import os
import struct
from pathlib import Path
from uuid import UUID

import pytest

from sysimage.ovmf import measures_kernel, table

FIRMWARE = Path(os.environ["VM_TOOL"]) / "usr/share/OVMF/OVMF_CODE_4M.fd"
HASHES = UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
OTHER = UUID("00f771de-1a7e-4fcb-890e-68c77e2fb44e")
TABLE = UUID("96b582de-1fb2-45f7-baea-a366c55a082d")


def entry(guid: UUID, data: bytes = b"", length: int = -1) -> bytes:
    return data + struct.pack("<H16s", len(data) + 18 if length < 0 else length, guid.bytes_le)


def firmware(*entries: bytes, length: int = -1, guid: UUID = TABLE) -> bytes:
    content = b"".join(entries)
    return bytes(1000) + content + entry(guid, length=len(content) + 18 if length < 0 else length) + bytes(32)


def area(address: int, size: int) -> bytes:
    return entry(HASHES, struct.pack("<II", address, size))


def test_table() -> None:
    assert table(firmware(area(0x80FC00, 0x400), entry(OTHER, b"x"))) == {
        HASHES: struct.pack("<II", 0x80FC00, 0x400),
        OTHER: b"x",
    }


@pytest.mark.parametrize(
    ("image", "measures"),
    [
        (firmware(area(0x80FC00, 0x400)), True),
        (firmware(area(0, 0x400)), False),
        (firmware(area(0x80FC00, 0)), False),
        (firmware(entry(HASHES, b"short")), False),
        (firmware(entry(OTHER, bytes(8))), False),
        (firmware(), False),
        (firmware(area(1, 1), guid=OTHER), False),
        (firmware(area(1, 1), length=5000), False),
        (firmware(area(1, 1), length=30), False),
        (firmware(entry(HASHES, struct.pack("<II", 1, 1), length=0)), False),
        (b"", False),
        (bytes(40), False),
    ],
)
def test_measures_kernel(image: bytes, measures: bool) -> None:
    assert measures_kernel(image) is measures


def test_firmware_of_debian_has_a_table_and_measures_nothing() -> None:
    data = FIRMWARE.read_bytes()
    assert HASHES in table(data)
    assert not measures_kernel(data)
