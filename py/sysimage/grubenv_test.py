import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import grubenv
from sysimage.errors import UserError

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)


def test_golden_bytes() -> None:
    data = grubenv.make({"boot_alternative": "A", "boot_cycle": "stable"})
    text = b"# GRUB Environment Block\nboot_alternative=A\nboot_cycle=stable\n"
    assert data == text + b"#" * (1024 - len(text))


def test_backslash_and_line_feed_are_escaped_as_grub_does() -> None:
    assert b"\na=x\\\\y\\\nz\n" in grubenv.make({"a": "x\\y\nz"})


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_is_written_is_read(variables: dict[str, str]) -> None:
    data = grubenv.make(variables)
    assert len(data) == grubenv.SIZE
    assert grubenv.parse(data) == variables


def test_as_much_as_fits() -> None:
    room = grubenv.SIZE - len(grubenv.SIGNATURE) - len("a=\n")
    assert grubenv.parse(grubenv.make({"a": "x" * room})) == {"a": "x" * room}
    with pytest.raises(UserError, match=r"^the GRUB environment block would have 1025 bytes; it has room for 1024$"):
        grubenv.make({"a": "x" * (room + 1)})


@pytest.mark.parametrize("name", ["", "a=b", "a b", "a\nb", "#a", "ä"])
def test_impossible_names(name: str) -> None:
    with pytest.raises(UserError) as caught:
        grubenv.make({name: "x"})
    assert str(caught.value) == f"{name!r} is not a possible name of a GRUB variable"


BAD = {
    b"short": "a GRUB environment block has 1024 bytes; this file has 5",
    b"x" * 1024: "a GRUB environment block begins with '# GRUB Environment Block'; this file does not",
    (grubenv.SIGNATURE + b"novalue\n").ljust(1024, b"#"): "the GRUB environment block has a line b'novalue'; "
    "NAME=VALUE is expected",
    (grubenv.SIGNATURE + b"a=b").ljust(
        1024, b"x"
    ): "the GRUB environment block is cut short: its last line does not end",
}


@pytest.mark.parametrize("data", BAD)
def test_bad_blocks(data: bytes) -> None:
    with pytest.raises(UserError) as caught:
        grubenv.parse(data)
    assert str(caught.value) == BAD[data]
