import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.errors import UserError
from sysimage.ext4.directory import Entry, build, hash_words, name_hash
from sysimage.ext4.verify_sums import directory_hash

SEED = bytes(15) + b"\x4d"
WORDS = hash_words(SEED)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # As debugfs's dx_hash -h half_md4 prints them; ASCII, so signed and unsigned are the same.
        (b"a", 0xBAE85D6A),
        (b"hello", 0x6BEBA82A),
        (b"a-very-long-name-that-is-longer-than-32-bytes.txt", 0xF4A9DFA6),
        (b"exactly-thirty-two-bytes-of-name", 0xAD8582DE),
        (b"thirty-three-bytes-of-name-here!!", 0x62CB6D1C),
    ],
)
def test_hash_with_a_seed(name: bytes, expected: int) -> None:
    assert name_hash(WORDS, name) == expected
    assert directory_hash(name, list(WORDS), 1, unsigned=False) == expected


def test_hash_without_a_seed() -> None:
    assert name_hash(hash_words(bytes(16)), b"thirty-three-bytes-of-name-here!!") == 0xA1BBE058


@given(st.binary(min_size=1, max_size=255), st.binary(min_size=16, max_size=16))
def test_hash_is_what_the_verifier_computes(name: bytes, seed: bytes) -> None:
    words = [int.from_bytes(seed[at : at + 4], "little") for at in range(0, 16, 4)]
    assert name_hash(hash_words(seed), name) == directory_hash(name, words, 1, unsigned=True)


def test_linear_until_one_block_is_full() -> None:
    # 4096 less 12 for the checksum and 24 for the dots leaves 4060 bytes: 253 entries of 16 and one of 12.
    entries = [Entry(b"name%02d" % number if number < 100 else b"nam%03d" % number, 12, 1) for number in range(253)]
    full = [*entries, Entry(b"x" * 4, 12, 1)]
    assert len(build(2, 2, full, WORDS, 4096).blocks) == 1
    larger = build(2, 2, [*full, Entry(b"x", 12, 1)], WORDS, 4096)
    assert larger.indexed
    assert len(larger.blocks) == 2  # the index holds the dots: the names still fit into one leaf
    assert len(build(2, 2, [*full, *entries[:3]], WORDS, 4096).blocks) == 3


def test_too_many_entries() -> None:
    # Blocks of 1024 bytes: 123 in the root, 126 in each inner block; a name of 255 bytes takes a quarter of a leaf.
    entries = [Entry(b"%07d" % number + b"n" * 248, 12, 1) for number in range(124 * 126 * 3 + 3)]
    with pytest.raises(UserError) as caught:
        build(2, 2, entries, WORDS, 1024)
    assert str(caught.value) == (
        "a directory with 15625 blocks of names is too large for a two-level index "
        "(hint: spread its files over several directories)"
    )
