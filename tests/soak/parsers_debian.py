"""Parsers of what packages come from: indexes, locks, lists, tables, maintainer scripts."""

from collections.abc import Callable
from pathlib import Path
from random import Random

from sysimage import tree
from sysimage.deb import Spool, read_debs
from sysimage.debian import index, lock, mirrors, relations
from sysimage.debian.accounts import load_accounts
from sysimage.debian.scripts import load_scripts, parse_scripts, plan
from sysimage.debian.testing import ar, tar
from tests.soak.parser import Parser

_SHA = "0123456789abcdef" * 4
_ACCOUNTS = """# fixed numbers
g root 0
g adm 4
g _ssh 101
u root 0:root
u sync 4:65534
g nogroup 65534
u daemon 1:adm
"""


def read_text(path: Path) -> str:
    """The input as text, whatever bytes it has."""
    return tree.decode(path.read_bytes())


def _text(call: Callable[[str], object]) -> Callable[[Path], object]:
    return lambda path: call(read_text(path))


def fixed(text: str) -> Callable[[Random, Path], bytes]:
    """A sample that is always the same."""
    return lambda _random, _folder: text.encode()


def _packages(random: Random, _folder: Path) -> bytes:
    rows = []
    for number in range(random.choice((1, 3, 30))):
        rows.append(
            f"Package: p{number}\nVersion: 1:{number}.0-1\nArchitecture: amd64\nPriority: required\n"
            f"Provides: x (= {number}), y\nDepends: libc6 (>= 2.4), a | b:any <!nocheck>\n"
            f"Filename: pool/p/p{number}.deb\n"
            f"Size: {number * 1000}\nSHA256: {_SHA}\nDescription: short\n long\n .\n more\n"
        )
    return "\n".join(rows).encode()


def _call_packages(path: Path) -> object:
    for entry in index.parse_packages(read_text(path), "debian", "Packages"):
        for fields, _ in index.parse_stanzas(entry.stanza, "stanza"):
            for group in fields.get("depends", "").split(","):
                list(relations.parse_relations(group))
    return None


_SOURCES = "Types: deb\nURIs: x://a/debian\nSuites: a b\nComponents: main\n"
_RELEASE = f"""Origin: Debian
Suite: stable
Codename: trixie
Date: Sat, 09 Aug 2025 11:14:34 UTC
Valid-Until: Sat, 16 Aug 2025 11:14:34 UTC
Acquire-By-Hash: yes
Architectures: all amd64
Components: main contrib
SHA256:
 {_SHA}   738242 main/binary-amd64/Packages.xz
 {_SHA}       99 main/Contents-all
"""


def _lock(random: Random, _folder: Path) -> bytes:
    names = [f"package-{number}" for number in range(random.choice((1, 3, 20)))]
    indexes = (lock.LockedIndex("debian", "trixie", "2026-09-12T07:55:41Z", _SHA, ("B8B80B5B",)),)
    sets = (lock.LockedSet("base", "", tuple(names)), lock.LockedSet("more", "base", ()))
    packages = tuple(
        lock.LockedPackage(name, "1:2.0-1", "amd64", "debian", f"pool/{name}.deb", 1000, _SHA, ("base",))
        for name in names
    )
    return lock.Lock("amd64", "20261122T021046Z", indexes, sets, packages).to_text().encode()


def _call_lock(path: Path) -> object:
    made = lock.parse_lock(read_text(path), "lock")
    return made.to_text(), [made.closure(each.name) for each in made.sets]


_LIST = """# why each is there
bash  # shell of the console
libc6 # everything

systemd  # first process
"""
_SCRIPTS = f"""
[[script]]
package = "libc6*"
script = "postinst"
sha256 = ["{_SHA}"]
why = "nothing to do"
do = ["directory /var/x 0755 root root", "group adm", "enable ssh.service"]

[[trigger]]
name = "/usr/lib"
why = "ldconfig"
do = ["ldconfig"]
"""
_STATES = ("configure", "abort-upgrade", "abort-deconfigure", "abort-remove")
_POSTINST = """#!/bin/sh
set -e
# Automatically added by dh_installsystemd/13.24.2
if CONDITION ; then
	# The following line should be removed in trixie or trixie+1
	deb-systemd-helper unmask 'ssh.service' >/dev/null || true
	if deb-systemd-helper --quiet was-enabled 'ssh.service'; then
		deb-systemd-helper enable 'ssh.service' >/dev/null || true
	else
		deb-systemd-helper update-state 'ssh.service' >/dev/null || true
	fi
fi
# End automatically added section
# Automatically added by dh_installtmpfiles/13.24.2
if [ "$1" = "configure" ]; then
	if [ -x "$(command -v systemd-tmpfiles)" ]; then
		systemd-tmpfiles ${DPKG_ROOT:+--root="$DPKG_ROOT"} --create x.conf || true
	fi
fi
# End automatically added section
""".replace("CONDITION", " || ".join(f'[ "$1" = "{word}" ]' for word in _STATES))


def _call_script(path: Path) -> object:
    table = parse_scripts(_SCRIPTS, "table")
    scratch = path.with_name("spool")
    scratch.mkdir(exist_ok=True)
    members = [
        ("control", tree.file(b"Package: x\nVersion: 1\nArchitecture: all\n")),
        ("postinst", tree.file(path.read_bytes())),
    ]
    made = ar([("debian-binary", b"2.0\n"), ("control.tar", tar(members)), ("data.tar", tar([]))])
    path.with_name("x.deb").write_bytes(made)
    with Spool(scratch) as spool:
        return plan(read_debs([path.with_name("x.deb")], spool), table)


PARSERS = (
    Parser("packages", _packages, _call_packages, text=True),
    Parser("release", fixed(_RELEASE), _text(lambda text: index.parse_release(text, "Release")), text=True),
    Parser("lock", _lock, _call_lock, text=True),
    Parser("list", fixed(_LIST), _text(lambda text: lock.parse_list(text, "list")), text=True),
    Parser("accounts", fixed(_ACCOUNTS), load_accounts, text=True),
    Parser("scripts", fixed(_SCRIPTS), load_scripts, text=True),
    Parser("script", fixed(_POSTINST), _call_script, text=True),
    Parser("sources-822", fixed(_SOURCES), _text(lambda text: mirrors.parse_deb822(text, "x.sources")), text=True),
    Parser("sources-list", fixed("deb [a=b] x://a/debian stable main\n"), _text(mirrors.parse_one_line), text=True),
)
