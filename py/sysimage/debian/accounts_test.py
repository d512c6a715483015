"""Accounts: the table, the files, and what RUN lines change."""

import pytest

from sysimage.debian.accounts import (
    Accounts,
    add_group,
    add_user,
    group_ids,
    modify_user,
    parse_accounts,
    user_ids,
)
from sysimage.debian.root import Root
from sysimage.debian.sysusers import apply, parse
from sysimage.debian.testing import EPOCH, root_of
from sysimage.errors import UserError

TABLE = parse_accounts(
    """
    # comment
    g root 0   # inline
    u root 0:root
    g shadow 42
    g nogroup 65534
    g web 800
    u web 801:web
    g adm 4
    u guest 802:nogroup
    u numeric 803:65534
    """,
    "accounts.conf",
)
DAY = EPOCH // 86400


def base() -> Root:
    return root_of(
        {
            "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
            "etc/group": "root:x:0:\nadm:x:4:\nshadow:x:42:\nnogroup:x:65534:\n",
            "etc/shadow": "root:*:1:0:99999:7:::\n",
            "etc/gshadow": "root:*::\nadm:*::\nshadow:*::\nnogroup:*::\n",
            "etc/skel/.profile": "hello\n",
        }
    )


def test_the_table() -> None:
    assert TABLE.groups == {"root": 0, "shadow": 42, "nogroup": 65534, "web": 800, "adm": 4}
    assert TABLE.users == {"root": (0, 0), "web": (801, 800), "guest": (802, 65534), "numeric": (803, 65534)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x a 1", "t:1: 'x a 1' is neither 'g NAME GID' nor 'u NAME UID:GROUP'"),
        ("g a", "t:1: 'g a' is neither 'g NAME GID' nor 'u NAME UID:GROUP'"),
        ("g a:b 1", "t:1: 'g a:b 1' is neither 'g NAME GID' nor 'u NAME UID:GROUP'"),
        ("g a x", "t:1: 'x' is not a number from 0 to 4294967294"),
        ("g a 4294967295", "t:1: '4294967295' is not a number from 0 to 4294967294"),
        ("g a 1\ng b 1", "t:2: group 'b' or its number 1 stands in the table already"),
        ("g a 1\ng a 2", "t:2: group 'a' or its number 2 stands in the table already"),
        ("g a 1\nu a 1:a\nu b 1:a", "t:3: user 'b' or its number 1 stands in the table already"),
        ("u a 1:b", "t: the group 'b' of user 'a' is not in the table"),
    ],
)
def test_a_bad_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_accounts(text, "t")
    assert error.value.message == message


def test_an_account_without_an_id() -> None:
    with pytest.raises(UserError) as error:
        add_user(base(), TABLE, "stranger")
    assert error.value.message == "user 'stranger', wanted by useradd, is an account without an id"
    assert error.value.hint == "add 'u stranger UID:GROUP' with a free number to accounts.conf"
    with pytest.raises(UserError) as error:
        add_group(base(), TABLE, "strangers")
    assert error.value.message == "group 'strangers', wanted by groupadd, is an account without an id"


def test_add_user_with_its_own_group_and_home() -> None:
    root = base()
    add_user(root, TABLE, "web", home="/var/web", comment="Web", groups=["adm"], create_home=True, system=True)
    assert user_ids(root)["web"] == (801, 800)
    assert group_ids(root)["web"] == 800
    assert root.text("etc/passwd").endswith("web:x:801:800:Web:/var/web:/usr/sbin/nologin\n")
    assert root.text("etc/shadow").endswith(f"web:!:{DAY}::::::\n")
    assert "adm:x:4:web\n" in root.text("etc/group")
    assert "adm:*::web\n" in root.text("etc/gshadow")
    home, profile = root.get("var/web"), root.get("var/web/.profile")
    assert home is not None and (home.mode, home.uid, home.gid) == (0o755, 801, 800)
    assert profile is not None and (profile.uid, profile.gid) == (801, 800)


def test_shadow_files_are_for_their_group_alone() -> None:
    root = base()
    add_user(root, TABLE, "guest")
    for name in ("shadow", "gshadow"):
        node = root.get(f"etc/{name}")
        assert node is not None and (node.mode, node.uid, node.gid) == (0o640, 0, 42)
    assert root.text("etc/shadow").endswith(f"guest:!:{DAY}:0:99999:7:::\n")


