"""The parts of maintainer scripts that debhelper writes, read as what they do on a first installation.

Such a block stands between `# Automatically added by dh_NAME/VERSION` and `# End automatically
added section`. It is a list of plain commands in plain conditions. Every condition that
debhelper uses has one known value when an image is composed (first installation, no system
running, no DPKG_ROOT), so a block is read line by line: a command in a branch that is taken becomes
an action; a condition, or a command in such a branch, that is not known is an error. Source: debhelper's
manual pages (dh_installsystemd(1) and so on) and deb-systemd-helper(1p).
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_BLOCK = re.compile(
    r"^# Automatically added by (?P<tool>\S+?)(?:/\S*)?[ \t]*\n"
    r"(?P<body>.*?)"
    r"^# End automatically added section[ \t]*\n?",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is done to the tree in place of a script: a word of the vocabulary and its arguments."""

    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return shlex.join((self.name, *self.arguments))


class UnknownBlockError(Exception):
    """A line of a generated block that is not known. `tool` wrote it."""

    def __init__(self, tool: str, line: str) -> None:
        super().__init__(f"block of {tool}: {line}")
        self.tool = tool
        self.line = line


_CONDITIONS: Sequence[tuple[str, bool]] = [
    (r'\[ "\$1" = "?(configure|abort-\w+)"? \](?: \|\| \[ "\$1" = "?abort-\w+"? \])*', True),
    (r'\[ "\$1" = "install" \] && \[ -n "\$2" \] && .*', False),  # back from "config-files": not a first installation
    (r'(?:\[ -z "\$\{?DPKG_ROOT(?::-)?\}?" \] && )?(?:\[ "\$1" = "?\w+"? \] && )?\[ -d /run/systemd/system \]', False),
    (r'\[ -n "\$2" \]', False),
    (r'(?:\[ -z "\$\{?DPKG_ROOT(?::-)?\}?" \])', True),
    (r'(?:\[ -z "\$\{?DPKG_ROOT(?::-)?\}?" \] && )?\[ -x "/etc/init.d/[^"]+" \]', True),
    (r"deb-systemd-helper (?:--user )?(?:--quiet )?(?:--user )?was-enabled '[^']+'", True),
    (r"deb-systemd-helper (?:--user )?(?:--quiet )?(?:--user )?debian-installed '[^']+'", False),
    (r'\[ -x "\$\(command -v systemd-tmpfiles\)" \]', True),
    # Menus and icon caches: nothing in an image is told of either.
    (r'\[ "\$1" = "configure" \] && \[ -x "`command -v update-menus`" \] && .*', False),
    (r"command -v update-icon-caches >/dev/null", False),
    # AppArmor profiles get a file for local additions beside them; the profile itself is loaded at boot.
    (r'\[ -f "\$APP_PROFILE" \]', True),
    (r'test -e "\$LOCAL_APP_PROFILE" \|\|', True),
    (r"aa-enabled --quiet 2>/dev/null", False),
    # Where runit is not the init system, runit-helper makes a directory for logs and does no more.
    (r"\[ ! -e /usr/lib/runit-helper/runit-helper \]", False),
    (r'\[ -z "\$\{DPKG_ROOT:-\}" \] && \[ -x /usr/lib/runit-helper/runit-helper \]', True),
]  # fmt: skip

_QUIET = r"(?: >/dev/null)?(?: \|\| (?:true|exit 1))?"
_Effect = Callable[[Sequence[str]], "Action | None"]


def _nothing(_words: Sequence[str]) -> None:
    return None


def _named(name: str) -> _Effect:
    return lambda words: Action(name, tuple(words))


def _alternative(words: Sequence[str]) -> Action:
    return Action("alternative", tuple(word for word in shlex.split(words[0]) if word != "--slave"))


def _split(name: str) -> _Effect:
    return lambda words: Action(name, tuple(shlex.split(words[0])))


