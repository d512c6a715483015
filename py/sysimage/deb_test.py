"""Reading .debs: what is in them, and what can be wrong with them."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import tree as t
from sysimage.deb import Spool, read_control, read_deb, read_debs
from sysimage.debian.testing import COMPRESSORS, File, ar, deb_bytes, read, tar
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.tree import Node, NodeType

SECOND = t.NANOSECONDS
FILES: list[File] = [
    ("usr/bin/tool", t.file(b"program", 0o4755, 0, 42, 5 * SECOND)),
    ("usr/bin/other", "usr/bin/tool"),
    ("usr/bin/link", t.symlink("tool", mtime=6 * SECOND)),
    ("dev/null", Node(NodeType.CHARACTER, 0o666, device=(1, 3))),
    ("var/empty", t.file(b"", 0o600)),
    (
        "usr/bin/ping",
        Node(NodeType.FILE, 0o755, xattrs={"security.capability": b"\1\0\0\2"}, content=t.file(b"x").data),
    ),
    ("srv/" + "long" * 40, t.directory(0o1777, 7, 8)),
]


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_reads_what_is_in_a_package(tmp_path: Path, compression: str) -> None:
    data = deb_bytes("tool", FILES, {"postinst": "#!/bin/sh\n"}, compression, Depends="libc6")
    with Spool(tmp_path) as spool:
        (deb,) = read(tmp_path, spool, data)
        assert (deb.name, deb.version, deb.architecture, deb.fields["Depends"]) == ("tool", "1", "amd64", "libc6")
        assert deb.scripts == {"postinst": b"#!/bin/sh\n"}
        entries = {entry.path: entry for entry in deb.entries}
        tool = entries["usr/bin/tool"].node
        assert tool is not None and tool.content is not None
        assert (tool.mode, tool.uid, tool.gid, tool.mtime) == (0o4755, 0, 42, 5 * SECOND)
        assert ImageReader(tool.content, spool.sources).read(0, 100) == b"program"
        assert (entries["usr/bin/other"].node, entries["usr/bin/other"].link) == (None, "usr/bin/tool")
        assert entries["usr/bin/link"].node == t.symlink("tool", mtime=6 * SECOND)
        null = entries["dev/null"].node
        assert null is not None and (null.type, null.device) == (NodeType.CHARACTER, (1, 3))
        ping = entries["usr/bin/ping"].node
        assert ping is not None and ping.xattrs == {"security.capability": b"\1\0\0\2"}
        folder = entries["srv/" + "long" * 40].node
        assert folder is not None and (folder.mode, folder.uid, folder.gid) == (0o1777, 7, 8)
        spool.sources.close()


def test_packages_come_in_the_order_given_and_scratch_files_vanish(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Spool(scratch) as spool:
        packages = [
            deb_bytes(name, [("f" * size, t.file(bytes(size)))]) for name, size in (("a", 9), ("b", 99), ("c", 1))
        ]
        assert [deb.name for deb in read(tmp_path, spool, *packages)] == ["a", "b", "c"]
        assert len(list(scratch.iterdir())) == 3
    assert not list(scratch.iterdir())


def test_scratch_that_cannot_be_written(tmp_path: Path) -> None:
    """It is not the package that cannot be read."""
    (tmp_path / "x.deb").write_bytes(deb_bytes("x", FILES))
    with pytest.raises(UserError) as caught:
        read_deb(tmp_path / "x.deb", "key", Path("/dev/full"))
    hint = "the disk of temporary files must have room for all packages unpacked"
    message = f"{tmp_path}/x.deb: data.tar.xz cannot be unpacked to /dev/full: No space left on device (hint: {hint})"
    assert str(caught.value) == message


def test_control_alone(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(deb_bytes("x", FILES, {"triggers": "interest y\n"}))
    deb = read_control(tmp_path / "x.deb")
    assert (deb.name, deb.scripts, deb.entries) == ("x", {"triggers": b"interest y\n"}, ())


GOOD = deb_bytes("x", FILES)
CONTROL = ("control.tar", tar([("control", t.file(b"Package: x\nVersion: 1\nArchitecture: all\n"))]))
BINARY = ("debian-binary", b"2.0\n")
DATA = ("data.tar", tar(FILES))
FIRST = "its first member is 'debian-binary' with b'3.0\\n', expected 'debian-binary' with 2.0"
BAD: dict[str, tuple[bytes, str | None]] = {
    "empty": (b"", "it is empty"),
    "no ar": (b"PK\3\4 something else", "it does not begin as an ar archive"),
    "version": (ar([("debian-binary", b"3.0\n")]), FIRST),
    "member": (ar([BINARY, ("data.tar", b"")]), "its second member is 'data.tar', expected control.tar.*"),
    "third": (ar([BINARY, CONTROL, ("more", b"")]), "its third member is 'more', expected data.tar.*"),
    "header": (ar([BINARY])[:40] + b"!" * 70, "the header of the member at byte 8 is damaged"),
    "ends": (ar([BINARY]), "it is cut short at byte 72, where a member should begin"),
    "no data": (ar([BINARY, CONTROL]), None),
    "cut": (GOOD[:-100], None),
    "compression": (
        ar([BINARY, ("control.tar.lzo", b"")]),
        "control.tar.lzo: compression .lzo is not known (known: xz, zst, gz, none)",
    ),
    "xz": (ar([BINARY, ("control.tar.xz", b"nonsense" * 9)]), "control.tar.xz: Input format not supported by decoder"),
    "xz cut": (ar([BINARY, ("control.tar.xz", b"\xfd7zXZ\0")]), "control.tar.xz: the compressed data is cut short"),
    "gz": (
        ar([BINARY, ("control.tar.gz", b"nonsense")]),
        "control.tar.gz: Error -3 while decompressing data: incorrect header check",
    ),
    "no control": (ar([BINARY, ("control.tar", tar([]))]), "its control archive has no file 'control'"),
    "field": (
        ar([BINARY, ("control.tar", tar([("control", t.file(b"Package: x\nVersion: 1\n"))]))]),
        "its control file has no field Architecture",
    ),
    "line": (
        ar([BINARY, ("control.tar", tar([("control", t.file(b"nonsense\n"))]))]),
        "a control file has a line that is no field: 'nonsense'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_packages_are_named(tmp_path: Path, case: str) -> None:
    data, message = BAD[case]
    path = tmp_path / "bad.deb"
    path.write_bytes(data)
    with Spool(tmp_path) as spool, pytest.raises(UserError) as error:
        read_debs([path], spool)
    if message is None:
        assert error.value.message.startswith(f"{path}: not a sound .deb: it is cut short at byte ")
    else:
        assert error.value.message == f"{path}: not a sound .deb: {message}"
    assert error.value.hint == "fetch it again"


def test_a_damaged_tar_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.deb"
    path.write_bytes(ar([BINARY, CONTROL, ("data.tar", b"x" * 1024)]))
    with Spool(tmp_path) as spool, pytest.raises(UserError, match=r"bad\.deb: data\.tar: no tar header at byte 0"):
        read_debs([path], spool)
    cut = COMPRESSORS[".zst"](tar(FILES))[:-40]
    path.write_bytes(ar([BINARY, CONTROL, ("data.tar.zst", cut)]))
    with Spool(tmp_path) as spool, pytest.raises(UserError, match=r"bad\.deb: data\.tar\.zst: ends at byte "):
        read_debs([path], spool)
    path.write_bytes(ar([BINARY, CONTROL, ("data.tar", tar(FILES)[:3000])]))
    with Spool(tmp_path) as spool, pytest.raises(UserError, match=r"bad\.deb: data\.tar: ends at byte 3000"):
        read_debs([path], spool)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool, pytest.raises(UserError) as error:
        read_debs([tmp_path / "none.deb"], spool)
    assert error.value.message == f"cannot read {tmp_path / 'none.deb'}: No such file or directory"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=st.integers(0, len(GOOD) - 2))
def test_no_length_of_a_cut_package_goes_unnoticed(tmp_path: Path, length: int) -> None:
    (tmp_path / "cut.deb").write_bytes(GOOD[:length])
    with Spool(tmp_path) as spool, pytest.raises(UserError):
        read_debs([tmp_path / "cut.deb"], spool)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), compression=st.sampled_from(["", ".xz", ".gz"]))
def test_a_changed_byte_is_an_error_for_the_user_or_does_no_harm(
    tmp_path: Path, at: int, value: int, compression: str
) -> None:
    data = bytearray(deb_bytes("x", FILES, compression=compression))
    data[at % len(data)] = value
    (tmp_path / "changed.deb").write_bytes(data)
    with Spool(tmp_path) as spool:
        try:
            read_debs([tmp_path / "changed.deb"], spool)
        except UserError as error:
            assert "changed.deb" in error.message
