"""What becomes of the host's command line, with the one that the host is known to make."""

from pathlib import Path
from typing import Final

import pytest

from tests.hostos.guest.beside import KEPT, LEFT_OUT, Option, Parts, parse, translate

GOLDEN: Final = Path("tests/hostos/guest/golden").absolute()
# Neither has a space within a word.
HOST: Final = (GOLDEN / "emulated-small.qemu").read_text().split()
BESIDE: Final = (GOLDEN / "beside.qemu").read_text().split()
PARTS: Final = Parts(
    tool=Path("/tool"),
    firmware=Path("/parts/code.fd"),
    card_rom=Path("/parts/card.rom"),
    variables=Path("/parts/variables.fd"),
    medium=Path("/parts/medium.img"),
    disk=Path("/parts/disk.img"),
    offset=1 << 20,
    size=1 << 30,
    cable=9,
)


def test_golden() -> None:
    assert translate(HOST, PARTS) == BESIDE


def test_no_option_is_in_two_tables() -> None:
    tables = [KEPT, LEFT_OUT, PARTS.changes().keys()]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))


def test_what_is_kept_is_kept_to_the_letter() -> None:
    before = {option.key: option for option in parse(HOST[1:])}
    after = {option.key: option for option in parse(BESIDE)}
    assert {key: after[key] for key in KEPT} == {key: before[key] for key in KEPT}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            [*HOST, "-device", '{"driver":"virtio-balloon-pci","id":"balloon0"}'],
            "options that no table names: ['-device balloon0']; options that are named and not there: []",
        ),
        (
            [word for word in HOST if word != "-no-shutdown"],
            "options that no table names: []; options that are named and not there: ['-no-shutdown']",
        ),
        (
            [*HOST, "-snapshot"],
            "options that no table names: ['-snapshot']; options that are named and not there: []",
        ),
        (
            [*HOST, "disk.img"],
            "'disk.img' is the value of no option",
        ),
    ],
)
def test_refusals(words: list[str], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        translate(words, PARTS)
    assert str(caught.value) == message


def test_keys() -> None:
    keys = {
        "-S": Option("-S"),
        "-m": Option("-m", "size=2097152k"),
        "-chardev charserial0": Option("-chardev", "pty,id=charserial0,logappend=on"),
        "-blockdev a": Option("-blockdev", '{"driver":"raw","node-name":"a"}'),
        "-device b": Option("-device", '{"driver":"x","id":"b"}'),
    }
    assert {option.key: option for option in keys.values()} == keys
