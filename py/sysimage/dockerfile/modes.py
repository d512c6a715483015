"""File modes as chmod(1) reads them: octal, and symbolic such as `u=rwX,go-w`.

Source: POSIX.1-2017, chmod; GNU coreutils manual, "File permissions", for what
is its own: on a directory, an octal mode of up to four digits leaves set-user-ID and set-group-ID alone.
"""

import re

from sysimage.errors import UserError

_OCTAL = re.compile(r"[0-7]{1,5}$")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$")
_ACTION = re.compile(r"([-+=])([ugo](?![ugorwxXst])|[rwxXst]*)")
_SETID = 0o6000
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "t": 0o1000}


def parse_octal(text: str) -> int:
    """An octal mode.

    Raises:
        UserError: not one to four octal digits (or a 0 and four).
    """
    if not _OCTAL.match(text) or int(text, 8) > 0o7777:
        raise UserError(f"mode {text!r} is not octal", hint="write it like 0644")
    return int(text, 8)


def change(text: str, old: int, is_directory: bool, umask: int = 0o022) -> int:
    """The mode that `text` makes out of `old`.

    Raises:
        UserError: neither octal nor symbolic.
    """
    if _OCTAL.match(text):
        new = parse_octal(text)
        keeps = is_directory and len(text) < 5
        return new | (old & _SETID) if keeps else new
    mode = old
    for clause in text.split(","):
        match = _CLAUSE.match(clause)
        if not match:
            raise UserError(f"mode {text!r} is not one", hint="write it like 0644 or u=rw,go=r")
        for operator, what in _ACTION.findall(match[2]):
            mode = _apply(mode, match[1], operator, what, is_directory, umask)
    return mode


def _apply(mode: int, who: str, operator: str, what: str, is_directory: bool, umask: int) -> int:
    everyone = not who
    if "a" in who or everyone:
        who = "ugo"
    reach = 0
    for each in who:
        reach |= _WHO[each]
    if what and what in "ugo":
        source = mode >> {"u": 6, "g": 3, "o": 0}[what] & 7
        bits = source * 0o111 & reach
    else:
        bits = 0
        for each in what:
            if each == "X":
                bits |= 0o111 if is_directory or mode & 0o111 else 0
            elif each == "s":
                bits |= _SETID
            else:
                bits |= _BITS[each]
        bits &= reach | (0o1000 if what and "t" in what and everyone else 0)
    if everyone:
        bits &= ~umask
    match operator:
        case "+":
            return mode | bits
        case "-":
            return mode & ~bits
    # `=` leaves a directory's set-ID bits alone unless they are named.
    cleared = reach & ~(_SETID if is_directory and "s" not in what else 0)
    if everyone:
        cleared |= 0o1000 if not is_directory or "t" in what else 0
    return mode & ~cleared | bits
