"""Archives: what the writer writes, other readers and ours read back; what is damaged is refused."""

import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysimage import tar, tar_reader
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, Sources
from sysimage.tree import NANOSECONDS, Node, NodeType, Tree, decode, directory, file, symlink

KB = 1024


def write(tree: Tree, path: Path, sources: Sources | None = None) -> None:
    with open(path, "wb") as out:
        writer = tar.Writer(out, "own")
        first: dict[int, str] = {}
        for name, node in tree.walk():
            if tree.number(name) in first:
                writer.link(name, first[tree.number(name)], node)
            else:
                first[tree.number(name)] = name
                writer.add(name, node, sources or Sources({}))
        writer.close()


def contents(tree: Tree, path: Path) -> dict[str, bytes]:
    with Sources({"own": path}) as sources:
        return {name: tree.read(name, sources) for name, node in tree.walk() if node.content is not None}


def attributes(tree: Tree) -> list[object]:
    return [
        (name, tree.links(name), n.type, n.mode, n.uid, n.gid, n.mtime, n.xattrs, n.size, n.target, n.device)
        for name, n in tree.walk()
    ]


def sparse(size: int, *pieces: tuple[int, bytes]) -> ExtentMap:
    return ExtentMap(size, [Extent(offset, len(data), data) for offset, data in pieces])


def hostile() -> Tree:
    tree = Tree()
    tree.add("dev", directory(0o755))
    tree.add("dev/null", Node(NodeType.CHARACTER, 0o666, device=(1, 3)))
    tree.add("dev/vda", Node(NodeType.BLOCK, 0o660, gid=6, device=(254, 1048575)))
    tree.add("dev/pipe", Node(NodeType.FIFO, 0o600))
    tree.add("long", directory(0o1777, 4_000_000_000, 2_097_152, 1_700_000_000_123_456_789))
    tree.add("long/" + "n" * 255, file(b"long name", 0o4755, mtime=-1_500_000_000))
    tree.link("long/hard", "long/" + "n" * 255)
    tree.add("long/link", symlink("t" * 3000))
    tree.add(decode(b"long/\xff\xfe" + b"x" * 200), file(b"not UTF-8"))
    tree.add(decode(b"short\xff"), file(b"short"))
    tree.add("ünï", file(b"", 0o644, mtime=8**11 * NANOSECONDS))
    tree.set("ünï", Node(NodeType.FILE, 0o644, xattrs={"user.a": b"\0\n=\xff", "user.b": b""}, content=ExtentMap(0)))
    tree.add("sparse", file(sparse(1 << 40, (4096, b"a" * 4096), (1 << 39, b"b" * 100), ((1 << 39) + 300, b"c"))))
    tree.add("hole", file(sparse(100_000)))
    tree.add("tail", file(sparse(8193, (8192, b"z"))))
    return tree


def test_own_reader_reads_everything_back(tmp_path: Path) -> None:
    tree = hostile()
    write(tree, tmp_path / "x.tar")
    back = tar_reader.read(tmp_path / "x.tar", "own")
    assert attributes(back) == attributes(tree)
    with Sources({"own": tmp_path / "x.tar"}) as sources:
        assert back.read("long/hard", sources) == b"long name"
        assert back.read(decode(b"long/\xff\xfe" + b"x" * 200), sources) == b"not UTF-8"
    sparse_map = back["sparse"].data
    assert [(e.offset, e.length) for e in sparse_map.extents] == [(4096, 4096), (1 << 39, 512)]
    assert back["hole"].data == ExtentMap(100_000)


