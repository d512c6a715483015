import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import elf
from sysimage.elf_testing import make


@given(st.lists(st.text("abcdefgh.+-", min_size=1, max_size=20), max_size=6))
def test_needed_libraries(names: list[str]) -> None:
    assert elf.linking(make(names)) == elf.Linking("/lib64/ld-linux-x86-64.so.2", tuple(names))


def test_a_real_program() -> None:
    """The interpreter that runs this test."""
    found = elf.linking(Path(sys.executable).resolve().read_bytes())
    assert found.interpreter.startswith("/lib64/ld-linux")
    assert "libc.so.6" in found.needed


def test_what_is_no_elf_file() -> None:
    assert not elf.is_elf(b"#!/bin/sh\n")
    with pytest.raises(ValueError, match=r"not a 64-bit little-endian ELF file"):
        elf.linking(b"#!/bin/sh\n")


@given(st.integers(0, 300))
def test_cut_short(length: int) -> None:
    data = make(["libc.so.6"])[:length]
    with pytest.raises(ValueError):
        elf.linking(data)
