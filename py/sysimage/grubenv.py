"""GRUB's environment block: a few variables in a file that GRUB can rewrite in place.

The file is exactly 1024 bytes: a signature line, lines `NAME=VALUE`, then `#` up to the
end. Its size never changes, so GRUB writes its sectors without knowing the filesystem.
In a value, a backslash stands before a backslash and before a line feed.
Source: GRUB manual, "The GRUB environment block"; grub/lib/envblk.h.
"""

from collections.abc import Mapping

from sysimage.errors import UserError

SIZE = 1024
SIGNATURE = b"# GRUB Environment Block\n"


def make(variables: Mapping[str, str]) -> bytes:
    """An environment block with the variables in the order given.

    Raises:
        UserError: a name that cannot be, or more than fits.
    """
    lines = [SIGNATURE]
    for name, value in variables.items():
        if not name or set(name) & set("=\n#\\ ") or not name.isascii():
            raise UserError(f"{name!r} is not a possible name of a GRUB variable")
        escaped = value.replace("\\", "\\\\").replace("\n", "\\\n")
        lines.append(f"{name}={escaped}\n".encode())
    text = b"".join(lines)
    if len(text) > SIZE:
        raise UserError(f"the GRUB environment block would have {len(text)} bytes; it has room for {SIZE}")
    return text + b"#" * (SIZE - len(text))


def parse(data: bytes) -> dict[str, str]:
    """The variables of an environment block, in their order.

    Raises:
        UserError: not an environment block.
    """
    if len(data) != SIZE:
        raise UserError(f"a GRUB environment block has {SIZE} bytes; this file has {len(data)}")
    if not data.startswith(SIGNATURE):
        raise UserError(f"a GRUB environment block begins with {SIGNATURE.decode().strip()!r}; this file does not")
    variables: dict[str, str] = {}
    line = bytearray()
    escaped = False
    for byte in data[len(SIGNATURE) :]:
        if not escaped and byte == ord("\\"):
            escaped = True
        elif not escaped and byte == ord("\n"):
            _add_line(bytes(line), variables)
            line.clear()
        else:
            line.append(byte)
            escaped = False
    if line.strip(b"#") or escaped:
        raise UserError("the GRUB environment block is cut short: its last line does not end")
    return variables


def _add_line(line: bytes, variables: dict[str, str]) -> None:
    if line.startswith(b"#"):
        return
    name, separator, value = line.decode("utf-8", "surrogateescape").partition("=")
    if not separator or not name:
        raise UserError(f"the GRUB environment block has a line {line!r}; NAME=VALUE is expected")
    variables[name] = value
