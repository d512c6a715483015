"""Differences outside the list fail, and so do rows that explain nothing; both say what to do."""

from sysimage.difference import Difference, Kind, judge, parse, report

MOTD = Difference("etc/motd", Kind.CONTENT, "4 bytes", "5 bytes", ("@@ -1 +1 @@", "-three", "+two"))
MODE = Difference("etc/sp ace", Kind.MODE, "0644", "0600")
KEYS = [Difference(f"etc/ssh/key{number}", Kind.MISSING, "nothing", "file") for number in (1, 2)]


def test_what_is_reviewed_is_good() -> None:
    rows = parse("/etc/ssh/key* missing each machine's own\n/etc/sp\\040ace mode why\n", "list.txt")
    verdict = judge([*KEYS, MODE], rows)
    assert verdict.good
    assert report(verdict, "list.txt", "composed", "installed") == ""


def test_the_kind_must_match_too() -> None:
    rows = parse("/etc/sp\\040ace owner why\n", "list.txt")
    verdict = judge([MODE], rows)
    assert not verdict.good
    assert (verdict.unexplained, verdict.stale) == ((MODE,), tuple(rows))


def test_a_difference_outside_the_list_is_shown_with_both_values() -> None:
    verdict = judge([MOTD, MODE], [])
    assert report(verdict, "list.txt", "composed", "installed").splitlines() == [
        "2 differences without a row in list.txt:",
        "",
        "  /etc/motd: content",
        "    composed:  4 bytes",
        "    installed: 5 bytes",
        "    (- installed, + composed)",
        "    | @@ -1 +1 @@",
        "    | -three",
        "    | +two",
        "",
        "  /etc/sp\\040ace: mode",
        "    composed:  0644",
        "    installed: 0600",
        "",
        "Where what is installed is right, mend what is composed. "
        "Where the difference is meant, add its row with a reason:",
        "",
        "/etc/motd       content  REASON",
        "/etc/sp\\040ace  mode     REASON",
    ]


def test_a_row_that_explains_nothing_is_shown() -> None:
    rows = parse("# comment\n/etc/motd content it is ours\n/etc/sp\\040ace mode why\n", "list.txt")
    verdict = judge([MODE], rows)
    assert not verdict.good
    assert report(verdict, "list.txt", "composed", "installed").splitlines() == [
        "1 row of list.txt without a difference; remove what is no longer so:",
        "",
        "line 2: /etc/motd content (it is ours)",
    ]
