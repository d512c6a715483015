"""A sound system has nothing unexpected; each planted fault is found, with its message."""

import gzip
from collections.abc import Callable

import pytest

from sysimage import tree
from sysimage.extents import ExtentMap
from sysimage.properties import unexpected
from sysimage.properties.contents import look_at
from sysimage.properties.testing import put, sound, system
from sysimage.tree import Node, NodeType, Tree

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----\n"


def found(made: Tree, host: str = "") -> list[str]:
    target = system(made)
    return [
        str(each)
        for each in (*unexpected.rights(target), *unexpected.leftovers(target), *unexpected.traces(target, host))
    ]


def test_a_sound_system_has_nothing_unexpected() -> None:
    assert found(sound(), "builder-17") == []


FAULTS: list[tuple[Callable[[Tree], None], str]] = [
    (
        lambda made: put(made, "usr/bin/x", "x", 0o4755),
        "setuid /usr/bin/x: runs as its owner, whoever starts it (setuid, mode 4755, owner 0:0)",
    ),
    (
        lambda made: put(made, "usr/bin/x", "x", 0o2755, 0, 27),
        "setgid /usr/bin/x: runs as its group, whoever starts it (setgid, mode 2755, owner 0:27)",
    ),
    (
        lambda made: made.add(
            "usr/bin/x", Node(NodeType.FILE, 0o755, xattrs={"security.capability": CAPABILITY}, content=ExtentMap(0))
        ),
        "capability /usr/bin/x: has rights of root, whoever starts it "
        "(capability=cap_net_raw+ep, mode 0755, owner 0:0)",
    ),
    (
        lambda made: put(made, "etc/x", "x", 0o666),
        "world-writable /etc/x: can be written by everybody (world-writable, mode 0666, owner 0:0)",
    ),
    (
        lambda made: made.add("open", tree.directory(0o1777)),
        "world-writable /open: can be written by everybody (world-writable-sticky, mode 1777, owner 0:0)",
    ),
    (
        lambda made: made.add("x", Node(NodeType.CHARACTER, 0o600, device=(1, 3))),
        "device /x: is a char device or the like; those are made at run time (char, mode 0600, owner 0:0)",
    ),
    (lambda made: put(made, "etc/x", "x", 0o644, 1000), "unowned /etc/x: is of 1000:0, which no account has"),
    (
        lambda made: made.add(
            "x", Node(NodeType.FILE, 0o600, xattrs={"system.posix_acl_access": b"\2"}, content=ExtentMap(0))
        ),
        "acl /x: has an access control list (system.posix_acl_access); modes say less than is granted",
    ),
    (
        lambda made: made.add("x", Node(NodeType.FILE, 0o600, xattrs={"user.build": b"1"}, content=ExtentMap(0))),
        "xattr /x: has the extended attribute user.build",
    ),
    (
        lambda made: put(made, "etc/ssh/ssh_host_rsa_key.pub", "x"),
        "machine-state /etc/ssh/ssh_host_rsa_key.pub: belongs to one machine; it must be made at first boot",
    ),
    (
        lambda made: put(made, "var/lib/systemd/random-seed", "x"),
        "machine-state /var/lib/systemd/random-seed: belongs to one machine; it must be made at first boot",
    ),
    (
        lambda made: put(made, "etc/machine-id", "0123\n"),
        "machine-state /etc/machine-id: has 5 bytes; every machine would have this id",
    ),
    (
        lambda made: made.remove("etc/machine-id"),
        "machine-state /etc/machine-id: is missing; systemd needs an empty file to mount one over",
    ),
    (
        lambda made: put(made, "var/log/dpkg.log", "installed\n"),
        "log /var/log/dpkg.log: is a log of 10 bytes; logs begin at first boot",
    ),
    (
        lambda made: put(made, "var/cache/ldconfig/aux-cache", "x"),
        "cache /var/cache/ldconfig/aux-cache: is a cache or a temporary file; the image must not have it",
    ),
    (
        lambda made: put(made, "usr/lib/x/__pycache__/x.cpython-313.pyc", "x"),
        "cache /usr/lib/x/__pycache__/x.cpython-313.pyc: is a cache or a temporary file; the image must not have it",
    ),
    (
        lambda made: put(made, "etc/passwd-", "x"),
        "backup /etc/passwd-: is a backup that a program left; the image must not have it",
    ),
    (
        lambda made: put(made, "root/.ssh/authorized_keys", "ssh-ed25519 AAAA\n"),
        "authorized-keys /root/.ssh/authorized_keys: lets somebody in; keys come with the configuration of a machine",
    ),
]


@pytest.mark.parametrize(("plant", "message"), FAULTS, ids=[message.partition(":")[0] for _, message in FAULTS])
def test_a_planted_fault_is_found(plant: Callable[[Tree], None], message: str) -> None:
    made = sound()
    plant(made)
    assert found(made) == [message]


def test_the_name_of_the_composing_machine_is_found_as_a_word() -> None:
    made = sound()
    put(made, "etc/mailname", "builder-17.example.org\n")
    put(made, "etc/other", "builder-170\n")
    assert found(made, "builder-17") == [
        "build-trace /etc/mailname: names the machine 'builder-17', which composed the image"
    ]
    # Too short to be told from a word, or the image's own name.
    assert found(made, "b") == found(made, "example") == []


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        "before " + KEY.replace("OPENSSH ", "RSA ") + " after",
        KEY.replace("OPENSSH PRIVATE KEY-----\n", "EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n"),
        KEY.replace("OPENSSH ", "PGP ").replace("KEY-----", "KEY BLOCK-----"),
        KEY.replace("\n", "\\n"),
        "PuTTY-User-Key-File-3: ssh-ed25519\n",
        "AGE-SECRET-KEY-1" + "Q" * 58,
    ],
)
def test_private_keys_are_found_wherever_they_stand(text: str) -> None:
    assert len(look_at(text.encode()).private_keys) == 1
    assert len(look_at(b"\0" * 99999 + text.encode() + b"\0" * 99999).private_keys) == 1
    assert len(look_at(gzip.compress(text.encode())).private_keys) == 1


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\n\0-----END OPENSSH PRIVATE KEY-----\n",
        KEY.replace("PRIVATE", "PUBLIC"),
        "-----BEGIN CERTIFICATE-----\nMIIFazCCA1OgAwIBAgIRAIIQz7DSQONZRGPgu2OCiwAwDQYJKoZIhvcNAQELBQAw\n",
    ],
)
def test_what_only_looks_like_a_private_key_is_none(text: str) -> None:
    assert look_at(text.encode()).private_keys == ()


def test_folders_of_the_build_are_found() -> None:
    assert look_at(b"see /home/u/execroot/_main/x.py\n").build_places == ("/home/u/execroot/_main/x.py",)
    assert look_at(b"nothing of the build\n").build_places == ()


def test_what_is_named_like_an_archive_and_is_none_is_looked_at_as_it_is() -> None:
    assert len(look_at(b"\x1f\x8b\x08" + KEY.encode()).private_keys) == 1
    assert len(look_at(b"\x28\xb5\x2f\xfd" + KEY.encode()).private_keys) == 1
