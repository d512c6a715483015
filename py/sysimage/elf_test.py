import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage import elf
from sysimage.elf_testing import make, make_32


@given(st.lists(st.text("abcdefgh.+-", min_size=1, max_size=20), max_size=6))
def test_needed_libraries(names: list[str]) -> None:
    assert elf.linking(make(names)) == elf.Linking("/lib64/ld-linux-x86-64.so.2", tuple(names))


def test_header_and_own_name() -> None:
    data = make(["libc.so.6"], soname="libx.so.1")
    assert elf.linking(memoryview(data)).soname == "libx.so.1"
    assert elf.header(data) == elf.Header(elf.CLASS_64, 62, shared=True)
    assert not elf.header(data[:16] + b"\2\0" + data[18:]).shared


def test_folders_of_its_own_libraries() -> None:
    assert elf.linking(make(["libx.so.1"], runpath="/usr/lib/x:$ORIGIN/y:")).runpath == ("/usr/lib/x", "$ORIGIN/y")
    assert elf.linking(make(["libx.so.1"])).runpath == ()


def test_32_bits() -> None:
    data = make_32("libx.so.2")
    assert elf.header(data) == elf.Header(elf.CLASS_32, 3, shared=True)
    assert elf.linking(data) == elf.Linking("", (), "libx.so.2")


@given(st.data())
def test_a_damaged_file_is_an_error_or_another_file(draw: st.DataObject) -> None:
    data = bytearray(draw.draw(st.sampled_from([make(["libc.so.6"], soname="libx.so.1"), make_32("libx.so.1")])))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        elf.linking(bytes(data))
    except ValueError as error:
        assert str(error)


def test_a_real_program() -> None:
    """The interpreter that runs this test."""
    found = elf.linking(Path(sys.executable).resolve().read_bytes())
    assert found.interpreter.startswith("/lib64/ld-linux")
    assert "libc.so.6" in found.needed


def test_what_is_no_elf_file() -> None:
    assert not elf.is_elf(b"#!/bin/sh\n")
    with pytest.raises(ValueError, match=r"not a little-endian ELF file"):
        elf.linking(b"#!/bin/sh\n")


@given(st.integers(0, 300))
def test_cut_short(length: int) -> None:
    data = make(["libc.so.6"])[:length]
    with pytest.raises(ValueError):
        elf.linking(data)