def test_modify_user() -> None:
    root = base()
    modify_user(root, "root", password="$6$salt$hash", add_groups=["adm"])
    assert f"root:$6$salt$hash:{DAY}:0:99999:7:::\n" in root.text("etc/shadow")
    modify_user(root, "root", lock=True, shell="/bin/sh", home="/r", comment="R", group="adm")
    assert root.text("etc/passwd") == "root:x:0:4:R:/r:/bin/sh\n"
    assert "root:!$6$salt$hash:" in root.text("etc/shadow")
    modify_user(root, "root", lock=True)
    assert "root:!$6" in root.text("etc/shadow")
    modify_user(root, "root", lock=False, groups=["shadow"])
    assert "root:$6" in root.text("etc/shadow")
    assert "adm:x:4:\nshadow:x:42:root\n" in root.text("etc/group")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: add_user(r, TABLE, "root"), "user 'root' exists already"),
        (lambda r: add_group(r, TABLE, "adm"), "group 'adm' exists already"),
        (lambda r: add_user(r, TABLE, "web", uid=5), "user 'web': uid 5 was asked for, but accounts.conf says 801"),
        (lambda r: add_group(r, TABLE, "web", 5), "group 'web': 5 was asked for, but accounts.conf says 800"),
        (
            lambda r: add_user(r, TABLE, "web", group="adm"),
            "user 'web': group adm was asked for, but accounts.conf says web (800)",
        ),
        (
            lambda r: add_user(r, TABLE, "web", groups=["x"]),
            "group 'x' does not exist; user 'web' cannot become a member",
        ),
        (
            lambda r: add_user(r, TABLE, "web", comment="a:b"),
            "user 'web': the comment 'a:b' contains a colon or a newline",
        ),
        (lambda r: modify_user(r, "none"), "user 'none' does not exist"),
        (
            lambda r: modify_user(r, "root", group="x"),
            "group 'x' does not exist; it cannot be the group of user 'root'",
        ),
        (lambda r: modify_user(r, "root", shell="a:b"), "user 'root': 'a:b' contains a colon or a newline"),
        (lambda r: modify_user(r, "root", password="a:b"), "user 'root': the password contains a colon or a newline"),
    ],
)
def test_bad_requests(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError) as error:
        call(base())
    assert error.value.message == message


def test_a_number_that_is_taken() -> None:
    accounts = Accounts()
    accounts.add_group("a", 1, "x")
    accounts.add_group("a", 1, "x")
    with pytest.raises(UserError, match="group 'a' has the number 1; x wants 2"):
        accounts.add_group("a", 2, "x")
    with pytest.raises(UserError, match="group 'b' wants the number 1, which group 'a' has"):
        accounts.add_group("b", 1, "x")
    with pytest.raises(UserError, match="'no good' is not a possible name of a group"):
        accounts.add_group("no good", 3, "x")


def test_sysusers() -> None:
    root = base()
    root.write(
        "usr/lib/sysusers.d/a.conf",
        '# c\ng adm 4 -\nu! web - "Web server" /srv/web\nm web adm\nr - 500-900\nu guest -:nogroup "" - /bin/sh\n',
    )
    accounts = Accounts.load(root)
    apply(root, accounts, TABLE)
    assert accounts.passwd["web"] == ["web", "x", "801", "800", "Web server", "/srv/web", "/usr/sbin/nologin"]
    assert accounts.passwd["guest"] == ["guest", "x", "802", "65534", "", "/", "/bin/sh"]
    assert accounts.shadow["web"] == ["web", "!*", str(DAY), "", "", "", "", "1", ""]
    assert accounts.group["adm"][3] == "web"
    assert accounts.gshadow["web"] == ["web", "!*", "", ""]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u stranger -", "user 'stranger', wanted by /usr/lib/sysusers.d/a.conf, is an account without an id"),
        ("g strangers -", "group 'strangers', wanted by /usr/lib/sysusers.d/a.conf, is an account without an id"),
        ("g adm 5", "group 'adm': /usr/lib/sysusers.d/a.conf says 5, but accounts.conf says 4"),
        ("u web 5", "user 'web': /usr/lib/sysusers.d/a.conf says 5, but accounts.conf says 801"),
        ("u web -:adm", "user 'web': /usr/lib/sysusers.d/a.conf says group 4, but accounts.conf says 800"),
        ("x y", "/usr/lib/sysusers.d/a.conf:1: not understood as sysusers.d(5): 'x y'"),
        ("u %m -", "/usr/lib/sysusers.d/a.conf:1: not understood as sysusers.d(5): 'u %m -'"),
    ],
)
def test_bad_sysusers(line: str, message: str) -> None:
    root = base()
    root.write("usr/lib/sysusers.d/a.conf", line + "\n")
    with pytest.raises(UserError) as error:
        apply(root, Accounts.load(root), TABLE)
    assert error.value.message == message


def test_sysusers_quotes() -> None:
    assert parse('u a - "A b" -\n', "x")[0].comment == "A b"
    with pytest.raises(UserError, match="x:1: No closing quotation"):
        parse('u a - "A b\n', "x")
