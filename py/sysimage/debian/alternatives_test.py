"""Alternatives: the best choice is linked, and the administrative file says what there is."""

import pytest

from sysimage.debian.alternatives import Slave, install
from sysimage.debian.testing import listing, root_of
from sysimage.errors import UserError

FILES = {"usr/bin/less": "", "usr/bin/more": "", "usr/share/man/less.1": "", "usr/share/man/more.1": ""}
MAN = "/usr/share/man/pager.1"


def test_the_highest_priority_wins_in_any_order() -> None:
    results = []
    choices = [("more", 50), ("less", 77)]
    for order in (choices, choices[::-1]):
        root = root_of(FILES)
        for name, priority in order:
            slaves = [Slave(MAN, "pager.1", f"/usr/share/man/{name}.1")]
            install(root, "/usr/bin/pager", "pager", f"/usr/bin/{name}", priority, slaves)
        results.append({path: text for path, text in listing(root).items() if path not in FILES})
    assert results[0] == results[1]
    assert results[0] == {
        "etc/alternatives/pager": "-> /usr/bin/less",
        "etc/alternatives/pager.1": "-> /usr/share/man/less.1",
        "usr/bin/pager": "-> /etc/alternatives/pager",
        "usr/share/man/pager.1": "-> /etc/alternatives/pager.1",
        "var/lib/dpkg/alternatives/pager": (
            "auto\n/usr/bin/pager\npager.1\n/usr/share/man/pager.1\n\n"
            "/usr/bin/less\n77\n/usr/share/man/less.1\n/usr/bin/more\n50\n/usr/share/man/more.1\n\n"
        ),
    }


def test_a_slave_that_is_missing_gets_no_link() -> None:
    root = root_of({"usr/bin/a": "", "usr/bin/b": "", "m/b": ""})
    install(root, "/usr/bin/x", "x", "/usr/bin/b", 1, [Slave("/m/x", "x.1", "/m/b")])
    assert root.link_target("m/x") == "/etc/alternatives/x.1"
    install(root, "/usr/bin/x", "x", "/usr/bin/a", 2, [Slave("/m/x", "x.1", "/m/none")])
    assert root.link_target("usr/bin/x") == "/etc/alternatives/x"
    assert root.link_target("m/x") is None
    assert root.link_target("etc/alternatives/x.1") is None


def test_errors() -> None:
    with pytest.raises(UserError, match="alternative x: /usr/bin/none does not exist"):
        install(root_of(), "/usr/bin/x", "x", "/usr/bin/none", 1)
    with pytest.raises(UserError, match="alternative x: /usr/bin/less exists and is no symbolic link"):
        install(root_of(FILES), "/usr/bin/less", "x", "/usr/bin/more", 1)
