"""Packages installed: the tree, the accounts and the database that come out."""

import hashlib
from pathlib import Path

import pytest

from sysimage import tree as t
from sysimage.deb import Spool
from sysimage.debian import database, relations, shells, sysv
from sysimage.debian.accounts import AccountsTable, parse_accounts
from sysimage.debian.install import Options, install, mark_manual
from sysimage.debian.root import Root
from sysimage.debian.scripts import parse_scripts
from sysimage.debian.testing import EPOCH, deb_bytes, read, root_of
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import Tree

ACCOUNTS = parse_accounts("g root 0\nu root 0:root\ng shadow 42\ng web 800\nu web 800:web\n", "accounts.conf")
BASE_SCRIPT = "#!/bin/sh\nbase\n"
WEB_SCRIPT = "#!/bin/sh\nweb\n"
BASE = deb_bytes(
    "base-passwd",
    [
        ("usr/share/base-passwd/passwd.master", t.file(b"root:*:0:0:root:/root:/bin/bash\n")),
        ("usr/share/base-passwd/group.master", t.file(b"root:*:0:\nshadow:*:42:\n")),
    ],
    {"postinst": BASE_SCRIPT},
    Essential="yes",
)
WEB = deb_bytes(
    "web",
    [
        ("etc/web.conf", t.file(b"configuration\n")),
        ("usr/bin/web", t.file(b"program", 0o755)),
        ("usr/lib/sysusers.d/web.conf", t.file(b'u web - "Web server" /srv/web\n')),
        ("usr/lib/systemd/system/web.service", t.file(b"[Install]\nWantedBy=multi-user.target\n")),
    ],
    {
        "conffiles": "/etc/web.conf\nremove-on-upgrade /etc/old.conf\n",
        "postinst": WEB_SCRIPT,
        "triggers": "interest-noawait /srv/web\ninterest web-changed\n",
        "md5sums": "0 usr/bin/web\n",
    },
    Multi_Arch="same",
    Section="net",
    Priority="optional",
    Depends="base-passwd",
    Homepage="https://example.org",
)
MD5 = hashlib.md5(b"configuration\n", usedforsecurity=False).hexdigest()
SCRIPTS = parse_scripts(
    f"""
    [[script]]
    package = "base-passwd"
    script = "postinst"
    sha256 = "{hashlib.sha256(BASE_SCRIPT.encode()).hexdigest()}"
    why = "accounts"
    do = ["base-accounts /usr/share/base-passwd/passwd.master /usr/share/base-passwd/group.master"]

    [[script]]
    package = "web"
    script = "postinst"
    sha256 = "{hashlib.sha256(WEB_SCRIPT.encode()).hexdigest()}"
    why = "web"
    do = [
      "member root shadow",
      "divert /usr/bin/other /usr/bin/other.web",
      "directory /srv/web 0750 web web",
      "file /srv/web/log 0640 web web",
      "statoverride root web 4754 /usr/bin/web",
      "enable web.service",
      "ucf /etc/web.conf /etc/web.copy",
      "copy /usr/bin/web /usr/bin/web2",
      "mode /usr/bin/web2 0700 web web",
      "symlink web /usr/bin/www",
      "directory-to-symlink /var/www /srv/web",
      "capabilities /usr/bin/web2 0100000200040000000000000000000000000000",
    ]

    [[trigger]]
    name = "/srv/web"
    why = "nothing"

    [[trigger]]
    name = "web-changed"
    why = "nothing"
    """,
    "scripts.toml",
)


def installed(
    folder: Path, *steps: list[bytes], accounts: AccountsTable = ACCOUNTS, options: Options | None = None
) -> tuple[Root, dict[str, str]]:
    with Spool(folder) as spool:
        root = Root(Tree(), spool.sources, EPOCH * t.NANOSECONDS)
        for packages in steps:
            install(root, read(folder, spool, *packages), SCRIPTS, accounts, options)
        texts = {path: root.text(path) for path, node in root.tree.walk() if node.type is t.NodeType.FILE}
        return root, texts


def attributes(root: Root, path: str) -> tuple[int, int, int]:
    node = root.get(path)
    assert node is not None
    return node.mode, node.uid, node.gid


def test_what_scripts_would_have_done_is_done(tmp_path: Path) -> None:
    root, files = installed(tmp_path, [WEB, BASE])
    assert files["etc/passwd"] == (
        "root:x:0:0:root:/root:/bin/bash\nweb:x:800:800:Web server:/srv/web:/usr/sbin/nologin\n"
    )
    assert files["etc/group"] == "root:x:0:\nshadow:x:42:root\nweb:x:800:\n"
    assert attributes(root, "etc/shadow") == (0o640, 0, 42)
    assert attributes(root, "srv/web") == (0o750, 800, 800)
    assert attributes(root, "srv/web/log") == (0o640, 800, 800)
    assert attributes(root, "usr/bin/web") == (0o4754, 0, 800)
    assert attributes(root, "usr/bin/web2") == (0o700, 800, 800)
    assert root.tree["usr/bin/web2"].xattrs["security.capability"][:4] == b"\1\0\0\2"
    links = {path: node.target for path, node in root.tree.walk() if node.target}
    assert links == {
        "etc/systemd/system/multi-user.target.wants/web.service": "/usr/lib/systemd/system/web.service",
        "usr/bin/www": "web",
        "var/www": "/srv/web",
    }
    assert files["var/lib/ucf/registry"] == "web \t /etc/web.copy\n"
    assert files["var/lib/ucf/hashfile"] == f"{MD5}  /etc/web.copy\n"


