import random
import struct
from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.vm import write_log
from sysimage.vm.write_log import DISCARD, FLUSH, SECTOR, Entry, Replay

# (first sector, what is written; a number: sectors without data; flags)
STEPS: list[tuple[int, bytes | int, int]] = [
    (0, b"a" * SECTOR, 0),
    (0, b"", FLUSH),
    (1, b"b" * 2 * SECTOR, 0),
    (1, b"c" * SECTOR, 0),
    (5, 2, DISCARD),
    (0, b"", FLUSH),
    (3, b"d" * SECTOR, 0),
]


def make_log(path: Path, count: int | None = None) -> Path:
    out = [struct.pack("<QQQI", write_log.MAGIC, 1, len(STEPS) if count is None else count, SECTOR)]
    out[0] = out[0].ljust(SECTOR, b"\0")
    for first, data, flags in STEPS:
        sectors = data if isinstance(data, int) else len(data) // SECTOR
        out.append(struct.pack("<QQQQ", first, sectors, flags, 0).ljust(SECTOR, b"\0"))
        out.append(b"" if isinstance(data, int) else data)
    path.write_bytes(b"".join(out))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return make_log(tmp_path / "log")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.write_bytes(b"." * 8 * SECTOR)
    return path


def letters(disk: Path) -> str:
    """One letter a sector, which must be the same throughout."""
    data = disk.read_bytes()
    sectors = [data[at : at + SECTOR] for at in range(0, len(data), SECTOR)]
    assert all(sector == sector[:1] * SECTOR for sector in sectors)
    return "".join(chr(sector[0]) for sector in sectors)


def test_entries(log: Path) -> None:
    entries = write_log.read(log)
    assert entries[:3] == [
        Entry(0, SECTOR, 0, 2 * SECTOR),
        Entry(0, 0, FLUSH, 4 * SECTOR),
        Entry(SECTOR, 2 * SECTOR, 0, 5 * SECTOR),
    ]
    assert [entry.has_data for entry in entries] == [True, False, True, True, False, False, True]
    assert entries[2].touches(2 * SECTOR, 1)
    assert not entries[2].touches(3 * SECTOR, SECTOR)
    assert not entries[2].touches(0, SECTOR)


def test_disk_after_so_many_entries(log: Path, disk: Path) -> None:
    seen = []
    with Replay(disk, log) as replay:
        for count in range(len(STEPS) + 1):
            replay.forward(count)
            seen.append(letters(disk))
        with pytest.raises(ValueError, match=r"^7 entries are on the disk already; 6 were asked for$"):
            replay.forward(6)
    assert seen == ["........", "a.......", "a.......", "abb.....", "acb.....", "acb.....", "acb.....", "acbd...."]


def test_power_cuts_lose_nothing_that_was_flushed_and_anything_else(log: Path, disk: Path) -> None:
    expected = [
        {".", "a"},
        {"a"},
        # b and c in any combination of sectors
        {"a..", "ab.", "a.b", "abb"},
        {"a..", "ab.", "a.b", "abb", "ac.", "acb"},
    ]
    with Replay(disk, log) as replay:
        assert [replay.flushed(count) for count in range(8)] == [0, 0, 2, 2, 2, 2, 6, 6]
        for count, states in enumerate(expected, 1):
            seen = set()
            for seed in range(200):
                with replay.power_cut(count, random.Random(seed)):
                    seen.add(letters(disk))
            length = max(map(len, states))
            assert seen == {state.ljust(length, ".").ljust(8, ".") for state in states}
        with replay.power_cut(6, random.Random(0)):
            assert letters(disk) == "acb....."
        assert replay.applied == 6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no log of writes: magic 0x0, version 0, sectors of 0 bytes"),
        (
            struct.pack("<QQQI", write_log.MAGIC, 1, 0, 4096),
            f"is no log of writes: magic {write_log.MAGIC:#x}, version 1, sectors of 4096 bytes",
        ),
    ],
)
def test_no_log(data: bytes, message: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(data)
    with pytest.raises(UserError) as caught:
        write_log.read(log)
    assert str(caught.value) == f"{log} {message}"


def test_log_that_is_cut_short(tmp_path: Path) -> None:
    log = make_log(tmp_path / "log", len(STEPS) + 1)
    with pytest.raises(UserError, match=r"is cut short: entry 7 of 8 is missing$"):
        write_log.read(log)
    log.write_bytes(make_log(tmp_path / "log").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"is cut short: entry 6 of 7 has not all its data$"):
        write_log.read(log)
