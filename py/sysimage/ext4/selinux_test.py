import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.errors import UserError
from sysimage.ext4.selinux import FileContexts
from sysimage.tree import NodeType

CONTEXTS = FileContexts.parse(
    r"""
# a comment
/.*                    system_u:object_r:default_t:s0
/                  -d  system_u:object_r:root_t:s0
/usr/.*                system_u:object_r:usr_t:s0
/usr/lib(/.*)?         system_u:object_r:lib_t:s0
/usr/lib/.*\.so(\.[^/]*)?  --  system_u:object_r:shlib_t:s0
/usr/lib/.*\.so(\.[^/]*)?  -l  system_u:object_r:shlib_link_t:s0
/usr/lib/special\.so   system_u:object_r:special_t:s0
/usr/lib/special.*     system_u:object_r:never_t:s0
/a/?b                  system_u:object_r:optional_t:s0
/(s)?bin/.*            system_u:object_r:bin_t:s0
/(lib|lib64)/x\+y.*    system_u:object_r:plus_t:s0
/c+d/.*                system_u:object_r:cd_t:s0
/w*z                   system_u:object_r:wz_t:s0
/one|/two/.*           system_u:object_r:either_t:s0
(/mnt|/media)/x        system_u:object_r:mnt_t:s0
/dev/sd[a-z]       -b  system_u:object_r:disk_t:s0
/dev/tty           -c  system_u:object_r:tty_t:s0
/run/pipe          -p  system_u:object_r:pipe_t:s0
/run/socket        -s  system_u:object_r:sock_t:s0
/proc/.*               <<none>>
""",
    "file_contexts",
)


@pytest.mark.parametrize(
    ("path", "kind", "label"),
    [
        ("", NodeType.DIRECTORY, "root_t"),
        ("etc", NodeType.DIRECTORY, "default_t"),
        ("usr", NodeType.DIRECTORY, "default_t"),
        ("usr/bin", NodeType.DIRECTORY, "usr_t"),
        ("usr/lib", NodeType.DIRECTORY, "lib_t"),
        ("usr/library", NodeType.DIRECTORY, "usr_t"),
        ("usr/lib/deep/libc.so.6", NodeType.FILE, "shlib_t"),
        ("usr/lib/libc.so.6", NodeType.SYMLINK, "shlib_link_t"),
        ("usr/lib/libc.so.6", NodeType.DIRECTORY, "lib_t"),
        ("usr/lib/special.so", NodeType.FILE, "special_t"),  # an exact line counts before all expressions
        ("a/b", NodeType.FILE, "optional_t"),
        ("ab", NodeType.FILE, "optional_t"),
        ("mnt/x", NodeType.FILE, "mnt_t"),
        ("media/x", NodeType.FILE, "mnt_t"),
        ("bin/sh", NodeType.FILE, "bin_t"),
        ("sbin/init", NodeType.FILE, "bin_t"),
        ("lib64/x+yz", NodeType.FILE, "plus_t"),
        ("lib/x+y", NodeType.FILE, "plus_t"),
        ("ccd/x", NodeType.FILE, "cd_t"),
        ("z", NodeType.FILE, "wz_t"),
        ("wwz", NodeType.FILE, "wz_t"),
        ("one", NodeType.FILE, "either_t"),
        ("two/x", NodeType.FILE, "either_t"),
        ("dev/sda", NodeType.BLOCK, "disk_t"),
        ("dev/sda", NodeType.CHARACTER, "default_t"),
        ("dev/tty", NodeType.CHARACTER, "tty_t"),
        ("run/pipe", NodeType.FIFO, "pipe_t"),
        ("run/socket", NodeType.SOCKET, "sock_t"),
        ("new\nline", NodeType.FILE, "default_t"),
    ],
)
def test_label(path: str, kind: NodeType, label: str) -> None:
    assert CONTEXTS.label(path, kind) == f"system_u:object_r:{label}:s0\0".encode()


def test_no_label() -> None:
    assert CONTEXTS.label("proc/1", NodeType.DIRECTORY) is None
    assert FileContexts.parse("", "empty").label("etc", NodeType.DIRECTORY) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/etc", "fc:1: 1 words, expected: PATTERN [TYPE] CONTEXT"),
        ("(" * 5000 + " a:b:c", "fc:1: the pattern has more than 100 groups"),
        (
            "/etc/x{99999999999} a:b:c",
            "fc:1: bad regular expression '/etc/x{99999999999}': the repetition number is too large",
        ),
        ("/etc -x a:b:c", "fc:1: unknown file type '-x' (hint: one of -- -d -l -c -b -p -s)"),
        ("/etc -- etc_t", "fc:1: 'etc_t' is not a context (user:role:type or user:role:type:level)"),
        ("/etc/(.* a:b:c", "fc:1: bad regular expression '/etc/(.*': missing ), unterminated subpattern at position 5"),
    ],
)
def test_bad_lines(line: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        FileContexts.parse(line, "fc").label("etc/passwd", NodeType.FILE)
    assert str(caught.value) == message


def test_missing_file() -> None:
    with pytest.raises(UserError, match="cannot read /nowhere/fc: No such file or directory"):
        FileContexts.load("/nowhere/fc")


pieces = st.sampled_from(
    ["/", "a", "b", "s?", "(s)?", "(a|b)", "(/.*)?", "[^/]+", ".", r"\.", "a*", "b+", "/?", "(/b)?", "a{2}"]
)
paths = st.text("/abs.", max_size=8)


@given(st.lists(st.lists(pieces, min_size=1, max_size=5).map("".join), max_size=6), paths)
def test_the_last_line_that_matches_counts(patterns: list[str], path: str) -> None:
    lines = [f"/.*{pattern} u:r:t{number}" for number, pattern in enumerate(patterns)]
    lines += [f"/[a]?{pattern} u:r:t{number + 10}" for number, pattern in enumerate(patterns)]
    lines += [f"/{pattern}(x)? u:r:t{number + 20}" for number, pattern in enumerate(patterns)]
    expected = None
    for line in lines:
        if re.fullmatch(line.split()[0], "/" + path):
            expected = line.split()[1].encode() + b"\0"
    assert FileContexts.parse("\n".join(lines), "fc").label(path, NodeType.FILE) == expected
