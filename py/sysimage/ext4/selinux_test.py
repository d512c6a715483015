import pytest

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
