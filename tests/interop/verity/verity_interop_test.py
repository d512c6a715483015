"""dm-verity before its own tool: veritysetup makes the same bytes, accepts ours, and refuses what we refuse."""

import hashlib
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from sysimage import verity
from sysimage.extents import Extent, ExtentMap, FileSlice, Sources, open_raw
from sysimage.materialise import write_raw

BLOCK = 4096
IDENTITY = UUID("1736291d-aceb-42d7-b044-43ee31d86cd4")
SALT = bytes.fromhex("89bc06702975f10b41dd53e26eb9aef0adde93bc13d73e8f26b496dddefe2483")


def data(count: int) -> bytes:
    return b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(count // 32 + 1))[:count]


IMAGES = {
    "one byte": (1, []),
    "one block": (BLOCK, [(0, BLOCK)]),
    "two blocks": (2 * BLOCK, [(5, 6000)]),
    "one hash block": (128 * BLOCK, [(0, 100_000), (200_000, 300_000)]),
    "two levels": (129 * BLOCK, [(128 * BLOCK, 4)]),
    "full": (4_000_000, [(0, 4_000_000)]),
    "three levels": (20_000 * BLOCK, [(100, 3_000_000), (70_000_000, 1_234_567)]),
    "holes": (1 << 30, [(12_345, 3), (500_000_000, 1)]),
}


def plan(name: str, folder: Path, salt: bytes = SALT) -> tuple[verity.VerityImage, ExtentMap, Sources]:
    (folder / "source").write_bytes(data(4_000_000))
    size, places = IMAGES[name]
    image = ExtentMap(
        size, [Extent(at, length, FileSlice("s", 7 if length < 3_999_990 else 0)) for at, length in places]
    )
    sources = Sources({"s": folder / "source"})
    return verity.plan(image, sources, salt, IDENTITY), image, sources


def veritysetup(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["veritysetup", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("salt", [b"", SALT, bytes(range(256))], ids=["no salt", "usual salt", "longest salt"])
@pytest.mark.parametrize("name", IMAGES)
def test_the_bytes_are_veritysetups(tmp_path: Path, name: str, salt: bytes) -> None:
    planned, image, sources = plan(name, tmp_path, salt)
    write_raw(planned.map, sources, tmp_path / "ours")
    write_raw(image.resized(planned.hash_offset), sources, tmp_path / "theirs")
    result = veritysetup(
        "format",
        f"--salt={salt.hex() or '-'}",
        f"--uuid={IDENTITY}",
        f"--data-blocks={planned.data_blocks}",
        f"--hash-offset={planned.hash_offset}",
        tmp_path / "theirs",
        tmp_path / "theirs",
    )
    assert result.returncode == 0, result.stderr
    said = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in result.stdout.splitlines())
    }
    assert said["Root hash"] == planned.root_hash.hex()
    ours, theirs = open_raw(tmp_path / "ours"), open_raw(tmp_path / "theirs")
    assert ours.size == theirs.size
    for start in range(0, ours.size, 64 << 20):
        assert ours.read(start, 64 << 20) == theirs.read(start, 64 << 20), start
    superblock = verity.read_superblock(theirs, planned.hash_offset)
    assert verity.verify(theirs, superblock, planned.root_hash) == []


def accepts(image: Path, planned: verity.VerityImage, root_hash: bytes) -> bool:
    offset = f"--hash-offset={planned.hash_offset}"
    return veritysetup("verify", offset, image, image, root_hash.hex()).returncode == 0


def test_veritysetup_accepts_and_refuses_what_we_do(tmp_path: Path) -> None:
    planned, _, sources = plan("three levels", tmp_path)
    image = tmp_path / "ours"
    tree = planned.hash_start * BLOCK
    # Whole, then a flipped bit in the data, in the lowest and in the highest level of the tree; then a wrong root hash.
    for place, sound in ((None, True), (70_000_005, False), (planned.map.size - BLOCK, False), (tree + 40, False)):
        write_raw(planned.map, sources, image)
        if place is not None:
            with image.open("r+b") as raw:
                raw.seek(place)
                (byte,) = raw.read(1)
                raw.seek(place)
                raw.write(bytes([byte ^ 1]))
        superblock = verity.read_superblock(open_raw(image), planned.hash_offset)
        assert accepts(image, planned, planned.root_hash) == sound, place
        assert (verity.verify(open_raw(image), superblock, planned.root_hash) == []) == sound, place
    write_raw(planned.map, sources, image)
    assert not accepts(image, planned, bytes(32))


def test_dump_says_what_was_planned(tmp_path: Path) -> None:
    planned, _, sources = plan("full", tmp_path)
    write_raw(planned.map, sources, tmp_path / "ours")
    result = veritysetup("dump", f"--hash-offset={planned.hash_offset}", tmp_path / "ours")
    said = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in result.stdout.splitlines())
    }
    assert (said["UUID"], said["Salt"], said["Data blocks"]) == (str(IDENTITY), SALT.hex(), str(planned.data_blocks))
    assert (said["Hash type"], said["Hash algorithm"]) == ("1", "sha256")
