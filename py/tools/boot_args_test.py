import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sysimage import grub
from sysimage.errors import UserError
from tools import boot_args

PARAMETERS: dict[str, Any] = {
    "root_hash": "ab" * 32,
    "salt": "cd" * 16,
    "algorithm": "sha256",
    "data_block_size": 4096,
    "hash_block_size": 4096,
    "data_blocks": 100,
    "hash_start": 101,
}


def test_words() -> None:
    assert boot_args.verity_words(PARAMETERS) == [
        f"root_hash={'ab' * 32}",
        "verity.data_blocks=100",
        "verity.hash_start=101",
        f"verity.salt={'cd' * 16}",
    ]
    assert boot_args.verity_words(PARAMETERS | {"salt": ""})[-1] == "verity.salt=-"


BAD: dict[str, dict[str, Any]] = {
    "the initrd opens verity devices with sha256, not sha512": {"algorithm": "sha512"},
    "the initrd opens verity devices with blocks of 4096 bytes, not 1024": {"hash_block_size": 1024},
}


@pytest.mark.parametrize("message", BAD)
def test_what_the_initrd_cannot_open(message: str) -> None:
    with pytest.raises(UserError) as caught:
        boot_args.verity_words(PARAMETERS | BAD[message])
    assert str(caught.value) == message


def test_missing_parameter() -> None:
    with pytest.raises(UserError, match=r"^the verity parameters have no 'algorithm'$"):
        boot_args.verity_words({})


def test_every_slot_gets_the_words() -> None:
    found = boot_args.command_lines(["A=root=/dev/vda5", "B=root=/dev/vda8"], ["x=1", "y"])
    assert found == {"A": "root=/dev/vda5 x=1 y", "B": "root=/dev/vda8 x=1 y"}
    assert boot_args.command_lines(["A="], []) == {"A": ""}


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        (["A"], "--slot 'A' is not of the form SLOT=COMMAND LINE"),
        (["A=x", "A=y"], "--slot 'A=y': slot A has a command line already"),
    ],
)
def test_bad_slots(slots: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        boot_args.command_lines(slots, [])
    assert str(caught.value) == message


def test_the_program_writes_what_grub_reads(tmp_path: Path) -> None:
    (tmp_path / "verity.json").write_text(json.dumps(PARAMETERS))
    # What this process can import, the program can import.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [f"--verity={tmp_path}/verity.json", f"--out={tmp_path}/boot_args", "--slot=A=root=/dev/vda5 s=$boot_state"]
    subprocess.run([sys.executable, "-m", "tools.boot_args", *words], env=environment, check=True)
    line = " ".join(["root=/dev/vda5 s=$boot_state", *boot_args.verity_words(PARAMETERS)])
    assert grub.parse_boot_args((tmp_path / "boot_args").read_bytes()) == {"A": line}
