"""tmpfiles.d in a root that is not running."""

import pytest

from sysimage import tree as t
from sysimage.debian.root import Root
from sysimage.debian.testing import root_of
from sysimage.debian.tmpfiles import create
from sysimage.errors import UserError
from sysimage.tree import NodeType


def applied(text: str, **files: "str | t.Node") -> Root:
    base = {"etc/passwd": "root:x:0:0::/:\nweb:x:80:81::/:\n", "etc/group": "root:x:0:\nweb:x:81:\n"}
    root = root_of(
        base | {"usr/lib/tmpfiles.d/a.conf": text} | {key.replace("__", "/"): each for key, each in files.items()}
    )
    create(root, ["a.conf"])
    return root


def attributes(root: Root, path: str) -> tuple[NodeType, int, int, int]:
    node = root.get(path)
    assert node is not None
    return node.type, node.mode, node.uid, node.gid


def test_what_belongs_in_an_image_is_made() -> None:
    root = applied(
        """
        # comment
        d /var/lib/a 0750 web web 10d
        d /var/lib/a 0777
        q /var/b
        f /etc/f 0600 - - - some text with spaces
        L /etc/l - - - - ../target
        L+ /etc/forced - - - - new
        L /etc/kept - - - - new
        C /etc/copy - - - - /usr/share/x
        C /etc/default
        z /var/log 2755 root web
        z /none 0700
        d /home/x :0700 web web
        d /existing :0700 :web -
        """,
        etc__forced=t.symlink("old"),
        etc__kept=t.symlink("old"),
        usr__share__x__y="y",
        usr__share__factory__etc__default="d",
        var__log__keep="",
        existing__keep="",
    )
    assert attributes(root, "var/lib/a") == (NodeType.DIRECTORY, 0o750, 80, 81)
    assert attributes(root, "var/b") == (NodeType.DIRECTORY, 0o755, 0, 0)
    assert attributes(root, "etc/f") == (NodeType.FILE, 0o600, 0, 0)
    assert root.text("etc/f") == "some text with spaces"
    assert [root.link_target(f"etc/{name}") for name in ("l", "forced", "kept")] == ["../target", "new", "old"]
    assert (root.text("etc/copy/y"), root.text("etc/default")) == ("y", "d")
    assert attributes(root, "var/log") == (NodeType.DIRECTORY, 0o2755, 0, 81)
    assert attributes(root, "home/x") == (NodeType.DIRECTORY, 0o700, 80, 81)
    assert attributes(root, "existing") == (NodeType.DIRECTORY, 0o755, 0, 0)


def test_what_belongs_to_the_running_system_is_left_to_it() -> None:
    root = applied(
        """
        d /run/x 0755
        d /tmp/x
        f+! /etc/nologin
        f^ /etc/motd - - - - credential
        L! /etc/resolv.conf - - - - x
        r! /etc/lock
        x /tmp/keep
        a+ /var/log - - - - d:group:adm:r-x
        h /var/log - - - - +C
        d /var/log/%m
        z /dev/null 0666
        """,
        etc__lock="",
    )
    assert sorted(root.names("etc")) == ["group", "lock", "passwd"]
    assert root.names("") == ["etc", "usr"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y /x", "/usr/lib/tmpfiles.d/a.conf:1: not understood as tmpfiles.d(5): 'y /x'"),
        ("d", "/usr/lib/tmpfiles.d/a.conf:1: not understood as tmpfiles.d(5): 'd'"),
        ("d /x 0755 nobody", "/usr/lib/tmpfiles.d/a.conf: user 'nobody' does not exist"),
        ("d /x 0755 web none", "/usr/lib/tmpfiles.d/a.conf: group 'none' does not exist"),
        ("d /x rwx", "/usr/lib/tmpfiles.d/a.conf: /x has the mode 'rwx'"),
        ("d /etc/passwd", "/etc/passwd is a file; a directory is wanted"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        applied(text)
    assert error.value.message == message


def test_a_missing_file() -> None:
    with pytest.raises(UserError, match=r"tmpfiles.d file 'b.conf' does not exist"):
        create(root_of(), ["b.conf"])
