"""Changes as overlayfs keeps them, laid over a base; and that a wrong tree does not pass for a right one."""

import copy
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysimage.difference import Kind, Side, compare
from sysimage.engine import changes
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import NodeType, Tree, directory, file, symlink


def base() -> Tree:
    tree = Tree()
    tree.put("etc/kept", file(b"kept"))
    tree.put("etc/gone", file(b"gone"))
    tree.put("etc/changed", file(b"old"))
    tree.link("etc/other-name", "etc/changed")
    tree.put("etc/d/inner/file", file(b"x"))
    tree.put("etc/becomes-file/inner", file(b"x"))
    tree.put("etc/becomes-link", file(b"x"))
    tree.put("etc/renewed/old", file(b"x"))
    return tree


Entry = tuple[tarfile.TarInfo, bytes]


def member(name: str, kind: bytes, mode: int = 0o644, data: bytes = b"", **more: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(data)
    for field, value in more.items():
        setattr(info, field, value)
    return info, data


OPAQUE = {"SCHILY.xattr.trusted.overlay.opaque": "y"}
MEMBERS = [
    member(".", tarfile.DIRTYPE, 0o755),
    member("./etc", tarfile.DIRTYPE, 0o700, pax_headers={"SCHILY.xattr.trusted.overlay.impure": "y"}),
    member("./etc/gone", tarfile.CHRTYPE, devmajor=0, devminor=0),
    member("./etc/changed", tarfile.REGTYPE, 0o600, b"new", uid=7, gid=8, pax_headers={"SCHILY.xattr.user.a": "1"}),
    member("./etc/d", tarfile.CHRTYPE, devmajor=0, devminor=0),
    member("./etc/becomes-file", tarfile.REGTYPE, data=b"file"),
    member("./etc/becomes-link", tarfile.SYMTYPE, linkname="kept"),
    member("./etc/renewed", tarfile.DIRTYPE, 0o755, pax_headers=OPAQUE),
    member("./etc/renewed/new", tarfile.REGTYPE, data=b"new"),
    member("./etc/null", tarfile.CHRTYPE, 0o666, devmajor=1, devminor=3),
    member("./etc/second-name", tarfile.LNKTYPE, linkname="./etc/renewed/new"),
]


def expected() -> Tree:
    tree = Tree()
    tree.add("etc", directory(0o700))
    tree.put("etc/kept", file(b"kept"))
    changed = file(b"new", 0o600, 7, 8)
    tree.put("etc/changed", changed)
    tree.change("etc/changed", xattrs={"user.a": b"1"})
    tree.put("etc/other-name", file(b"old"))
    tree.put("etc/becomes-file", file(b"file"))
    tree.put("etc/becomes-link", symlink("kept"))
    tree.put("etc/renewed/new", file(b"new"))
    tree.link("etc/second-name", "etc/renewed/new")
    tree.add("etc/null", file(b""))
    tree.change("etc/null", type=NodeType.CHARACTER, mode=0o666, device=(1, 3), content=None)
    return tree


def archive(path: Path, members: list[Entry]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def sources() -> Iterator[Sources]:
    with Sources({}) as found:
        yield found


def test_changes_over_a_base(tmp_path: Path, sources: Sources) -> None:
    under = base()
    found = changes.apply(under, archive(tmp_path / "changes.tar", MEMBERS), "changes", sources)
    assert compare(Side(expected(), sources), Side(found, sources)) == []
    assert compare(Side(base(), sources), Side(under, sources)) == []


WRONG: list[tuple[dict[str, object], Kind]] = [
    ({"mode": 0o4600}, Kind.MODE),
    ({"uid": 9}, Kind.OWNER),
    ({"pax_headers": {"SCHILY.xattr.user.a": "2"}}, Kind.XATTR),
    ({"type": tarfile.SYMTYPE, "size": 0, "linkname": "kept"}, Kind.TYPE),
    ({"name": "./etc/elsewhere"}, Kind.CONTENT),
]


@pytest.mark.parametrize(("fields", "kind"), WRONG)
def test_a_planted_wrong_tree_is_reported(
    fields: dict[str, object], kind: Kind, tmp_path: Path, sources: Sources
) -> None:
    members = [(copy.copy(info), data) for info, data in MEMBERS]
    (planted,) = (info for info, _ in members if info.name == "./etc/changed")
    for field, value in fields.items():
        setattr(planted, field, value)
    found = changes.apply(base(), archive(tmp_path / "changes.tar", members), "changes", sources)
    reported = compare(Side(expected(), sources), Side(found, sources))
    assert ("etc/changed", kind) in {(each.path, each.kind) for each in reported}


def test_a_planted_wrong_content_is_reported(tmp_path: Path, sources: Sources) -> None:
    members = [(info, b"nEw" if info.name == "./etc/changed" else data) for info, data in MEMBERS]
    found = changes.apply(base(), archive(tmp_path / "changes.tar", members), "changes", sources)
    (difference,) = compare(Side(expected(), sources), Side(found, sources))
    assert (difference.path, difference.kind) == ("etc/changed", Kind.CONTENT)


def test_a_missing_whiteout_is_reported(tmp_path: Path, sources: Sources) -> None:
    members = [each for each in MEMBERS if each[0].name != "./etc/gone"]
    found = changes.apply(base(), archive(tmp_path / "changes.tar", members), "changes", sources)
    (difference,) = compare(Side(expected(), sources), Side(found, sources))
    assert (difference.path, difference.kind) == ("etc/gone", Kind.MISSING)


def test_a_cut_archive_is_refused(tmp_path: Path, sources: Sources) -> None:
    path = archive(tmp_path / "changes.tar", MEMBERS)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(UserError):
        changes.apply(base(), path, "changes", sources)
