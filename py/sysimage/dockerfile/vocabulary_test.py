"""What the comparison with real programs cannot see: owners, times, accounts, units, capabilities, and the messages."""

from pathlib import Path

import pytest

from sysimage.debian.accounts import AccountsTable, group_ids, user_ids
from sysimage.dockerfile import modes
from sysimage.dockerfile.options import parse
from sysimage.dockerfile.system import CAPABILITIES, encode_capabilities
from sysimage.dockerfile.testing import EPOCH, FakePackages, machine, run_line, small_tree
from sysimage.dockerfile.vocabulary import COMMANDS
from sysimage.errors import UserError
from sysimage.tree import Node, NodeType, Tree, directory, file

HASH = "$6$salt$" + "x" * 86


def system_tree() -> Tree:
    """The small tree with accounts and a unit."""
    tree = small_tree()
    for path in (
        "etc",
        "etc/systemd",
        "etc/systemd/system",
        "usr",
        "usr/lib",
        "usr/lib/systemd",
        "usr/lib/systemd/system",
    ):
        tree.add(path, directory())
    tree.add("etc/passwd", file(b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:50::/home/user:/bin/sh\n"))
    tree.add("etc/group", file(b"root:x:0:\nstaff:x:50:\n"))
    tree.add("etc/shadow", file(b"root:*:1::::::\nuser:!:1::::::\n", 0o640))
    tree.add("etc/gshadow", file(b"root:*::\nstaff:!::\n", 0o640))
    unit = b"[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n"
    tree.add("usr/lib/systemd/system/x.service", file(unit))
    tree.add("usr/lib/systemd/system/multi-user.target", file(b"[Unit]\n"))
    return tree


def after(line: str) -> Tree:
    tree = system_tree()
    run_line(machine(tree), line)
    return tree


def message(line: str) -> str:
    with pytest.raises(UserError) as caught:
        run_line(machine(system_tree(), FakePackages("less")), line)
    return str(caught.value)


def text(tree: Tree, path: str) -> str:
    return machine(tree).read("/" + path).decode()


OWNERS = [
    ("chown user a", "a", (1000, 0)),
    ("chown user:staff a", "a", (1000, 50)),
    ("chown user: a", "a", (1000, 50)),
    ("chown :staff a", "a", (0, 50)),
    ("chown 12:34 a", "a", (12, 34)),
    ("chown -R user d", "d/sub/g", (1000, 0)),
    ("chown user link", "a", (1000, 0)),
    ("chown user link", "link", (0, 0)),
    ("chown -h user link", "link", (1000, 0)),
    ("chown -R user d", "d/up", (1000, 0)),
    ("chown -R user d", "a", (0, 0)),
    ("chgrp staff a", "a", (0, 50)),
    ("install -o user -g staff a b", "b", (1000, 50)),
    ("install -d -o user new/er", "new/er", (1000, 0)),
    ("install -d -o user new/er", "new", (0, 0)),
    ("chown user a && cp a b", "b", (0, 0)),
    ("chown user a && cp -p a b", "b", (1000, 0)),
    ("chown user a && cp -a a b", "b", (1000, 0)),
    ("chgrp 7 g && touch g/new", "g/new", (0, 7)),
    ("chown user a && mv a b", "b", (1000, 0)),
    ("chown user a && sed -i s/one/1/ a", "a", (1000, 0)),
    ("chown user a && echo x > a", "a", (1000, 0)),
]


@pytest.mark.parametrize(("line", "path", "expected"), OWNERS)
def test_owners(line: str, path: str, expected: tuple[int, int]) -> None:
    node = after(line)[path]
    assert (node.uid, node.gid) == expected


def test_a_user_owns_what_it_makes() -> None:
    tree = system_tree()
    on = machine(tree)
    on.uid, on.gid = 1000, 50
    run_line(on, "mkdir p && echo x > p/f && ln -s f p/l && cp a p/c")
    assert {(tree[path].uid, tree[path].gid) for path in ("p", "p/f", "p/l", "p/c")} == {(1000, 50)}


def test_times_are_the_epoch() -> None:
    tree = after("mkdir n && touch n/f && ln -s x n/l && cp a n/c && echo 1 >> a && sed -i s/x/y/ x && cp -p r n/r")
    assert {tree[path].mtime for path in ("n", "n/f", "n/l", "n/c", "a", "x")} == {EPOCH}
    assert tree["n/r"].mtime == 0


def test_chown_clears_what_the_kernel_clears() -> None:
    tree = system_tree()
    node = Node(NodeType.FILE, 0o6755, xattrs={"security.capability": b"x", "user.a": b"y"}, content=tree["a"].content)
    tree.set("a", node)
    tree.change("r", mode=0o2644)
    run_line(machine(tree), "chown user a r g")
    assert (tree["a"].mode, tree["a"].xattrs) == (0o755, {"user.a": b"y"})
    assert tree["r"].mode == 0o2644
    assert tree["g"].mode == 0o2775


def test_root_may_do_what_others_may_not() -> None:
    tree = after("sed -i s/setuid/SUID/ s && cp -f a r && echo more >> r && mv -f x noeol")
    assert (tree["s"].mode, text(tree, "s")) == (0o4755, "SUID\n")
    assert (tree["r"].mode, text(tree, "r")) == (0o444, "one\ntwo\nthree\nmore\n")
    assert text(tree, "noeol") == "#!/bin/sh\n"


def test_xattrs_follow_cp_a_and_mv() -> None:
    tree = system_tree()
    tree.change("a", xattrs={"user.a": b"1"})
    run_line(machine(tree), "cp a b && cp -a a c && mv a m")
    assert [dict(tree[path].xattrs) for path in ("b", "c", "m")] == [{}, {"user.a": b"1"}, {"user.a": b"1"}]


def test_accounts() -> None:
    tree = after(
        "groupadd -g 800 ic && useradd -r -u 800 -g ic -G staff -d /var/lib/ic -s /bin/false -c 'the ic' ic && "
        f"usermod -aG ic user && usermod -p '{HASH}' root && passwd -l user"
    )
    on = machine(tree)
    assert user_ids(on.root)["ic"] == (800, 800)
    assert group_ids(on.root)["ic"] == 800
    assert "ic:x:800:800:the ic:/var/lib/ic:/bin/false\n" in text(tree, "etc/passwd")
    assert "staff:x:50:ic\n" in text(tree, "etc/group")
    assert "ic:x:800:user\n" in text(tree, "etc/group")
    assert f"root:{HASH}:" in text(tree, "etc/shadow")


def test_chpasswd() -> None:
    tree = after(f"echo 'root:{HASH}' | chpasswd -e && printf 'user:*\\n' > p && chpasswd --encrypted < p")
    assert f"root:{HASH}:" in text(tree, "etc/shadow")
    assert "user:*:" in text(tree, "etc/shadow")


def test_a_home_is_made() -> None:
    tree = after("mkdir /home && groupadd ic && useradd -m ic")
    assert (tree["home/ic"].mode, tree["home/ic"].uid, tree["home/ic"].gid) == (0o755, 800, 800)
    tree = after("printf '# x\\nHOME_MODE 0700\\n' > /etc/login.defs && groupadd ic && useradd -m -d /h ic")
    assert tree["h"].mode == 0o700


def test_subordinate_ids_go_to_ordinary_users_where_there_are_files() -> None:
    users = {"one": (1001, 50), "two": (1002, 50), "low": (900, 50)}
    tree = system_tree()
    tree.add("etc/subuid", file(b"old:165536:65536\nodd:5:10\n"))
    on = machine(tree)
    on.accounts = AccountsTable({"staff": 50}, users, "accounts.conf")
    run_line(on, "useradd one && useradd two && useradd low")
    assert text(tree, "etc/subuid") == "old:165536:65536\nodd:5:10\none:100000:65536\ntwo:231072:65536\n"
    assert "etc/subgid" not in tree
    tree.add("etc/subgid", file(b""))
    on.accounts = AccountsTable({"staff": 50}, {"sys": (1003, 50)}, "accounts.conf")
    run_line(on, "useradd -r sys")
    assert text(tree, "etc/subgid") == ""


def test_units() -> None:
    tree = after("systemctl enable x && systemctl set-default multi-user")
    assert tree["etc/systemd/system/multi-user.target.wants/x.service"].target == "/usr/lib/systemd/system/x.service"
    assert tree["etc/systemd/system/default.target"].target == "/usr/lib/systemd/system/multi-user.target"
    tree = after("systemctl enable x.service && systemctl disable x && systemctl mask x")
    assert "etc/systemd/system/multi-user.target.wants/x.service" not in tree
    assert tree["etc/systemd/system/x.service"].target == "/dev/null"


def test_packages() -> None:
    packages = FakePackages("less", "lsof")
    tree = system_tree()
    tree.add("list", file(b"less # pages\n\n# all comment\nlsof   # files\n"))
    run_line(
        machine(tree, packages),
        "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "
        "$(sed 's/#.*//' list) && apt-get clean",
    )
    assert packages.asked == ["less", "lsof"]


# Bytes as the real setcap left them on a file, read with getfattr.
CAPS = [
    ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
    ("cap_net_bind_service,cap_net_raw+ep", "0100000200240000000000000000000000000000"),
    ("cap_net_raw=p", "0000000200200000000000000000000000000000"),
    ("cap_net_raw=eip", "0100000200200000002000000000000000000000"),
    ("cap_bpf=ep", "0100000200000000000000008000000000000000"),
    ("=ep", "01000002ffffffff00000000ff01000000000000"),
]


@pytest.mark.parametrize(("caps", "expected"), CAPS)
def test_capabilities(caps: str, expected: str) -> None:
    assert encode_capabilities(caps).hex() == expected
    tree = after(f"setcap {caps} x")
    assert tree["x"].xattrs["security.capability"].hex() == expected
    assert not after(f"setcap {caps} x && setcap -r x")["x"].xattrs


def test_there_are_41_capabilities() -> None:
    assert (len(CAPABILITIES), CAPABILITIES[12], CAPABILITIES[40]) == (41, "cap_net_admin", "cap_checkpoint_restore")


WORDS = " ".join(sorted([*COMMANDS, "cd", "export", "set", "umask"]))
LANGUAGE = "a RUN line has commands joined by && ; or |, quotes, variables, $(cat ...), $(sed ...), > >> and <"
PLAIN = "write a hash (openssl passwd -6 -salt SALT): a plain password would get a new salt in every build"

BAD = [
    ("make install", f"'make' is not in the vocabulary (hint: it has {WORDS})"),
    ("rm a || true", f"'||' is not supported (hint: {LANGUAGE})"),
    ("rm a &", f"a command in the background (&) is not supported (hint: {LANGUAGE})"),
    ("(rm a)", f"a subshell or function (...) is not supported (hint: {LANGUAGE})"),
    ("if true; then rm a; fi", f"'if' is not supported (hint: {LANGUAGE})"),
    ("for x in a b; do rm $x; done", f"'for' is not supported (hint: {LANGUAGE})"),
    ("echo `cat a`", f"'`' is not supported (hint: {LANGUAGE})"),
    ("echo $((1 + 1))", f"'$((' is not supported (hint: {LANGUAGE})"),
    ("echo $(rm a)", "'rm' in $(...) is not supported (hint: $(...) is for what others wrote: cat, echo, printf, sed)"),
    ("echo $1", f"'$1' is not supported (hint: {LANGUAGE})"),
    ("echo 'a", "a ' is not closed"),
    ('echo "a', 'a " is not closed'),
    ("rm a &&", f"a command is missing after '&&' (hint: {LANGUAGE})"),
    ("echo $UNSET", "variable UNSET is not set (hint: declare it with ARG or ENV, or write ${UNSET:-} for nothing)"),
    ("cat a | rm x", "rm: it does not read its input (hint: use && instead of |)"),
    ("printf %9999d 1", "printf: '%9999d' makes a field that is too long (hint: 4095 characters are the most)"),
    (
        "printf %-5.99999999999999999999s 1",
        "printf: '%-5.9999999999999999' makes a field that is too long (hint: 4095 characters are the most)",
    ),
    ("ls ~", "'~' is not supported (hint: write the folder's name, or quote the ~)"),
    ("rm missing", "rm: 'missing' does not exist (hint: rm -f takes that for done)"),
    ("rm d", "rm: 'd' is a directory (hint: rm -r removes it with its content)"),
    ("rm -rf /", "rm: the root directory cannot be removed"),
    ("cd d && rm -r /d", "rm: /d is the working directory (hint: go elsewhere first (cd /))"),
    (
        "rm -q a",
        "rm: option -q is not supported (hint: supported are -r/-R/--recursive -f/--force -d/--dir -v/--verbose)",
    ),
    ("cp --bogus a b", None),
    ("cp d new", "cp: 'd' is a directory (hint: cp -r copies it with its content)"),
    ("mkdir p/q", "mkdir: 'p/q' cannot be made: /p does not exist (hint: make the directory first)"),
    ("chown nobody a", "chown: unknown user 'nobody': /etc/passwd has no such line (hint: make it with useradd first)"),
    ("chown :none a", "chown: unknown group 'none': /etc/group has no such line (hint: make it with groupadd first)"),
    ("chmod 0888 a", "chmod: mode '0888' is not one (hint: write it like 0644 or u=rw,go=r)"),
    ("install -m u a b", "install: mode 'u' is not one (hint: write it like 0644 or u=rw,go=r)"),
    ("ln -s a x", "ln: 'x' exists already (hint: ln -f replaces it)"),
    ("echo hi > d", "'d' is a directory; it cannot be written"),
    ("sed -i.bak s/a/b/ a", "sed: '-i.bak' would leave a backup (hint: write -i alone, and -E, -n apart from it)"),
    ("sed N a", "sed: in 'N': command 'N' is not supported (hint: it knows s d p a i c y = q and { })"),
    ("sed s/a/b/w a", "sed: in 's/a/b/w': flag 'w' of s is not supported (hint: it knows g, p, i and a number)"),
    ("apt-get install less", "apt-get: install without -y would ask (hint: add -y)"),
    (
        "apt-get install -y less",
        "apt-get: recommended packages are not in the lock (hint: add --no-install-recommends)",
    ),
    ("apt-get install -y --no-install-recommends vim", "apt-get: package 'vim' is not in the lock"),
    (
        "apt-get install -y --no-install-recommends less=1.0",
        "apt-get: 'less=1.0' is more than a package's name (hint: the lock says which version)",
    ),
    (
        "apt-get remove less",
        "apt-get: 'remove' is not supported (hint: it knows update, install, upgrade, autoremove and clean)",
    ),
    (
        "systemctl enable missing",
        "systemctl: unit 'missing.service' does not exist "
        "(hint: its file must be in /etc/systemd/system or /usr/lib/systemd/system)",
    ),
    (
        "systemctl start x",
        "systemctl: 'start' is not supported (hint: it knows enable, disable, mask, unmask, preset and set-default)",
    ),
    (
        "useradd stranger",
        "useradd: user 'stranger', wanted by useradd, is an account without an id "
        "(hint: add 'u stranger UID:GROUP' with a free number to accounts.conf)",
    ),
    (
        "groupadd strangers",
        "groupadd: group 'strangers', wanted by groupadd, is an account without an id "
        "(hint: add 'g strangers GID' with a free number to accounts.conf)",
    ),
    ("groupadd -g 5 ic", "groupadd: group 'ic': 5 was asked for, but accounts.conf says 800"),
    ("groupadd staff", "groupadd: group 'staff' exists already"),
    ("usermod -aG none user", "usermod: group 'none' does not exist; user 'user' cannot become a member"),
    ("usermod -p secret user", f"usermod: 'secret' is no password hash (hint: {PLAIN})"),
    ("echo root:root | chpasswd", f"chpasswd: without -e it makes a hash with a random salt (hint: {PLAIN})"),
    ("passwd root", "passwd: passwd would ask for a password (hint: usermod -p HASH root, or chpasswd -e)"),
    ("adduser someone", "adduser: without --system it would ask (hint: adduser --system, or useradd)"),
    ("setcap cap_bogus=ep x", None),
    ("setcap cap_net_raw=ep missing", "setcap: 'missing' does not exist"),
    ("test -e missing", "test: '-e missing' does not hold"),
    ("set -f", "set: '-f' is not supported (hint: -e, -u, -x and -o pipefail are)"),
    ("chattr +i a", f"'chattr' is not in the vocabulary (hint: it has {WORDS})"),
]


@pytest.mark.parametrize(("line", "expected"), BAD, ids=[each[0] for each in BAD])
def test_messages(line: str, expected: str | None) -> None:
    got = message(line)
    assert got.startswith("Dockerfile:1: RUN: ")
    if expected is not None:
        assert got == "Dockerfile:1: RUN: " + expected


def test_the_line_of_a_long_run_is_named() -> None:
    with pytest.raises(UserError, match=r"^Dockerfile:4: RUN: rm: 'gone' does not exist"):
        run_line(
            machine(system_tree()),
            "touch one && \\\n    # a comment\n    touch two && \\\n    rm gone && \\\n    touch b",
        )


def test_options() -> None:
    options = parse(["-rf", "x", "--mode=7", "-m", "8", "--par", "--", "-y"], "r,R", "f,force", "m,mode=", "p,parents")
    assert options.operands == ["x", "-y"]
    assert options.values("m") == ["7", "8"]
    assert "p" in options
    for words, expected in [
        (["--m"], "option --mode wants a value"),
        (["-m"], "option -m wants a value"),
        (["--force=1"], "option --force takes no value"),
        (["--f"], "option --f is ambiguous"),
    ]:
        with pytest.raises(UserError) as caught:
            parse(words, "f,force", "m,mode=", "full")
        assert caught.value.message == expected


@pytest.mark.parametrize("text", ["", "8", "00007777", "-1", "77777"])
def test_bad_octal(text: str) -> None:
    with pytest.raises(UserError, match="is not octal"):
        modes.parse_octal(text)


def test_every_word_is_documented() -> None:
    guide = Path(__file__).parents[3] / "docs" / "dockerfile.md"
    listed = [line[3:-1] for line in guide.read_text().splitlines() if line.startswith("- `")]
    assert [line for line in listed if "`" not in line] == [COMMANDS[word].usage for word in sorted(COMMANDS)]
