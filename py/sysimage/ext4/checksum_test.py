import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.ext4.checksum import crc32c, crc32c_rows
from sysimage.ext4.verify_sums import crc


def test_check_value() -> None:
    # RFC 3720, B.4, which inverts at the end.
    assert crc32c(b"123456789") ^ 0xFFFFFFFF == 0xE3069283
    assert crc32c(bytes(32)) ^ 0xFFFFFFFF == 0x8A9136AA
    assert crc32c(b"\xff" * 32) ^ 0xFFFFFFFF == 0x62A8AB43


def test_goes_on_from_a_seed() -> None:
    assert crc32c(b"6789", crc32c(b"12345")) == crc32c(b"123456789")


@given(st.integers(1, 600), st.integers(0, 12), st.integers(0, 0xFFFFFFFF), st.randoms(use_true_random=False))
def test_rows_are_what_one_by_one_gives(width: int, count: int, seed: int, random: object) -> None:
    data = random.randbytes(width * count)  # type: ignore[attr-defined]
    rows = [data[start : start + width] for start in range(0, len(data), width)]
    rows += [row[: number % width].ljust(width, b"\0") for number, row in enumerate(rows)]
    expected = [crc32c(row, seed) for row in rows]
    assert crc32c_rows(rows, seed) == expected
    assert [crc(row, seed) for row in rows] == expected


def test_rows_with_columns_of_zeros() -> None:
    rows = [bytes(100) + bytes([number]) * 3 + bytes(921) for number in range(50)]
    assert crc32c_rows(rows) == [crc32c(row) for row in rows]


def test_rows_must_have_one_length() -> None:
    with pytest.raises(ValueError, match=r"pieces of different lengths: \[2, 3\]"):
        crc32c_rows([bytes(3)] * 9 + [bytes(2)])
