"""Reviewed lists: what is refused of them, what they excuse, and that an idle row is told."""

from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.properties.findings import Finding, load_rows, unexcused

CHECKS = ("missing-path", "setuid")
SU = Finding("setuid", "/usr/bin/su", "runs as its owner")
KEY = Finding("setuid", "A_boot:/bin/x", "runs as its owner")


def rows(tmp_path: Path, text: str) -> list[str]:
    """What is left of two findings under a list."""
    path = tmp_path / "reviewed.txt"
    path.write_text(text)
    left = unexcused([SU, KEY, SU], load_rows([path], CHECKS), ["setuid"])
    return [line.replace(str(tmp_path), "") for line in left]


def test_what_no_row_excuses_is_left(tmp_path: Path) -> None:
    assert rows(tmp_path, "# nothing\n\n") == [
        "setuid /usr/bin/su: runs as its owner",
        "setuid A_boot:/bin/x: runs as its owner",
    ]


def test_rows_excuse_by_check_volume_and_pattern(tmp_path: Path) -> None:
    assert rows(tmp_path, "setuid /usr/bin/s? users change\nsetuid A_boot:/bin/* of the boot\n") == []
    assert rows(tmp_path, "setuid /usr/bin/** all of them\nmissing-path /usr/bin/su other check\n") == [
        "setuid A_boot:/bin/x: runs as its owner"
    ]


def test_an_idle_row_is_told(tmp_path: Path) -> None:
    text = "setuid /usr/bin/su why\nsetuid A_boot:/bin/x why\nsetuid /usr/bin/sudo why\nsetuid B_boot:/bin/x why\n"
    assert rows(tmp_path, text) == [
        "/reviewed.txt:3: setuid /usr/bin/sudo excuses nothing; remove the row",
        "/reviewed.txt:4: setuid B_boot:/bin/x excuses nothing; remove the row",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "setuid /usr/bin/su\n",
            ":1: a row has a check, a path pattern and a reason; this is 'setuid /usr/bin/su' "
            "(hint: a blank in a path is written \\040)",
        ),
        ("\nsuid /x why\n", ":2: unknown check 'suid' (hint: one of missing-path, setuid)"),
        (
            "setuid usr/bin/su why\n",
            ":1: path pattern 'usr/bin/su' does not begin with '/' (hint: write '/usr/bin/su')",
        ),
        (
            "setuid /** why\n",
            ":1: path pattern '/**' is too broad "
            "(hint: begin with a component without wildcards, and have two of them before '**')",
        ),
    ],
)
def test_bad_rows(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        rows(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/reviewed.txt{message}"


def test_a_row_that_stands_twice(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        rows(tmp_path, "setuid /x why\nsetuid /x again\n")
    path = tmp_path / "reviewed.txt"
    assert str(caught.value) == f"{path}:2: setuid /x stands in {path}:1 already (hint: remove one)"
