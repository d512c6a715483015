"""Images on their way: archives as image_archive makes them, on devices that are files full of something else."""

import io
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from make_believe import MakeBelieve
from setupos import transfer
from setupos.archive import Image, read_end, read_head
from setupos.failure import Failure
from sysimage import sparse_tar
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.sparse_tar import Member

KIB = 1 << 10
MIB = 1 << 20
NONE = Sources({})
ARCHIVE = "/data/host-os.img.tar.zst"
DEVICE = "/dev/nvme0n1"
NOTHING = range(0)


def count(_: int) -> None:
    pass


def image(size: int, *pieces: tuple[int, bytes]) -> ExtentMap:
    return ExtentMap(size, [Extent(at, len(data), data) for at, data in pieces])


def tar(content: ExtentMap, name: str = "disk.img", sparse: bool = True) -> bytes:
    out = io.BytesIO()
    sparse_tar.write([Member(name, content, sparse=sparse)], NONE, out)
    return out.getvalue()


def machine_with(folder: Path, data: bytes, device_size: int) -> MakeBelieve:
    machine = MakeBelieve(folder)
    subprocess.run(["zstd", "-q", "-f", "-o", machine.put(ARCHIVE, b"")], input=data, check=True)
    machine.put(DEVICE, b"\xa5" * device_size)
    return machine


def install(machine: MakeBelieve, withhold: range = NOTHING) -> tuple[Image, transfer.Written]:
    with machine.unpacked(ARCHIVE) as stream:
        found = read_head(stream, ARCHIVE)
    transfer.clear(machine, DEVICE, found)
    written = transfer.write(machine, ARCHIVE, DEVICE, found, withhold, count)
    transfer.read_back(machine, DEVICE, found, withhold, written, count)
    return found, written


@st.composite
def contents(draw: st.DrawFn) -> ExtentMap:
    blocks = sorted(draw(st.sets(st.integers(0, 300), max_size=40)))
    size = 301 * 32 * KIB + draw(st.integers(0, 60)) * 4 * KIB
    return image(size, *((block * 32 * KIB, draw(st.binary(min_size=1, max_size=90))) for block in blocks))


@settings(max_examples=25, deadline=None)
@given(content=contents(), sparse=st.booleans(), withheld=st.integers(0, 300))
def test_device_is_the_image(
    tmp_path_factory: pytest.TempPathFactory, content: ExtentMap, sparse: bool, withheld: int
) -> None:
    machine = machine_with(tmp_path_factory.mktemp("machine"), tar(content, sparse=sparse), content.size + MIB)
    withhold = range(withheld * 32 * KIB, withheld * 32 * KIB + 4096)
    plain = ImageReader(content, NONE).read(0, content.size)
    _, written = install(machine, withhold)
    got = machine.path(DEVICE).read_bytes()
    expected = bytearray(plain)
    expected[withhold.start : withhold.stop] = bytes(4096)
    assert got[: content.size] == expected
    assert got[content.size :] == b"\xa5" * MIB
    transfer.put_withheld(machine, DEVICE, withhold, written)
    assert machine.path(DEVICE).read_bytes()[: content.size] == plain


def test_large_holes_are_cleared_at_their_edges(tmp_path: Path) -> None:
    size = 3 << 30
    machine = machine_with(tmp_path, tar(image(size, (0, b"x"), (size - 4096, b"y"))), 0)
    os.truncate(machine.path(DEVICE), size)
    _, written = install(machine)
    assert [line for line in machine.ran if line.startswith("fallocate")] == [
        f"fallocate --punch-hole --offset 4096 --length {16 * MIB} {DEVICE}",
        f"fallocate --punch-hole --offset {size - 4096 - 16 * MIB} --length {16 * MIB} {DEVICE}",
    ]
    assert written.withheld == b""


def test_a_disk_that_cannot_clear_itself_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_with(tmp_path, tar(image(MIB, (0, b"x"))), MIB)
    plain = machine.run

    def run(*words: str | Path, **options: object) -> object:
        return plain("false") if "--punch-hole" in words else plain(*words)

    machine.answers["false"] = type(plain("true"))(1, "", "Operation not supported")
    monkeypatch.setattr(machine, "run", run)
    install(machine)
    assert machine.path(DEVICE).read_bytes() == b"x" + bytes(MIB - 1)