def test_the_database(tmp_path: Path) -> None:
    _, files = installed(tmp_path, [WEB, BASE])
    assert files["var/lib/dpkg/status"].split("\n\n")[1] == (
        "Package: web\nStatus: install ok installed\nPriority: optional\nSection: net\n"
        "Maintainer: Nobody <n@example.org>\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\nDepends: base-passwd\n"
        f"Conffiles:\n /etc/web.conf {MD5}\n /etc/old.conf newconffile remove-on-upgrade\n"
        "Description: a package for tests\nHomepage: https://example.org"
    )
    assert files["var/lib/dpkg/info/web:amd64.list"].splitlines()[:4] == ["/.", "/etc", "/usr", "/usr/bin"]
    assert files["var/lib/dpkg/info/web:amd64.md5sums"] == "0 usr/bin/web\n"
    assert files["var/lib/dpkg/triggers/File"] == "/srv/web web:amd64/noawait\n"
    assert files["var/lib/dpkg/triggers/web-changed"] == "web:amd64\n"
    assert files["var/lib/dpkg/statoverride"] == "root web 4754 /usr/bin/web\n"
    assert files["var/lib/dpkg/diversions"] == "/usr/bin/other\n/usr/bin/other.web\nweb\n"
    assert "var/lib/dpkg/arch" not in files  # dpkg writes it when a foreign architecture is added


def test_the_database_has_no_lists_of_nothing(tmp_path: Path) -> None:
    _, files = installed(tmp_path, [BASE])
    assert "var/lib/dpkg/status" in files
    assert not {"var/lib/dpkg/diversions", "var/lib/dpkg/statoverride"} & {*files}


def test_two_steps_give_what_one_gives(tmp_path: Path) -> None:
    one, files = installed(tmp_path, [BASE, WEB])
    two, files2 = installed(tmp_path, [BASE], [WEB], [BASE, WEB])
    assert files == files2
    assert [(path, attributes(one, path)) for path, node in one.tree.walk() if not node.target] == [
        (path, attributes(two, path)) for path, node in two.tree.walk() if not node.target
    ]


def test_the_order_of_packages_decides_nothing(tmp_path: Path) -> None:
    assert installed(tmp_path, [BASE, WEB])[1] == installed(tmp_path, [WEB, BASE])[1]


@pytest.mark.parametrize(
    ("later", "made"),
    [
        (deb_bytes("x", [("usr/lib/cached/a/b", t.file(b""))]), ["cache/path"]),
        (deb_bytes("x", [("usr/lib/cached", t.file(b""))]), ["cache/path"]),
        (deb_bytes("x", [("usr/lib/cached2", t.file(b""))]), []),
        (deb_bytes("x", [], {"triggers": "activate-noawait cached\n"}), ["cache/name"]),
        (deb_bytes("x", [], {"triggers": "activate-noawait other\n# activate cached\n"}), []),
    ],
)
def test_a_package_that_comes_later_activates_triggers(tmp_path: Path, later: bytes, made: list[str]) -> None:
    table = parse_scripts(
        """
        [[trigger]]
        name = "/usr/lib/cached"
        why = "a cache of files"
        do = ["file /cache/path 0644"]

        [[trigger]]
        name = "cached"
        why = "a cache of something else"
        do = ["file /cache/name 0644"]
        """,
        "scripts.toml",
    )
    cache = deb_bytes("cache", [], {"triggers": "interest-noawait /usr/lib/cached\ninterest cached\n"})
    with Spool(tmp_path) as spool:
        root = Root(Tree(), spool.sources, EPOCH * t.NANOSECONDS)
        install(root, read(tmp_path, spool, cache), table, ACCOUNTS)
        root.remove("cache")
        install(root, read(tmp_path, spool, later), table, ACCOUNTS)
    assert [path for path, _ in root.tree.walk() if path.startswith("cache/")] == made


def test_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        installed(tmp_path, [BASE], [deb_bytes("base-passwd", Version="2")])
    assert error.value.message == "package base-passwd 2 cannot be installed: 1 is there already"
    assert error.value.hint == "the layers of an image must come from one lock"


def test_a_package_comes_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="package base-passwd is given 2 times"):
        installed(tmp_path, [BASE, BASE])


def test_automatic_packages_are_marked(tmp_path: Path) -> None:
    _, files = installed(tmp_path, [BASE, WEB], options=Options(automatic=["base-passwd", "other"]))
    assert files["var/lib/apt/extended_states"] == "Package: base-passwd\nArchitecture: amd64\nAuto-Installed: 1\n\n"


