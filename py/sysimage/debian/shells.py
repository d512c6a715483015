"""/etc/shells, out of what packages declare, as update-shells makes it.

Each package names its shells in /usr/share/debianutils/shells.d; a shell counts
under the name given and under the one that links in its directory lead to.
Source: update-shells(8).
"""

from sysimage import tree as t
from sysimage.debian.root import Root

TEMPLATE = "usr/share/debianutils/shells"
DIRECTORY = "usr/share/debianutils/shells.d"
STATE = "var/lib/shells.state"
TARGET = "etc/shells"


def update(root: Root) -> None:
    """Writes /etc/shells: what is there and still valid, then what packages add."""
    packaged: dict[str, None] = {}
    for path in (TEMPLATE, *(f"{DIRECTORY}/{name}" for name in root.names(DIRECTORY))):
        for line in root.text(path).splitlines() if root.is_file(path) else ():
            shell = line.partition("#")[0].strip()
            if shell:
                packaged[shell] = None
                packaged["/" + t.join(root.resolve(t.parent(shell)), t.basename(shell))] = None
    earlier = set(root.text(STATE).split()) if root.is_file(STATE) else set()
    lines = []
    for line in root.text(TARGET if root.is_file(TARGET) else TEMPLATE).splitlines():
        shell = line.partition("#")[0].strip()
        if (not shell or shell in packaged or shell not in earlier) and (not shell or line not in lines):
            lines.append(line)
    lines += [shell for shell in packaged if shell not in lines and shell not in earlier]
    root.write(TARGET, "".join(line + "\n" for line in lines))
    root.write(STATE, "".join(shell + "\n" for shell in packaged))
