"""A sound system mentions nothing that it has not; each planted fault is found, with its message."""

from collections.abc import Callable

import pytest

from sysimage.properties import references
from sysimage.properties.testing import OWN_UNITS, UNITS, link, put, sound, system
from sysimage.tree import Tree

OWN = f"{OWN_UNITS}/x.service"


def found(made: Tree) -> list[str]:
    return sorted({str(each) for each in references.references(system(made))})


def test_a_sound_system_mentions_what_it_has() -> None:
    assert found(sound()) == []


def unit(text: str, path: str = OWN) -> Callable[[Tree], None]:
    return lambda made: put(made, path, text)


def script(text: str) -> Callable[[Tree], None]:
    return lambda made: put(made, "opt/bin/x.sh", "#!/bin/sh\n" + text, 0o755)


FAULTS: list[tuple[Callable[[Tree], None], str]] = [
    (
        unit("[Service]\nExecStart=/opt/bin/gone --now\n"),
        f"missing-path /opt/bin/gone: is mentioned by /{OWN}:2 (ExecStart=), and does not exist",
    ),
    (
        unit("[Service]\nExecStartPre=+!/opt/bin/gone\n", f"{UNITS}/base.service.d/10-more.conf"),
        f"missing-path /opt/bin/gone: is mentioned by /{UNITS}/base.service.d/10-more.conf:2 (ExecStartPre=), "
        "and does not exist",
    ),
    (
        unit("[Service]\nExecStart=/etc/own.conf\n"),
        f"not-executable /etc/own.conf: is run by /{OWN}:2 (ExecStart=), and has mode 0644 (file)",
    ),
    (
        unit("[Service]\nExecStart=gone\n"),
        f"missing-command /{OWN}: line 2 runs 'gone', which is on no path",
    ),
    (
        unit("[Service]\nEnvironmentFile=/etc/default/x\n"),
        f"missing-path /etc/default/x: is mentioned by /{OWN}:2 (EnvironmentFile=), and does not exist",
    ),
    (
        unit("[Unit]\n# ours\nRequiresMountsFor=/var/lib/x\n"),
        f"missing-path /var/lib/x: is mentioned by /{OWN}:3 (RequiresMountsFor=), and does not exist",
    ),
    (
        unit("[Unit]\nConditionPathExists=|!/opt/mark\n"),
        f"missing-path /opt/mark: is mentioned by /{OWN}:2 (ConditionPathExists=), and does not exist",
    ),
    (
        unit("[Unit]\nRequires=base.service gone.service\n"),
        f"missing-unit /{OWN}: line 2 (Requires=) needs gone.service, which does not exist",
    ),
    (
        unit("[Service]\nUser=nobody\n"),
        f"missing-account /{OWN}: line 2 (User=) names 'nobody', which no account has",
    ),
    (
        unit("[Service]\nSupplementaryGroups=sudo staff\n"),
        f"missing-account /{OWN}: line 2 (SupplementaryGroups=) names 'staff', which no account has",
    ),
    (
        lambda made: put(made, "etc/fstab", "PARTUUID=1 /data ext4 ro 0 2\n"),
        "missing-path /data: is mentioned by /etc/fstab:1, and does not exist",
    ),
    (
        lambda made: put(made, "etc/fstab", "PARTUUID=1 /boot ext4 ro,x-systemd.requires=gone.service 0 2\n"),
        "missing-unit /etc/fstab: line 1 (x-systemd.requires=) needs gone.service, which does not exist",
    ),
    (
        lambda made: put(made, "etc/fstab", "\n/dev/x /boot\n"),
        "missing-path /etc/fstab: line 2 has 2 fields, not the 3 at least",
    ),
    (
        lambda made: put(made, "etc/sudoers.d/x", "ghost ALL=(ALL) ALL\n", 0o440),
        "missing-account /etc/sudoers.d/x: line 1 is for 'ghost', which no account has",
    ),
    (
        lambda made: put(made, "etc/sudoers.d/x", "admin ALL=NOPASSWD: /opt/bin/gone\n", 0o440),
        "missing-path /opt/bin/gone: is mentioned by /etc/sudoers.d/x:1, and does not exist",
    ),
    (
        lambda made: put(made, "etc/udev/rules.d/x.rules", 'KERNEL=="x", RUN+="helper %k"\n'),
        "missing-path /usr/lib/udev/helper: is mentioned by /etc/udev/rules.d/x.rules:1, and does not exist",
    ),
    (
        lambda made: put(made, "etc/udev/rules.d/x.rules", 'KERNEL=="x", GROUP="kvm"\n'),
        "missing-account /etc/udev/rules.d/x.rules: line 1 names 'kvm', which no account has",
    ),
    (
        lambda made: link(made, "etc/x", "../usr/share/x"),
        "dangling-link /etc/x: is a link to ../usr/share/x, which does not exist",
    ),
    (lambda made: link(made, "etc/x", "x"), "dangling-link /etc/x: is a link to x, which does not exist"),
    (
        lambda made: put(made, "usr/bin/x", "#!/usr/bin/python3 -I\n", 0o755),
        "missing-path /usr/bin/python3: is mentioned by the first line of /usr/bin/x, and does not exist",
    ),
    (
        lambda made: put(made, "usr/bin/x", "#!/usr/bin/env -S lua\n", 0o755),
        "missing-command /usr/bin/x: its first line runs 'lua', which is on no path",
    ),
    (
        script("if ! mkfs.gone /dev/vda; then exit 1; fi\n"),
        "missing-command /opt/bin/x.sh: line 2 runs 'mkfs.gone', which is on no path",
    ),
    (script('x="$(gone --now)"\n'), "missing-command /opt/bin/x.sh: line 2 runs 'gone', which is on no path"),
    (
        script("cat /etc/gone.conf\n"),
        "missing-path /etc/gone.conf: is mentioned by /opt/bin/x.sh:2, and does not exist",
    ),
    (
        script("\ncat < /etc/gone.conf\n"),
        "missing-path /etc/gone.conf: is mentioned by /opt/bin/x.sh:3, and does not exist",
    ),
    (script("DIR=/opt/gone\n"), "missing-path /opt/gone: is mentioned by /opt/bin/x.sh:2, and does not exist"),
]


