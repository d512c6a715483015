"""Checksums and hashes, written a second time for the verifier: plainly, one byte after the other.

They share no code with the writer's, so that a mistake there is not repeated here.
"""

from sysimage.ext4.layout import HASH_EOF, HASH_HALF_MD4

_MASK = 0xFFFFFFFF
_CASTAGNOLI = 0x1EDC6F41
_F_WORDS = (0, 1, 2, 3, 4, 5, 6, 7)
_G_WORDS = (1, 3, 5, 7, 0, 2, 4, 6)
_H_WORDS = (3, 7, 2, 6, 1, 5, 0, 4)
_SHIFTS = ((3, 7, 11, 19), (3, 5, 9, 13), (3, 9, 11, 15))
_CONSTANTS = (0, 0x5A827999, 0x6ED9EBA1)


def _reflected(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def _entry(byte: int) -> int:
    value = _reflected(byte, 8) << 24
    for _ in range(8):
        value = (value << 1 ^ (_CASTAGNOLI if value >> 31 else 0)) & _MASK
    return _reflected(value, 32)


_TABLE = [_entry(byte) for byte in range(256)]


def crc(data: bytes, start: int) -> int:
    """crc32c of `data`, from `start` on, not inverted."""
    for byte in data:
        start = _TABLE[start & 0xFF ^ byte] ^ start >> 8
    return start


def directory_hash(name: bytes, seed: list[int], version: int, unsigned: bool) -> int | None:
    """The hash that orders a hashed directory; None for a version other than half MD4."""
    if version != HASH_HALF_MD4:
        return None
    state = list(seed) if any(seed) else [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    while name:
        words = _words(name, unsigned)
        rounds = list(state)
        for number, order in enumerate((_F_WORDS, _G_WORDS, _H_WORDS)):
            _round(rounds, words, number, order)
        state = [(old + new) & _MASK for old, new in zip(state, rounds, strict=True)]
        name = name[32:]
    value = state[1] & ~1
    return HASH_EOF - 2 if value == HASH_EOF else value


def _round(state: list[int], words: list[int], number: int, order: tuple[int, ...]) -> None:
    """Eight steps of MD4's round `number`; the register that changes goes a, d, c, b."""
    a, b, c, d = state
    constant = _CONSTANTS[number]
    for word, shift in zip(order, _SHIFTS[number] * 2, strict=True):
        if number == 0:
            a += b & c | ~b & d
        elif number == 1:
            a += b & c | b & d | c & d
        else:
            a += b ^ c ^ d
        total = a + words[word] + constant & _MASK
        a, b, c, d = d, (total << shift | total >> 32 - shift) & _MASK, b, c
    state[:] = a, b, c, d


def _words(name: bytes, unsigned: bool) -> list[int]:
    """str2hashbuf: eight words of the name's first 32 bytes, filled up with its length."""
    pad = len(name) | len(name) << 8
    pad = (pad | pad << 16) & _MASK
    words = []
    part = name[:32]
    for start in range(0, 32, 4):
        value = pad
        for byte in part[start : start + 4]:
            signed = byte if unsigned or byte < 128 else byte - 256
            value = (signed + (value << 8)) & _MASK
        words.append(value)
    return words


def xattr_hashes(name: bytes, value: bytes) -> tuple[int, int]:
    """e_hash with the name's bytes as unsigned, and as signed: kernels have written both."""
    results = []
    for limit in (256, 128):
        total = 0
        for byte in name:
            total = (total << 5 ^ total >> 27 ^ (byte if byte < limit else byte - 256)) & _MASK
        for start in range(0, len(value), 4):
            word = int.from_bytes(value[start : start + 4], "little")
            total = (total << 16 ^ total >> 16 ^ word) & _MASK
        results.append(total)
    return results[0], results[1]


def xattr_block_hash(hashes: list[int]) -> int:
    """h_hash over the e_hash of the entries."""
    total = 0
    for value in hashes:
        if value == 0:
            return 0
        total = (total << 16 ^ total >> 16 ^ value) & _MASK
    return total