def test_python_reads_the_same(tmp_path: Path) -> None:
    tree = hostile()
    tree.set("sparse", file(sparse(1 << 20, (4096, b"a" * 4096), (1 << 19, b"b" * 100))))
    write(tree, tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as archive:
        seen = {member.name: member for member in archive}
        for name, node in tree.walk():
            member = seen[name or "."]
            assert (member.mode, member.uid, member.gid) == (node.mode, node.uid, node.gid)
            if node.content is not None and tree.links(name)[0] == name:
                data = archive.extractfile(member)
                assert data is not None
                assert len(data.read()) == member.size == node.size
        assert seen["long/hard"].linkname == "long/" + "n" * 255 or seen["long/hard"].isreg()
        assert seen["sparse"].issparse()
        assert seen["dev/vda"].devmajor == 254


def test_gnu_tar_extracts_it(tmp_path: Path) -> None:
    tree = Tree()
    for name, node in hostile().walk():
        if name and not name.startswith("dev"):
            tree.put(name, Node(node.type, node.mode, 0, 0, 0, {}, node.content, node.target))
    tree.set("sparse", file(sparse(1 << 30, (4096, b"a" * 4096), (1 << 29, b"b" * 100))))
    write(tree, tmp_path / "x.tar")
    (tmp_path / "out").mkdir()
    command = ["tar", "-C", str(tmp_path / "out"), "--no-same-owner", "-xf", str(tmp_path / "x.tar")]
    done = subprocess.run(command, capture_output=True, check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    # GNU tar takes every name as bytes, so it needs no hdrcharset and says so.
    assert (done.returncode, done.stderr) == (0, b"tar: Ignoring unknown extended header keyword 'hdrcharset'\n")
    got = (tmp_path / "out" / "sparse").stat()
    assert got.st_size == 1 << 30
    assert got.st_blocks * 512 < 1 << 20
    with open(tmp_path / "out" / "sparse", "rb") as made:
        made.seek(1 << 29)
        assert made.read(101) == b"b" * 100 + b"\0"
    assert (tmp_path / "out" / "tail").read_bytes() == bytes(8192) + b"z"
    assert (tmp_path / "out" / "hole").stat().st_size == 100_000
    assert (tmp_path / "out" / decode(b"long/\xff\xfe" + b"x" * 200)).read_bytes() == b"not UTF-8"
    assert (tmp_path / "out/long/link").readlink() == Path("t" * 3000)


@pytest.mark.parametrize("options", ["--format=gnu", "--format=pax", "--format=ustar", "--format=oldgnu"])
def test_reads_gnu_tar(tmp_path: Path, options: str) -> None:
    source = tmp_path / "in"
    deep = source / ("d" * 45) / ("e" * 45)  # ustar: a link's target has 100 bytes, a name 255
    deep.mkdir(parents=True)
    (source / ("f" * 99) / ("g" * 99)).mkdir(parents=True)
    (deep / "file").write_bytes(b"x" * 1000)
    (source / "hard").hardlink_to(deep / "file")
    (source / "link").symlink_to("target")
    command = ["tar", "-C", str(source), options, "-cf", str(tmp_path / "x.tar"), "."]
    subprocess.run(command, check=True)
    tree = tar_reader.read(tmp_path / "x.tar", "own")
    path = f"{'d' * 45}/{'e' * 45}"
    assert tree.is_directory(f"{'f' * 99}/{'g' * 99}")
    assert contents(tree, tmp_path / "x.tar")[path + "/file"] == b"x" * 1000
    assert tree.links("hard") == [path + "/file", "hard"]
    assert tree["link"].target == "target"


@pytest.mark.parametrize(
    "options",
    ["--format=gnu", "--format=pax --sparse-version=0.0", "--format=pax --sparse-version=0.1", "--format=pax"],
)
def test_reads_sparse_files_of_gnu_tar(tmp_path: Path, options: str) -> None:
    pieces = [(n * 65536, bytes([n % 251 + 1]) * 4096) for n in range(1, 60, 2)]
    with open(tmp_path / "sparse", "wb") as out:
        for offset, data in pieces:
            out.seek(offset)
            out.write(data)
        out.truncate(70 * 65536)
    command = ["tar", "-C", str(tmp_path), *options.split(), "-S", "-cf", str(tmp_path / "x.tar"), "sparse"]
    subprocess.run(command, check=True)
    tree = tar_reader.read(tmp_path / "x.tar", "own")
    assert contents(tree, tmp_path / "x.tar")["sparse"] == (tmp_path / "sparse").read_bytes()
    assert tree["sparse"].data.mapped < 61 * 65536


def test_size_above_8_gib_has_a_record(tmp_path: Path) -> None:
    with open(tmp_path / "x.tar", "w+b") as out:
        writer = tar.Writer(out, "own")
        writer._header(b"big", file(b""), b"0", 9 << 30, b"", {})
        writer.close()
        with tarfile.open(tmp_path / "x.tar", ignore_zeros=True) as archive:
            info = archive.next()
    assert info is not None
    assert info.size == 9 << 30


NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: not set(name) & {0, 0x2F})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    names=st.lists(
        st.binary(min_size=1, max_size=255).filter(lambda n: not set(n) & {0, 0x2F}), max_size=8, unique=True
    ),
    ids=st.integers(0, 2**32 - 1),
    mtime=st.integers(-(2**63), 2**63 - 1),
    mode=st.integers(0, 0o7777),
    value=st.binary(max_size=300),
)
def test_any_tree_comes_back(tmp_path: Path, names: list[bytes], ids: int, mtime: int, mode: int, value: bytes) -> None:
    tree = Tree()
    folder = ""
    for name in names:
        path = f"{folder}/{decode(name)}".lstrip("/")
        if name in (b".", b".."):
            continue
        if len(name) % 2:
            tree.add(path, directory(mode, ids, 0, mtime))
            folder = path
        else:
            tree.add(path, Node(NodeType.FILE, mode, ids, ids, mtime, {"user.x": value}, ExtentMap.of_bytes(value)))
    write(tree, tmp_path / "x.tar")
    back = tar_reader.read(tmp_path / "x.tar", "own")
    assert attributes(back) == attributes(tree)
    assert contents(back, tmp_path / "x.tar") == contents(tree, tmp_path / "x.tar")