_COMMANDS: Sequence[tuple[str, _Effect]] = [
    (r"deb-systemd-helper(?: --user)? unmask '[^']+'" + _QUIET, _nothing),  # nothing is masked before
    (rf"deb-systemd-helper enable '([^']+)'{_QUIET}", _named("enable")),
    (rf"deb-systemd-helper update-state '([^']+)'{_QUIET}", _named("update-state")),
    (rf"deb-systemd-helper --user enable '([^']+)'{_QUIET}", _named("enable-user")),
    (rf"deb-systemd-helper --user update-state '([^']+)'{_QUIET}", _named("update-state-user")),
    (rf'systemd-sysusers (?:\$\{{DPKG_ROOT:\+--root="\$DPKG_ROOT"\}} )?(.+?){_QUIET}', _split("sysusers")),
    (rf'systemd-tmpfiles (?:\$\{{DPKG_ROOT:\+--root="\$DPKG_ROOT"\}} )?--create (.+?){_QUIET}', _split("tmpfiles")),
    (r"update-alternatives --install (.*)", _alternative),
    (rf"update-rc\.d (\S+) defaults{_QUIET}", _named("init-script")),
    (rf"update-rc\.d (\S+) defaults-disabled{_QUIET}", _named("init-script-disabled")),
    (rf"invoke-rc\.d .*{_QUIET}", _nothing),  # no system is running
    (r"_dh_action=\w+", _nothing),
    # Conffiles and directories moved: on upgrades only.
    (r"dpkg-maintscript-helper (?:rm_conffile|mv_conffile|dir_to_symlink|symlink_to_dir) .*", _nothing),
    (r'(?:LOCAL_)?APP_PROFILE="[^"]+"', _nothing),
    (r'mkdir -p `dirname "\$LOCAL_APP_PROFILE"`', _nothing),
    (
        r"NAME='([^']*)' ENABLE='\w+' ONUPGRADE='\w+' /usr/lib/runit-helper/runit-helper postinst \"\$@\"",
        lambda words: Action("directory", (f"/var/log/runit/{words[0]}", "0755")),
    ),
]  # fmt: skip

_CONDITION_PATTERNS = [(re.compile(pattern), value) for pattern, value in _CONDITIONS]
_COMMAND_PATTERNS = [(re.compile(pattern), effect) for pattern, effect in _COMMANDS]
_IF = re.compile(r"if +(.*?) *; *then")
_PROFILE = re.compile(r'LOCAL_APP_PROFILE="([^"]+)"')


def split(script: str) -> tuple[list[tuple[str, str]], str]:
    """The generated blocks of a script, as (tool, body), and what is left without them."""
    blocks = [(match["tool"], match["body"]) for match in _BLOCK.finditer(script)]
    return blocks, _BLOCK.sub("", script)


def read(tool: str, body: str) -> list[Action]:
    """What a block does on a first installation.

    Raises:
        UnknownBlockError: a line of it is not known.
    """
    actions: list[Action] = []
    live = [True]
    for line in body.replace("\\\n", " ").splitlines():
        line = " ".join(line.split())
        if not line or line.startswith("#"):
            continue
        branch = _IF.fullmatch(line)
        if branch or line.endswith("|| {"):
            condition = branch[1] if branch else line.removesuffix(" {")
            live.append(_value(tool, condition, line) and live[-1])
        elif line == "else":
            live[-1] = not live[-1] and all(live[:-1])
        elif line in ("fi", "}"):
            live.pop()
            if not live:
                raise UnknownBlockError(tool, line)
        elif line.startswith('install --mode 644 /dev/null "$LOCAL_APP_PROFILE"'):
            profile = _PROFILE.search(body)
            if profile and live[-1]:
                actions.append(Action("file", (profile[1], "0644")))
        elif live[-1]:
            action = _command(tool, line)
            if action is not None:
                actions.append(action)
    return actions


def _value(tool: str, condition: str, line: str) -> bool:
    for pattern, value in _CONDITION_PATTERNS:
        if pattern.fullmatch(condition):
            return value
    raise UnknownBlockError(tool, line)


def _command(tool: str, line: str) -> Action | None:
    for pattern, effect in _COMMAND_PATTERNS:
        match = pattern.fullmatch(line)
        if match:
            try:
                return effect(match.groups())
            except ValueError:  # quotes that do not close
                break
    raise UnknownBlockError(tool, line)
