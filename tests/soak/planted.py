"""Parsers with a fault each, for tests of what watches parsers."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sysimage.errors import UserError


def _key_error(path: Path) -> object:
    return {b"good": 1}[path.read_bytes()]


def _loop(path: Path) -> object:
    while path.read_bytes() != b"good":
        pass
    return None


def _memory(path: Path) -> object:
    return bytearray(1 << 40 if path.read_bytes() != b"good" else 1)


def _recursion(path: Path) -> object:
    def down(depth: int) -> int:
        return down(depth + 1) if depth >= 0 else 0

    return down(0 if path.read_bytes() != b"good" else -1)


def _dies(path: Path) -> object:
    if path.read_bytes() != b"good":
        os._exit(7)
    return None


def _sleeps(path: Path) -> object:
    time.sleep(0.01 if path.read_bytes() == b"good" else 3600)
    return None


def _sound(path: Path) -> object:
    if path.read_bytes() != b"good":
        raise UserError("it is not good", hint="be good")
    return None


def _silent(path: Path) -> object:
    if path.read_bytes() != b"good":
        raise UserError("")
    return None


CALLS: Mapping[str, Callable[[Path], object]] = {
    "key-error": _key_error,
    "loop": _loop,
    "memory": _memory,
    "recursion": _recursion,
    "dies": _dies,
    "sleeps": _sleeps,
    "sound": _sound,
    "silent": _silent,
}
