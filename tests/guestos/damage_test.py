"""A damaged image never boots: not to a login, not to a shell.

All that the tests know about the image they read from the image: partitions, command lines, hash tree.
"""

import re
from pathlib import Path

import pytest

from sysimage.vm import disks
from tests.guestos.guest import boot
from tests.vm.system import BOOT_SECONDS, COMMAND_SECONDS, Image, filesystem, place_in

pytest_plugins = ["tests.guestos.guest"]

BLOCK = 4096
CORRUPTED = "Kernel panic - not syncing: dm-verity device corrupted"


def never_boots(disk: Path, scratch: Path, name: str) -> str:
    """Boots a damaged disk; the kernel must stop for the damage, before any login. Returns what it said."""
    with boot(disk, scratch, name, writable=False, cpus=2) as guest:
        guest.console.fatal = None  # the panic is what is wanted
        found = guest.console.expect([re.escape(CORRUPTED), "login: "], BOOT_SECONDS)
        assert found[0] == CORRUPTED, guest.console.tail()
        return guest.console.text


def test_flipped_byte_in_the_root_data_stops_the_boot(image: Image, copy: Path, tmp_path: Path) -> None:
    at = place_in(copy, "A_root", "sbin/init")
    disks.flip_byte(copy, at)
    block = (at - image.root_offset) // BLOCK
    assert re.search(rf"verity: \S+: data block {block} is corrupted", never_boots(copy, tmp_path, "damaged-data"))


def test_flipped_byte_in_the_hash_tree_stops_the_boot(image: Image, copy: Path, tmp_path: Path) -> None:
    """In the hash of the first block of init, at the lowest level of the tree."""
    data_block = (place_in(copy, "A_root", "sbin/init") - image.root_offset) // BLOCK
    data_blocks, hash_start = int(image.parameter("verity.data_blocks")), int(image.parameter("verity.hash_start"))
    per_block = BLOCK // 32
    levels = [-(-data_blocks // per_block)]  # blocks of each level, lowest first; on disk the highest comes first
    while levels[-1] > 1:
        levels.append(-(-levels[-1] // per_block))
    leaf = hash_start + sum(levels[1:]) + data_block // per_block
    disks.flip_byte(copy, image.root_offset + leaf * BLOCK + data_block % per_block * 32)
    text = never_boots(copy, tmp_path, "damaged-tree")
    assert re.search(rf"verity: \S+: metadata block {leaf} is corrupted", text)


def test_wrong_root_hash_stops_the_boot(image: Image, copy: Path, tmp_path: Path) -> None:
    """One digit of it, in the command line of the slot."""
    root_hash = image.parameter("root_hash")
    start = place_in(copy, "A_boot", "boot_args")
    content, view = filesystem(copy, "A_boot")
    with view.sources as sources:
        position = content.read("boot_args", sources).index(root_hash.encode()) + 20
    old = root_hash[20]
    disks.overwrite(copy, start + position, b"0" if old != "0" else b"1")
    text = never_boots(copy, tmp_path, "wrong-root-hash")
    assert re.search(r"verity: \S+: metadata block \d+ is corrupted", text)


@pytest.mark.parametrize("word", ["root_hash", "verity.data_blocks"])
def test_command_line_without_a_parameter_stops_the_boot(word: str, copy: Path, tmp_path: Path) -> None:
    """The initrd says what is missing, and the kernel panics: there is no shell, and no way on."""
    start = place_in(copy, "A_boot", "boot_args")
    content, view = filesystem(copy, "A_boot")
    with view.sources as sources:
        position = content.read("boot_args", sources).index(f" {word}=".encode()) + 1
    disks.overwrite(copy, start + position, b"x")
    with boot(copy, tmp_path, f"without-{word}", writable=False, cpus=2) as guest:
        guest.console.fatal = None
        found = guest.console.expect([rf"initrd: STOPPED: .*{re.escape(word)}=", "login: "], BOOT_SECONDS)
        assert found[0] != "login: "
        guest.console.expect("Kernel panic - not syncing: Attempted to kill init!", COMMAND_SECONDS)
