"""Damaged files of a root filesystem and of the lock: what the soak found to end in a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sysimage.debian import alternatives, blocks, database, index, ldconfig, lock, pam, sysusers, tmpfiles
from sysimage.debian.accounts import Accounts, AccountsTable, load_accounts, parse_accounts
from sysimage.debian.root import Root
from sysimage.debian.scripts import load_scripts, parse_scripts
from sysimage.debian.testing import root_of
from sysimage.errors import UserError

SHA = "0123456789abcdef" * 4
TABLE = AccountsTable({"a": 1}, {"a": (1, 1)}, "table")
DPKG = "var/lib/dpkg"


def install_alternative(root: Root) -> None:
    alternatives.install(root, "/usr/bin/x", "x", "/bin/x", 1)


def apply_sysusers(root: Root) -> None:
    sysusers.apply(root, Accounts(), TABLE)


IN_TREE: list[tuple[Callable[[Root], object], str, str, str]] = [
    (Accounts.load, "etc/passwd", "a:x:1:$:::\n", "/etc/passwd: '$' is not a number from 0 to 4294967294"),
    (Accounts.load, "etc/group", "a:x::\n", "/etc/group: '' is not a number from 0 to 4294967294"),
    (
        lambda root: tmpfiles.create(root, ["x"]),
        "usr/lib/tmpfiles.d/x",
        "d /a \u00b2 - -\n",
        "/usr/lib/tmpfiles.d/x: /a has the mode '\u00b2'",
    ),
    (
        lambda root: tmpfiles.create(root, ["x"]),
        "usr/lib/tmpfiles.d/x",
        'd /a"b 0755\n',
        "/usr/lib/tmpfiles.d/x:1: a path that is no word: 'd /a\"b 0755'",
    ),
    (
        lambda root: tmpfiles.create(root, ["x"]),
        "usr/lib/tmpfiles.d/x",
        "d /a 0755 \u00b2 -\n",
        "/usr/lib/tmpfiles.d/x: user '\u00b2' does not exist",
    ),
    (pam.update, "usr/share/pam-configs/x", "Priority: \u00b2\n", "PAM profile 'x' has no Priority that is a number"),
    (
        apply_sysusers,
        "usr/lib/sysusers.d/x.conf",
        "u a 1:\u00b2\n",
        "group '\u00b2', wanted by /usr/lib/sysusers.d/x.conf, is an account without an id "
        "(hint: add 'g \u00b2 GID' with a free number to table)",
    ),
    *(
        (
            install_alternative,
            f"{DPKG}/alternatives/x",
            text,
            f"/{DPKG}/alternatives/x is damaged: it is cut short, or a priority is no number",
        )
        for text in ("", "auto", "auto\n/usr/bin/x\nslave\n", "auto\n/usr/bin/x\n\n/bin/x\nten\n\n")
    ),
    (
        database.load,
        f"{DPKG}/status",
        "Package: a\nMulti-Arch: same\n",
        f"/{DPKG}/status is damaged: 'Architecture'",
    ),
    (
        database.load,
        f"{DPKG}/statoverride",
        "root adm 2755\n",
        f"/{DPKG}/statoverride has a line that is not OWNER GROUP MODE PATH: 'root adm 2755'",
    ),
]


@pytest.mark.parametrize(("call", "path", "text", "message"), IN_TREE)
def test_files_of_a_tree(call: Callable[[Root], object], path: str, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        call(root_of({f"{DPKG}/status": "", "bin/x": "", path: text}))
    assert str(caught.value) == message


def test_numbers_of_the_accounts_table() -> None:
    with pytest.raises(UserError) as caught:
        parse_accounts("g a \u00b2\n", "table")
    assert str(caught.value) == "table:1: '\u00b2' is not a number from 0 to 4294967294"
    with pytest.raises(UserError) as caught:
        parse_accounts("g a 1\nu b 2:\u00b2\n", "table")
    assert str(caught.value) == "table: the group '\u00b2' of user 'b' is not in the table"


@pytest.mark.parametrize("load", [load_accounts, load_scripts])
def test_tables_that_are_no_text(tmp_path: Path, load: Callable[[Path], object]) -> None:
    (tmp_path / "table").write_bytes(b"ab\xff")
    with pytest.raises(UserError) as caught:
        load(tmp_path / "table")
    assert str(caught.value) == f"{tmp_path}/table is not a text in UTF-8: byte 2 is 0xff"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("script = 5", "table: 'script' must be tables [[script]] of texts and lists of texts; found 5"),
        ("[script]\na = 1", "table: 'script' must be tables [[script]] of texts and lists of texts; found {'a': 1}"),
        ("[[script]]\nscript = ['a']", "table: 'script' of a script must be a text; found ['a']"),
        ("[[trigger]]\nname = 'a'\ndo = 'b'", "table: 'do' of a trigger must be a list; found 'b'"),
        ("a = " + "[" * 100_000, None),
        ("a = " + "1" * 5000, None),
    ],
)
def test_tables_of_scripts(text: str, message: str | None) -> None:
    with pytest.raises(UserError) as caught:
        parse_scripts(text, "table")
    assert str(caught.value).startswith("table: ")
    if message is not None:
        assert str(caught.value) == message


@pytest.mark.parametrize("body", ["fi\nfi\n", "}\n", "else\nfi\nelse\n"])
def test_blocks_that_do_not_close(body: str) -> None:
    with pytest.raises(blocks.UnknownBlockError):
        blocks.read("dh_x", body)


def test_libraries_whose_configuration_includes_itself() -> None:
    """Twice in each of three files, twenty deep: that would take longer than the universe has."""
    include = "include /etc/ld.so.conf.d/*\ninclude /etc/ld.so.conf\n" * 2
    files = {"etc/ld.so.conf": include + "/opt\n", "etc/ld.so.conf.d/a": include, "etc/ld.so.conf.d/b": include}
    root = root_of({**files, "opt/x": "", "usr/lib/x": ""})
    assert "/opt" in ldconfig.directories(root)


def test_indexes() -> None:
    stanza = f"Package: a\nVersion: 1\nArchitecture: all\nFilename: a\nSHA256: {SHA}\nSize: "
    for size in ("\u00b2", "1" * 5000):
        with pytest.raises(UserError) as caught:
            index.parse_packages(stanza + size, "debian", "Packages")
        assert str(caught.value) == "Packages: package a: malformed Size or SHA256"
        with pytest.raises(UserError, match=r"^Release: expected 'sha256 size path', found"):
            index.parse_release(f"Date: x\nSHA256:\n {SHA} {size} file\n", "Release")


def test_locks(tmp_path: Path) -> None:
    for content in (b"\xff", b"[" * 100_000):
        (tmp_path / "lock").write_bytes(content)
        with pytest.raises(UserError, match=r"^lock: not JSON: "):
            lock.read_lock(tmp_path / "lock")
    (tmp_path / "list").write_bytes(b"\xff")
    with pytest.raises(UserError) as caught:
        lock.read_lists([tmp_path / "list"])
    assert str(caught.value) == f"the package list {tmp_path}/list is not a text in UTF-8: invalid start byte"