def header() -> bytes:
    return tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT)


def entry(kind: bytes = b"0", size: bytes = b"%011o\0" % 0, content: bytes = b"") -> bytes:
    """An entry whose checksum is right, whatever its size says."""
    data = bytearray(header())
    data[156:157], data[124:136], data[148:156] = kind, size, b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data) + content.ljust(-(-len(content) // 512) * 512, b"\0")


NEGATIVE = b"\xff" * 10 + b"\xfe\x00"  # -512 in base 256: it would lead back to the same header for ever

BAD = [
    (
        entry(size=NEGATIVE),
        "X: the entry before byte 512 has a size of -512 bytes (hint: fetch or build it again)",
    ),
    (
        entry(b"x", b"%011o\0" % 18, b"18 size=" + b"9" * 21 + b"\n"),
        "X: the extended header at byte 0 is damaged (hint: fetch or build it again)",
    ),
    (
        # Without its blank the second record was the first one again, for ever.
        entry(b"x", b"%011o\0" % 22, b"11 path=ab\n11$path=cd\n"),
        "X: the extended header at byte 0 is damaged (hint: fetch or build it again)",
    ),
    (
        entry(b"x", b"%011o\0" % 5010, b"5010 size=" + b"9" * 4999 + b"\n") + entry(),
        f"X: the entry at byte 5632 has {b'9' * 50!r} where a number must stand (hint: fetch or build it again)",
    ),
    (b"", "X: ends at byte 0 without an end-of-archive marker; it was cut short (hint: fetch or build it again)"),
    (b"x" * 512, "X: no tar header at byte 0 (a number in it is b'xxxxxxxx') (hint: fetch or build it again)"),
    (
        header(),
        "X: ends at byte 512 without an end-of-archive marker; it was cut short (hint: fetch or build it again)",
    ),
    (
        b"b" + header()[1:],
        "X: no tar header at byte 0 (its checksum is wrong) (hint: fetch or build it again)",
    ),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_damage_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        list(tar_reader.members(memoryview(data), None, "X"))
    assert str(caught.value) == message


@pytest.mark.parametrize("cut", [1, 511, 513, 1000, 1024, 1535])
def test_every_cut_is_noticed(tmp_path: Path, cut: int) -> None:
    tree = Tree()
    tree.add("a", file(b"x" * 700))
    write(tree, tmp_path / "x.tar")
    data = (tmp_path / "x.tar").read_bytes()
    with pytest.raises(UserError, match="ends at byte"):
        list(tar_reader.members(memoryview(data)[:cut], None, "X"))


def test_dot_dot_is_refused() -> None:
    info = tarfile.TarInfo("a/../../etc/passwd")
    with pytest.raises(UserError, match=r"X: the entry at byte 0: path 'a/../../etc/passwd' contains '..'"):
        list(tar_reader.members(memoryview(info.tobuf() + tar.END), None, "X"))


def test_socket_is_refused(tmp_path: Path) -> None:
    tree = Tree()
    tree.add("s", Node(NodeType.SOCKET, 0o600))
    with pytest.raises(UserError, match="/s is a socket; a tar archive cannot hold it"):
        write(tree, tmp_path / "x.tar")