def test_packages_that_were_asked_for_lose_their_mark(tmp_path: Path) -> None:
    marks = "".join(f"Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n" for name in "ab")
    with Sources({}) as sources:
        root = Root(Tree(), sources, EPOCH * t.NANOSECONDS)
        mark_manual(root, ["a"])
        assert not root.is_file("var/lib/apt/extended_states")
        root.write("var/lib/apt/extended_states", marks)
        mark_manual(root, ["c"])
        assert root.text("var/lib/apt/extended_states") == marks
        mark_manual(root, ["a", "c"])
        assert root.text("var/lib/apt/extended_states") == marks[marks.index("Package: b") :]


def test_an_account_without_an_id_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        installed(tmp_path, [BASE, WEB], accounts=parse_accounts("g root 0\nu root 0:root\ng shadow 42\n", "t"))
    assert error.value.message == "user 'web', wanted by /usr/lib/sysusers.d/web.conf, is an account without an id"


def test_static_numbers_must_agree(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="group 'shadow': package base-passwd says 42, but t says 43"):
        installed(tmp_path, [BASE], accounts=parse_accounts("g root 0\nu root 0:root\ng shadow 43\n", "t"))


def test_nobody_becomes_a_member_who_is_not_there(tmp_path: Path) -> None:
    script = "#!/bin/sh\nadduser someone shadow\n"
    table = parse_scripts(
        f"""
        [[script]]
        package = "x"
        script = "postinst"
        sha256 = "{hashlib.sha256(script.encode()).hexdigest()}"
        why = "a member"
        do = ["member someone shadow"]
        """,
        "scripts.toml",
    )
    with Spool(tmp_path) as spool, pytest.raises(UserError) as error:
        root = Root(Tree(), spool.sources, EPOCH * t.NANOSECONDS)
        install(root, read(tmp_path, spool, deb_bytes("x", [], {"postinst": script})), table, ACCOUNTS)
    assert error.value.message == "package x: user 'someone' does not exist"


def test_what_fails_in_place_of_a_script_names_the_package(tmp_path: Path) -> None:
    script = (
        "#!/bin/sh\n# Automatically added by dh_installsystemd/13\n"
        "deb-systemd-helper enable 'none.service'\n# End automatically added section\n"
    )
    with pytest.raises(UserError) as error:
        installed(tmp_path, [BASE, deb_bytes("x", [], {"postinst": script})])
    assert error.value.message == "package x (postinst): unit 'none.service' does not exist"


def test_a_conffile_must_be_in_the_package(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="package x names the conffile /etc/x, but does not contain it"):
        installed(tmp_path, [BASE, deb_bytes("x", [], {"conffiles": "/etc/x\n"})])


def test_only_packages_for_every_architecture(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none of the packages has an architecture"):
        installed(tmp_path, [deb_bytes("x", Architecture="all")])


def test_a_damaged_database_is_named() -> None:
    with pytest.raises(UserError, match=r"/var/lib/dpkg/status is damaged: a control file has a line that is no field"):
        database.load(root_of({"var/lib/dpkg/status": "nonsense\n"}))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1", "1", 0),
        ("1.0", "1.0-0", 0),
        ("1.0~rc1", "1.0", -1),
        ("1.0", "1.0+b1", -1),
        ("1.0a", "1.0+", -1),
        ("1:0.1", "2", 1),
        ("1.10", "1.9", 1),
        ("1.2-3", "1.2-3+deb13u1", -1),
        ("1.0~~", "1.0~", -1),
        ("1.01", "1.1", 0),
    ],
)
def test_versions(one: str, other: str, expected: int) -> None:
    assert relations.compare_versions(one, other) == expected
    assert relations.compare_versions(other, one) == -expected


def test_relations() -> None:
    assert list(relations.parse_relations("a, b (>= 1:2) | c:any (<< 3~) [amd64], d(=1)")) == [
        ("a", "", ""),
        ("b", ">=", "1:2"),
        ("c", "<<", "3~"),
        ("d", "=", "1"),
    ]


def test_shells() -> None:
    root = root_of(
        {
            "bin": t.symlink("usr/bin"),
            "usr/bin/sh": "",
            "etc/shells": "# head\n/bin/sh\n/local\n/gone\n",
            "usr/share/debianutils/shells": "/bin/sh\n",
            "usr/share/debianutils/shells.d/bash": "/bin/bash # c\n/usr/bin/bash\n",
            "var/lib/shells.state": "/bin/sh\n/gone\n",
        }
    )
    shells.update(root)
    assert root.text("etc/shells") == "# head\n/bin/sh\n/local\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n"


def test_init_scripts() -> None:
    root = root_of(
        {"etc/init.d/x": "### BEGIN INIT INFO\n# Default-Start:     2 3\n# Default-Stop:  0\n### END INIT INFO\n"}
    )
    sysv.enable(root, "x")
    links = {path: node.target for path, node in root.tree.walk() if node.target}
    assert links == {f"etc/rc{name}x": "../init.d/x" for name in ("0.d/K01", "2.d/S01", "3.d/S01")}
    with pytest.raises(UserError, match="init script 'y' does not exist"):
        sysv.disable(root, "y")
