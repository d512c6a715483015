"""Links to init scripts in /etc/rcN.d, as update-rc.d makes them without insserv.

systemd does not look at them where a unit of the same name exists; they are there because Debian's
tools expect them. Source: update-rc.d(8), LSB "Comment Conventions for Init Scripts".
"""

import re

from sysimage.debian.root import Root
from sysimage.errors import UserError

LEVELS = "0123456S"


def enable(root: Root, name: str) -> None:
    """`update-rc.d NAME defaults`.

    Raises:
        UserError: there is no such script.
    """
    _links(root, name, "S")


def disable(root: Root, name: str) -> None:
    """`update-rc.d NAME defaults-disabled`. Errors: as `enable`."""
    _links(root, name, "K")


def _links(root: Root, name: str, start: str) -> None:
    script = f"etc/init.d/{name}"
    if not root.is_file(script):
        raise UserError(f"init script {name!r} does not exist")
    text = root.text(script)
    for level in LEVELS:
        root.directory(f"etc/rc{level}.d")
    for keyword, letter in (("Default-Start", start), ("Default-Stop", "K")):
        match = re.search(rf"^#[ \t]*{keyword}:[ \t]*(.*)$", text, re.MULTILINE)
        for level in match[1].split() if match else ():
            if level in LEVELS:
                root.symlink(f"etc/rc{level}.d/{letter}01{name}", f"../init.d/{name}")