@pytest.mark.parametrize(("plant", "message"), FAULTS, ids=[message.partition(": ")[0] for _, message in FAULTS])
def test_a_planted_fault_is_found(plant: Callable[[Tree], None], message: str) -> None:
    made = sound()
    plant(made)
    assert found(made) == [message]


@pytest.mark.parametrize(
    "plant",
    [
        # It may fail, comes from the environment, or is made at boot.
        unit("[Service]\nExecStart=-/opt/bin/gone\nExecStop=$PROGRAM\nEnvironmentFile=-/etc/gone\nUser=%i\n"),
        unit("[Unit]\nRequiresMountsFor=/run/x /proc/x\nRequires=dev-x.device x.mount -.slice\n"),
        unit("[Service]\nDynamicUser=yes\nUser=made-up\n"),
        # A mask and an empty setting name nothing.
        lambda made: link(made, OWN, "/dev/null"),
        unit("[Service]\nExecStart=\nExecStart=/usr/bin/tool\n"),
        lambda made: link(made, "etc/x", "/proc/self/mounts"),
        # Another package's conditions say what may be missing.
        script("cat << END\ngone /etc/gone\nEND\ncat <<-'E N'\n"),
        script('case "$1" in\n    gone | other) cat "$1" ;;\n    *) exit 1 ;;\nesac\n'),
        script("own() {\n    cat /etc/own.conf\n}\nown # gone /etc/gone\n"),
        script(
            'x=$((1 + 2)) y=${z:-/etc/gone} cat "/etc/${y}" "$x/gone" 2> /dev/null | cat\n'
            'for f in a b; do cat "$f"; done\n'
        ),
        script("sed_is_no_path='/gone/d'\nexec cat /etc/own.conf\n`cat /etc/own.conf` || true\n"),
    ],
)
def test_what_is_right_is_not_found(plant: Callable[[Tree], None]) -> None:
    made = sound()
    plant(made)
    assert found(made) == []
