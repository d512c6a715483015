"""Values in words."""

import datetime
from collections.abc import Mapping

from sysimage.errors import UserError
from sysimage.tree import NANOSECONDS, Node, NodeType

SHOWN = 16  # bytes of a value
KINDS = {
    NodeType.FILE: "a file",
    NodeType.DIRECTORY: "a directory",
    NodeType.SYMLINK: "a symbolic link",
    NodeType.CHARACTER: "a character device",
    NodeType.BLOCK: "a block device",
    NodeType.FIFO: "a FIFO",
    NodeType.SOCKET: "a socket",
}


def time(nanoseconds: int) -> str:
    """A time as ISO 8601 has it; one that no calendar holds, in seconds."""
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    try:
        text = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"
    # strftime does not pad the year everywhere.
    text = text.rjust(19, "0")
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else f"{text}Z"


def seconds(value: int) -> str:
    """A time given in seconds since 1970."""
    return time(value * NANOSECONDS)


def mode(value: int) -> str:
    """Permission bits as chmod takes them."""
    return f"{value:04o}"


def data(value: bytes, more: bool = False) -> str:
    """Bytes as text in quotes if they are ASCII text, else in hex; `more` says that others follow."""
    shown = value[:SHOWN]
    dots = "..." if more or len(value) > SHOWN else ""
    if not value:
        return "nothing"
    if all(0x20 <= byte < 0x7F or byte in b"\n\t" for byte in shown) and not set(shown) <= set(b"\n\t"):
        return f'"{text(shown.decode("ascii"))[1:-1]}{dots}"'
    return f"{shown.hex(' ')}{' ...' if dots else ''}"


def pair(ours: bytes, theirs: bytes) -> str:
    """Two values of a field that differ; of long ones, what stands from the first byte on that does."""
    if max(len(ours), len(theirs)) <= SHOWN:
        return f"{data(ours)} against {data(theirs)}"
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"from byte {at} on {data(ours[at:])} against {data(theirs[at:])}"


def text(value: str) -> str:
    """A name or a line, in quotes, with what cannot be shown escaped."""
    escaped = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return '"' + "".join(each if each.isprintable() and each != '"' else _escaped(each) for each in escaped) + '"'


def _escaped(character: str) -> str:
    return '\\"' if character == '"' else repr(character)[1:-1]


def path(value: str) -> str:
    """A tree path, with what cannot be shown escaped."""
    return "/" + text(value)[1:-1]


def count(number: int, one: str, many: str = "") -> str:
    """`1 block`, `2 blocks`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def attributes(node: Node) -> Mapping[str, str]:
    """What an inode says of itself besides its type and content."""
    fields = {"mode": mode(node.mode), "uid": str(node.uid), "gid": str(node.gid), "mtime": time(node.mtime)}
    if node.type is NodeType.SYMLINK:
        fields["target"] = text(node.target)
    if node.type in (NodeType.CHARACTER, NodeType.BLOCK):
        fields["device"] = f"{node.device[0]}:{node.device[1]}"
    return fields | {f"xattr {name}": data(value) for name, value in sorted(node.xattrs.items())}


def line(error: Exception) -> str:
    """An error in one line, without its hint."""
    return " ".join((error.message if isinstance(error, UserError) else str(error)).split())
