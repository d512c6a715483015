"""PAM's common-* files, out of the profiles of packages, as pam-auth-update makes them.

A profile (/usr/share/pam-configs/NAME) has a priority and, for each kind of stack, lines that
go to the Primary or the Additional block of /etc/pam.d/common-KIND; `end` in a Primary
line stands for the number of lines left in the block. What was chosen is kept
under /var/lib/pam. Source: pam-auth-update(8), the PAM config framework specification.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.text import is_decimal

PROFILES = "usr/share/pam-configs"
TEMPLATES = "usr/share/pam"
STATE = "var/lib/pam"
STACKS = ("auth", "account", "password", "session", "session-noninteractive")
_LINE = re.compile(r"((?:\[[^]]+\]|\w+)\s+\S+)\s*(.*)")


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: its file's name, priority, whether it is on by default, and its fields."""

    name: str
    priority: int
    default: bool
    fields: Mapping[str, str]

    def block(self, stack: str) -> str:
        """`Primary`, `Additional`, or nothing where the profile has no part in the stack."""
        return self.fields.get(_field(stack) + "-Type", "")

    def lines(self, stack: str, first: bool) -> list[str]:
        """The profile's lines; the first of a block may have its own."""
        text = self.fields.get(_field(stack) + "-Initial", "") if first else ""
        return (text or self.fields.get(_field(stack), "")).splitlines()


def _field(stack: str) -> str:
    return stack[0].upper() + stack[1:]


def parse_profile(name: str, text: str) -> Profile:
    """A profile out of its file.

    Raises:
        UserError: it has no usable priority, or begins in the middle of a field.
    """
    fields: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        match = re.fullmatch(r"(\S+):\s+(.*)|(\S+):", line)
        if match:
            current = (match[1] or match[3]).removesuffix("-Final")
            fields[current] = (match[2] or "").strip()
        elif line.strip():
            if not current:
                raise UserError(f"PAM profile {name!r} begins with {line!r}, which belongs to no field")
            fields[current] = f"{fields[current]}\n{line.strip()}".lstrip("\n")
    if fields.get("Session-Interactive-Only") != "yes":
        for part in ("", "-Type", "-Initial"):
            if "Session" + part in fields:
                fields["Session-noninteractive" + part] = fields["Session" + part]
    if not is_decimal(fields.get("Priority", "")):
        raise UserError(f"PAM profile {name!r} has no Priority that is a number")
    return Profile(name, int(fields["Priority"]), fields.get("Default") == "yes", fields)


def update(root: Root) -> None:
    """Writes common-* and the state, with every profile that is on by default.

    Raises:
        UserError: a template is missing or has lost its marks; profiles that exclude each other.
    """
    profiles = [parse_profile(name, root.text(f"{PROFILES}/{name}")) for name in root.names(PROFILES)]
    profiles.sort(key=lambda profile: profile.name, reverse=True)
    profiles.sort(key=lambda profile: -profile.priority)
    enabled = [profile for profile in profiles if profile.default]
    for profile in enabled:
        for other in profile.fields.get("Conflicts", "").split(", "):
            if other in (each.name for each in enabled):
                raise UserError(f"PAM profiles {profile.name!r} and {other!r} exclude each other, and both are on")
    for stack in STACKS:
        root.write(f"etc/pam.d/common-{stack}", _configuration(root, stack, enabled))
        root.write(f"{STATE}/{stack}", _state(stack, enabled))
    root.write(f"{STATE}/seen", "".join(profile.name + "\n" for profile in profiles))


def _configuration(root: Root, stack: str, enabled: Sequence[Profile]) -> str:
    template = f"{TEMPLATES}/common-{stack}"
    lines = []
    found = 0
    for line in root.text(template).splitlines():
        match = re.fullmatch(r"\$\w+_(primary|additional)", line)
        if match:
            found += 1
            lines += _block(stack, match[1].capitalize(), enabled)
        else:
            lines.append(line)
    if found != 2:
        raise UserError(f"/{template} has {found} places for profiles, expected 2")
    return "".join(line + "\n" for line in lines)


def _block(stack: str, block: str, enabled: Sequence[Profile]) -> list[str]:
    kind = stack.partition("-")[0]
    members = [profile for profile in enabled if profile.block(stack) == block]
    lines = [line for index, profile in enumerate(members) for line in profile.lines(stack, index == 0)]
    if not lines and block == "Primary":
        return [f"{kind}\t[default=1]\t\t\tpam_permit.so"]
    left = len(lines) - (block == "Additional")
    result = []
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            raise UserError(f"a PAM profile has a line that is not understood: {line!r}")
        options = " ".join(match[2].split())
        result.append(f"{kind}\t{match[1].replace('end', str(left))} {options}")
        left -= 1
    return result


def _state(stack: str, enabled: Sequence[Profile]) -> str:
    """What was put in, Primary first: `Module: NAME` and the lines as the profile has them."""
    text = ""
    primary = [profile for profile in enabled if profile.block(stack) == "Primary"]
    additional = [profile for profile in enabled if profile.block(stack) == "Additional"]
    if not primary:
        text = "Module: null\n[default=1]\t\t\tpam_permit.so\n"
    for members in (primary, additional):
        for index, profile in enumerate(members):
            text += f"Module: {profile.name}\n" + "".join(line + "\n" for line in profile.lines(stack, index == 0))
    return text
