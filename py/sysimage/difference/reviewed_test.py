"""The reviewed list: what a row means, and each way to write it wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.difference import Kind, Row, format_rows, load, parse, quote
from sysimage.errors import UserError
from sysimage.tree import decode

LIST = """\
# Made by each machine.
/etc/ssh/ssh_host_*      missing      each machine's own

/var/lib/x/**            extra        two words: more words
/                        mode         the root is nobody's
"""


def test_rows() -> None:
    assert parse(LIST, "list.txt") == [
        Row("/etc/ssh/ssh_host_*", Kind.MISSING, "each machine's own", 2),
        Row("/var/lib/x/**", Kind.EXTRA, "two words: more words", 4),
        Row("/", Kind.MODE, "the root is nobody's", 5),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "/etc/x",
            "list.txt:2: a row has a path pattern, a kind and a reason; this is '/etc/x' "
            "(hint: a blank in a path is written \\040)",
        ),
        (
            "/etc/x gone it is gone",
            "list.txt:2: unknown kind of difference 'gone' (hint: one of missing, extra, type, mode, owner, "
            "link-target, hard-link, device, xattr, content)",
        ),
        (
            "/etc/x  missing  ",
            "list.txt:2: /etc/x missing has no reason "
            "(hint: say why the difference is right; a reader must believe it)",
        ),
        ("etc/x mode why", "list.txt:2: path pattern 'etc/x' does not begin with '/' (hint: write '/etc/x')"),
        (
            "/etc//x mode why",
            "list.txt:2: path pattern '/etc//x' has an empty component, '.' or '..' (hint: leave it out)",
        ),
        (
            "/etc/../x mode why",
            "list.txt:2: path pattern '/etc/../x' has an empty component, '.' or '..' (hint: leave it out)",
        ),
        (
            "/etc/x\\4 mode why",
            "list.txt:2: path pattern '/etc/x\\\\4' has a backslash without three octal digits "
            "(hint: a backslash itself is written \\134)",
        ),
        (
            "/etc/a/x** mode why",
            "list.txt:2: path pattern '/etc/a/x**' has '**' beside other characters (hint: use '*')",
        ),
        *(
            (
                f"{pattern} mode why",
                f"list.txt:2: path pattern '{pattern}' is too broad "
                "(hint: begin with a component without wildcards, and have two of them before '**')",
            )
            for pattern in ("/**", "/*", "/*/passwd", "/var/**", "/var/*/**", "/?/x", "/usr/**/x")
        ),
        ("/a mode why", "list.txt:2: /a mode stands in line 1 already (hint: remove one)"),
    ],
)
def test_bad_rows(row: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse("/a mode because\n" + row + "\n", "list.txt")
    assert str(caught.value) == message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path / "none")
    assert str(caught.value) == f"cannot read {tmp_path}/none: No such file or directory"
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError) as caught:
        load(tmp_path / "binary")
    assert str(caught.value) == f"{tmp_path}/binary is not text in UTF-8"


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/", [""], ["a"]),
        ("/etc/passwd", ["etc/passwd"], ["etc/passwd-", "etc", "x/etc/passwd"]),
        ("/etc/*-", ["etc/passwd-", "etc/-"], ["etc/x/a-", "etc/passwd"]),
        ("/etc/a?c", ["etc/abc"], ["etc/ac", "etc/a/c", "etc/abbc"]),
        ("/etc/ssh/**", ["etc/ssh", "etc/ssh/a", "etc/ssh/a/b"], ["etc/sshx", "etc"]),
        ("/usr/lib/**/x.pyc", ["usr/lib/x.pyc", "usr/lib/a/b/x.pyc"], ["usr/lib/a/b", "usr/x.pyc"]),
        ("/a\\040b", ["a b"], ["a\\040b"]),
        ("/a/x\\052", ["a/x*"], ["a/xy"]),
        ("/a.c", ["a.c"], ["abc"]),
        ("/a/ä*", ["a/äö", "a/ä\udcff"], ["a/a"]),
    ],
)
def test_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    (row,) = parse(f"{pattern} mode why", "list.txt")
    assert [path for path in matching + others if row.matches(path)] == matching


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=3))
def test_a_quoted_path_matches_itself(parts: list[bytes]) -> None:
    path = "/".join(decode(part.replace(b"/", b"_").replace(b"\0", b"_")) for part in parts)
    if {".", ".."} & {*path.split("/")}:
        return
    (row,) = parse(f"{quote(path)} mode why", "list.txt")
    assert row.matches(path)
    assert not row.matches(path + "x")


def test_rows_are_formatted_in_columns() -> None:
    assert format_rows([("/a", "hard-link", "why"), ("/abc", "mode", "because")]) == [
        "/a    hard-link  why",
        "/abc  mode       because",
    ]