def damage(data: bytes, at: int, new: bytes) -> bytes:
    """Changes bytes of the header, and sets its checksum right."""
    changed = bytearray(data)
    changed[at : at + len(new)] = new
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


SAMPLE = tar(image(3 * MIB, *((n * 68 * KIB, b"%d" % n) for n in range(30))))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is cut off"),
        (SAMPLE[:700], "is cut off"),
        (bytes(1024), "is not the archive of a disk image"),
        (SAMPLE[:5] + b"X" + SAMPLE[6:], "is not the archive of a disk image"),
        (tar(image(MIB, (0, b"x")), name="boot.img"), "begins with another file than disk.img"),
        (damage(SAMPLE, 156, b"5"), "has no ordinary file disk.img"),
        (damage(SAMPLE, 124, b"00000000777"), "says two different sizes of what is stored"),
        (damage(SAMPLE, 483, b"00000000000"), "says an impossible size of the disk"),
        (damage(SAMPLE, 483, b"\x80" + b"\xff" * 11), "says an impossible size of the disk"),
        (damage(SAMPLE, 483, b"00000010000"), "has a map of its pieces that overlaps itself, or leaves the disk"),
        (damage(SAMPLE, 386, b"77777777777"), "has a map of its pieces that overlaps itself, or leaves the disk"),
        (damage(SAMPLE, 410, b"00000000000"), "has a map of its pieces that overlaps itself, or leaves the disk"),
        (damage(SAMPLE, 398, b"zzzzzzzzzzz"), "has a map of its pieces that overlaps itself, or leaves the disk"),
    ],
)
def test_hostile_archives(data: bytes, said: str) -> None:
    with pytest.raises(Failure) as caught:
        read_head(io.BytesIO(data), ARCHIVE)
    assert str(caught.value) == f"{ARCHIVE} {said}; write the stick anew"


def test_more_files_are_refused() -> None:
    out = io.BytesIO()
    sparse_tar.write([Member("disk.img", image(0)), Member("other", image(0))], NONE, out)
    stream = io.BytesIO(out.getvalue()[512:])
    with pytest.raises(Failure, match=r"does not end behind disk.img; write the stick anew$"):
        read_end(stream, ARCHIVE)


def test_archive_that_is_cut_off(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, SAMPLE[:-12000], 3 * MIB)
    with pytest.raises(Failure) as caught:
        install(machine)
    assert str(caught.value) == f"{ARCHIVE} is cut off; write the stick anew"


def test_damaged_compression(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, SAMPLE, 3 * MIB)
    machine.put(ARCHIVE, b"no zstd at all")
    with pytest.raises(Failure, match=r"is cut off|cannot be unpacked"):
        install(machine)


def test_archive_that_changed(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, SAMPLE, 3 * MIB)
    with pytest.raises(Failure) as caught:
        transfer.write(machine, ARCHIVE, DEVICE, Image(5, ()), NOTHING, count)
    assert str(caught.value) == f"{ARCHIVE} has changed since it was checked; the stick is broken, use another"


def test_disk_that_forgets(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, SAMPLE, 3 * MIB)
    found, written = install(machine)
    with open(machine.path(DEVICE), "r+b") as file:
        file.seek(68 * KIB)
        file.write(b"!")
    with pytest.raises(Failure) as caught:
        transfer.read_back(machine, DEVICE, found, NOTHING, written, count)
    assert str(caught.value) == f"{DEVICE} gives back other bytes than were written to it; replace this disk"
    os.truncate(machine.path(DEVICE), MIB + 64 * KIB)
    with pytest.raises(Failure, match=rf"^{DEVICE} ends at byte 1114112; replace this disk$"):
        transfer.read_back(machine, DEVICE, found, NOTHING, written, count)


def test_disk_that_is_gone(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, SAMPLE, 3 * MIB)
    machine.path(DEVICE).unlink()
    with pytest.raises(
        Failure, match=r"^/dev/nvme0n1 cannot be opened \(No such file or directory\); look at this disk$"
    ):
        transfer.write(machine, ARCHIVE, DEVICE, Image(5, ()), NOTHING, count)
