"""What is a number, a text, JSON; and what is refused."""

from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.text import is_decimal, parse_json, read_text


@pytest.mark.parametrize("text", ["0", "007", "18446744073709551615", "9" * 20])
def test_numbers(text: str) -> None:
    assert is_decimal(text)
    int(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1\n", "1_0", "\u00b2", "\u0663", "0x1", "9" * 21, "1" * 5000])
def test_no_numbers(text: str) -> None:
    assert not is_decimal(text)


def test_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\u00fc\r\n".encode())
    assert read_text(tmp_path / "a") == "\u00fc\r\n"
    (tmp_path / "a").write_bytes(b"abc\xff")
    with pytest.raises(UserError) as caught:
        read_text(tmp_path / "a")
    assert str(caught.value) == f"{tmp_path}/a is not a text in UTF-8: byte 3 is 0xff"
    with pytest.raises(UserError) as caught:
        read_text(tmp_path / "b")
    assert str(caught.value) == f"cannot read {tmp_path}/b: No such file or directory"


@pytest.mark.parametrize("data", ["", "{", "[" * 100_000, b"\xff", '{"a":' * 100_000])
def test_no_json(data: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|Expecting|decode"):
        parse_json(data)


def test_json() -> None:
    assert parse_json(b'{"a": [1, null]}') == {"a": [1, None]}
