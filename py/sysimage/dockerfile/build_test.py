"""Whole Dockerfiles: the parser, COPY, the image configuration, and the messages."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysimage.dockerfile.build import Inputs, build
from sysimage.dockerfile.config import ImageConfig, load_config
from sysimage.dockerfile.copy_instruction import Context
from sysimage.dockerfile.parser import parse
from sysimage.dockerfile.testing import ACCOUNTS, FakePackages, machine
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import Tree, directory, file, symlink

NAMES = ["etc/a.conf", "etc/b.conf", "etc/sub/c", "bin/run.sh", "top", "space d", "etc/.hidden"]
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base() -> Tree:
    tree = Tree()
    tree.add("etc", directory(0o700, 5, 5))
    tree.add("etc/sub", directory(0o700, 5, 5))
    tree.add("etc/b.conf", file(b"old", 0o600, 7, 7))
    tree.add("etc/passwd", file(b"root:x:0:0::/root:/bin/sh\nu:x:9:9::/:/bin/sh\nv:x:10:9::/:/bin/sh\n"))
    tree.add("etc/group", file(b"root:x:0:\ng:x:9:\n"))
    tree.add("usr", directory())
    tree.add("usr/bin", directory())
    tree.add("bin", symlink("usr/bin"))
    tree.add("etc/link", symlink("b.conf"))
    return tree


def context(modes: Mapping[str, int] | None = None) -> Context:
    files = {name: ExtentMap.of_bytes(name.encode()) for name in NAMES}
    return Context(files, list((modes or {}).items()))


def make(
    text: str,
    start: Tree | None = None,
    arguments: Mapping[str, str] | None = None,
    modes: Mapping[str, int] | None = None,
) -> tuple[Tree, ImageConfig]:
    inputs = Inputs(
        start if start is not None else base(),
        Sources({}),
        context(modes),
        FakePackages(),
        ACCOUNTS,
        1,
        ImageConfig(),
        arguments or {},
    )
    return build(text, "Dockerfile", inputs)


def added(text: str, modes: Mapping[str, int] | None = None) -> dict[str, tuple[int, int, int, bytes]]:
    """What a Dockerfile adds or changes: mode, owner, content."""
    before = base()
    tree, _ = make(text, modes=modes)
    on = machine(tree)
    return {
        path: (node.mode, node.uid, node.gid, on.content(node))
        for path, node in tree.walk()
        if before.get(path) != node
    }


COPIES = [
    ("COPY top /", {"top": (0o644, 0, 0, b"top")}),
    ("COPY top /new", {"new": (0o644, 0, 0, b"top")}),
    ("COPY top /new/", {"new": (0o755, 0, 0, b""), "new/top": (0o644, 0, 0, b"top")}),
    ("COPY /top /new", {"new": (0o644, 0, 0, b"top")}),
    ("COPY ./top new", {"new": (0o644, 0, 0, b"top")}),
    ("COPY top /usr", {"usr/top": (0o644, 0, 0, b"top")}),
    ("COPY top /bin/", {"usr/bin/top": (0o644, 0, 0, b"top")}),
    ("COPY top /bin/x", {"usr/bin/x": (0o644, 0, 0, b"top")}),
    ("COPY top /p/q/r", {"p": (0o755, 0, 0, b""), "p/q": (0o755, 0, 0, b""), "p/q/r": (0o644, 0, 0, b"top")}),
    ("COPY bin /usr/bin", {"usr/bin/run.sh": (0o644, 0, 0, b"bin/run.sh")}),
    ("COPY bin /bin", {"usr/bin/run.sh": (0o644, 0, 0, b"bin/run.sh")}),
    ("COPY --chmod=0755 bin/run.sh /x", {"x": (0o755, 0, 0, b"bin/run.sh")}),
    ("COPY --chown=u:g top /x", {"x": (0o644, 9, 9, b"top")}),
    ("COPY --chown=u top /x", {"x": (0o644, 9, 9, b"top")}),
    ("COPY --chown=v:0 top /x", {"x": (0o644, 10, 0, b"top")}),
    ("COPY --chown=77:88 top /n/x", {"n": (0o755, 77, 88, b""), "n/x": (0o644, 77, 88, b"top")}),
    # An existing directory that is the destination stays as it is; one below takes the new attributes.
    (
        "COPY etc /etc",
        {
            "etc/a.conf": (0o644, 0, 0, b"etc/a.conf"),
            "etc/b.conf": (0o644, 0, 0, b"etc/b.conf"),
            "etc/sub": (0o755, 0, 0, b""),
            "etc/sub/c": (0o644, 0, 0, b"etc/sub/c"),
            "etc/.hidden": (0o644, 0, 0, b"etc/.hidden"),
        },
    ),
    ("COPY etc/sub etc/sub/c /usr/", {"usr/c": (0o644, 0, 0, b"etc/sub/c")}),
    ("COPY etc/?.conf /usr/", {"usr/a.conf": (0o644, 0, 0, b"etc/a.conf"), "usr/b.conf": (0o644, 0, 0, b"etc/b.conf")}),
    ("COPY etc/[^a].conf /usr/", {"usr/b.conf": (0o644, 0, 0, b"etc/b.conf")}),
    ('COPY ["space d", "/usr/"]', {"usr/space d": (0o644, 0, 0, b"space d")}),
    ('COPY "space d" /usr/', {"usr/space d": (0o644, 0, 0, b"space d")}),
    ("COPY space\\ d /usr/", {"usr/space d": (0o644, 0, 0, b"space d")}),
    ("ARG F=top\nCOPY ${F} /usr/$F.x", {"usr/top.x": (0o644, 0, 0, b"top")}),
    ("WORKDIR /usr\nCOPY top .", {"usr/top": (0o644, 0, 0, b"top")}),
    ("WORKDIR /usr\nCOPY top bin/", {"usr/bin/top": (0o644, 0, 0, b"top")}),
    ("COPY */sub /usr", {"usr/c": (0o644, 0, 0, b"etc/sub/c")}),
]


@pytest.mark.parametrize(("text", "expected"), COPIES, ids=[each[0] for each in COPIES])
def test_copy(text: str, expected: dict[str, tuple[int, int, int, bytes]]) -> None:
    assert added("FROM x\n" + text) == expected


def test_modes_are_data() -> None:
    got = added("FROM x\nCOPY bin /usr/bin\nCOPY top /usr/", modes={"bin/*": 0o755, "top": 0o600})
    assert got == {"usr/bin/run.sh": (0o755, 0, 0, b"bin/run.sh"), "usr/top": (0o600, 0, 0, b"top")}


def test_copy_makes_a_new_inode() -> None:
    start = base()
    start.link("etc/other", "etc/b.conf")
    tree, _ = make("FROM x\nCOPY etc/b.conf /etc/b.conf", start)
    assert machine(tree).read("/etc/other") == b"old"


BAD = [
    ("FROM x\nCOPY gone /", 2, "COPY: source 'gone' is not in the context (hint: the rule's `context` must list it)"),
    ("FROM x\nCOPY g* /", 2, "COPY: source 'g*' is not in the context (hint: the rule's `context` must list it)"),
    ("FROM x\nCOPY ../top /", 2, "COPY: '../top' leads out of the context"),
    ("FROM x\nCOPY top", 2, "COPY: a source and a destination are wanted"),
    ("FROM x\nCOPY top bin /x", 2, "COPY: there are several sources, so '/x' must end with a slash"),
    (
        "FROM x\nCOPY --chown=nobody top /",
        2,
        "COPY: unknown user 'nobody': /etc/passwd has no such line (hint: make it with useradd first)",
    ),
    (
        "FROM x\nCOPY --chown=u:none top /",
        2,
        "COPY: unknown group 'none': /etc/group has no such line (hint: make it with groupadd first)",
    ),
    (
        "FROM x\nCOPY --chown=v top /",
        2,
        "COPY: --chown=v leaves the group open (hint: write v:GROUP: container engines differ)",
    ),
    ("FROM x\nCOPY --chmod=rwx top /", 2, "COPY: mode 'rwx' is not octal (hint: write it like 0644)"),
    ("FROM x\nCOPY --from=build a /", 2, "COPY: --from is not supported (hint: build in one stage)"),
    (
        "FROM x\nCOPY top /etc/link",
        2,
        "COPY: '/etc/link' is a link to b.conf (hint: name what it leads to: container engines differ here)",
    ),
    ("FROM x\nCOPY . /", 2, None),
    ("FROM x\nCOPY etc /etc/b.conf", 2, None),
    ("FROM x\nCOPY <<EOF /x\nhi\nEOF", 2, None),
    (
        "FROM x\nADD top /",
        2,
        "ADD: is not supported (hint: use COPY; what is fetched or unpacked belongs among the inputs of the build)",
    ),
    ("FROM x\nONBUILD RUN true", 2, "ONBUILD: is not supported (hint: it is no part of an OCI image)"),
    ('FROM x\nSHELL ["/bin/bash"]', 2, "SHELL: is not supported (hint: RUN lines are /bin/sh's)"),
    ("FROM x\nFROM y", 2, "FROM: a second stage is not supported (hint: build it apart and give it as the base)"),
    ("FROM scratch", 1, "FROM: scratch is empty, but a base is given (hint: name an image, or give no base)"),
    ("COPY top /\nFROM x", 1, "COPY: comes before FROM (hint: only ARG may)"),
    ("ARG A", 1, "ARG: no FROM follows"),
    ("FROM x\nRUN --mount=type=cache,target=/x true", 2, "RUN: --mount is not supported"),
    ("FROM x\nRUN", 2, "RUN: there is no command"),
    (
        "FROM x\nENV A=$B",
        2,
        "ENV: variable B is not set (hint: declare it with ARG or ENV, or write ${B:-} for nothing)",
    ),
    ("FROM x\nENV A=1 B", 2, "ENV: 'B' is not of the form NAME=VALUE"),
    ("FROM x\nEXPOSE http", 2, "EXPOSE: 'http' is no port (hint: write 80, 53/udp)"),
    (
        "FROM x\nUSER ghost",
        2,
        "USER: unknown user 'ghost': /etc/passwd has no such line (hint: make it with useradd first)",
    ),
    ("FROM x\nWORKDIR /etc/passwd", 2, "WORKDIR: '/etc/passwd' is no directory"),
    ("FROM x\nARG 1A=2", 2, "ARG: '1A' is no variable's name"),
    ("FROM x\nLABEL 'a=b", 2, "LABEL: a ' is not closed"),
    ("FROM x\nRUN true && \\\n  # why\n\n  false", 5, None),
]


@pytest.mark.parametrize(("text", "line", "expected"), BAD, ids=[each[0] for each in BAD])
def test_messages(text: str, line: int, expected: str | None) -> None:
    with pytest.raises(UserError) as caught:
        make(text)
    assert str(caught.value).startswith(f"Dockerfile:{line}: ")
    if expected is not None:
        assert str(caught.value) == f"Dockerfile:{line}: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Dockerfile: has no instruction (hint: begin it with FROM)"),
        ("FROM x\nINSTALL y", None),
        ("# escape=x\nFROM x", "Dockerfile:1: escape is 'x' (hint: it can be \\ or `)"),
    ],
)
def test_no_dockerfile(text: str, expected: str | None) -> None:
    with pytest.raises(UserError) as caught:
        make(text)
    if expected:
        assert str(caught.value) == expected
    else:
        assert str(caught.value).startswith(
            "Dockerfile:2: unknown instruction 'INSTALL' (hint: instructions are ADD, ARG"
        )


def test_no_base() -> None:
    inputs = Inputs(None, Sources({}), context(), FakePackages(), ACCOUNTS, 1)
    assert len(build("FROM scratch\nCOPY top /", "Dockerfile", inputs)[0]) == 2
    with pytest.raises(UserError, match="Dockerfile:1: FROM: no base is given for x"):
        build("FROM x", "Dockerfile", inputs)


def test_arguments() -> None:
    text = "ARG A=1\nFROM x${A}\nARG A\nARG C=3\nARG D=$C$A\nENV C=env\nLABEL l=$A-$C-$D\nRUN echo $A $C $D > /out"
    tree, config = make(text)
    assert config.labels == {"l": "1-env-31"}
    assert machine(tree).read("/out") == b"1 env 31\n"
    assert make(text, arguments={"A": "9"})[1].labels == {"l": "9-env-39"}
    with pytest.raises(UserError, match="a value is given for Z, but no ARG declares it"):
        make(text, arguments={"Z": "1"})


def test_args_before_from_are_not_seen_behind_it() -> None:
    with pytest.raises(UserError, match="variable A is not set"):
        make("ARG A=1\nFROM x\nLABEL l=$A")


def test_config() -> None:
    # ENV sees what was set before its own instruction.
    text = r"""
# syntax=docker/dockerfile:1
FROM x AS base
ENV A="one two" B='$A' C=\$A D=${A:+yes} E=${Z:-no}
ENV OLD the rest
LABEL "a b"=c d=e
EXPOSE 80 53/udp
VOLUME ["/data"]
VOLUME /one /two
USER u:g
WORKDIR /usr
WORKDIR bin
STOPSIGNAL SIGTERM
ENTRYPOINT ["/init", "-x"]
CMD echo $A
"""
    _, config = make(text)
    assert config.to_oci() == {
        "User": "u:g",
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "Env": [f"PATH={DEFAULT_PATH}", "A=one two", "B=$A", "C=$A", "D=", "E=no", "OLD=the rest"],
        "Entrypoint": ["/init", "-x"],
        "Cmd": ["/bin/sh", "-c", "echo $A"],
        "Volumes": {"/data": {}, "/one": {}, "/two": {}},
        "WorkingDir": "/usr/bin",
        "Labels": {"a b": "c", "d": "e"},
        "StopSignal": "SIGTERM",
    }
    assert [each.empty_layer for each in config.history].count(False) == 1


def test_config_comes_back(tmp_path: Path) -> None:
    _, config = make('FROM x\nENV A=1\nEXPOSE 80\nLABEL a=b\nCMD ["x"]\nRUN true')
    (tmp_path / "c.json").write_text(config.to_json())
    assert load_config(tmp_path / "c.json") == config
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(UserError, match=r"bad\.json: not an image configuration"):
        load_config(tmp_path / "bad.json")


def test_workdir_holds_for_run() -> None:
    tree, _ = make("FROM x\nWORKDIR /srv/x\nRUN echo 1 > f && cd / && echo 2 > g\nRUN echo 3 > h")
    on = machine(tree)
    assert [on.read(path) for path in ("/srv/x/f", "/g", "/srv/x/h")] == [b"1\n", b"2\n", b"3\n"]


WORKDIRS = [
    ("WORKDIR /srv/a\nWORKDIR ../b", "/srv/b"),
    ("WORKDIR /srv//a/./b/", "/srv/a/b"),
    ("WORKDIR //srv", "/srv"),
    ("WORKDIR a\nWORKDIR ../../..", "/"),
    ("WORKDIR /bin/..", "/"),
    ("WORKDIR /bin\nWORKDIR ..", "/"),
]


@pytest.mark.parametrize(("text", "expected"), WORKDIRS, ids=[each[0] for each in WORKDIRS])
def test_workdir_is_a_clean_path(text: str, expected: str) -> None:
    tree, config = make(f"FROM x\n{text}\nRUN echo > here")
    assert config.working_dir == expected
    assert f"{expected}/here".lstrip("/") in tree


def test_the_old_form_of_env_keeps_its_blanks() -> None:
    _, config = make("FROM x\nENV A=1\nENV OLD   the  'rest  of'\tthe \"line\" $A  \nLABEL name two  words")
    assert config.environment["OLD"] == "the  rest  of\tthe line 1"
    assert config.labels == {"name": "two  words"}


HOMES = [("root", "/root"), ("u", "/"), ("w", "/home/w"), ("9", "/"), ("11", "/home/w"), ("77", "/"), ("empty", "/")]


@pytest.mark.parametrize(("user", "expected"), HOMES)
def test_home_is_that_of_the_user(user: str, expected: str) -> None:
    start = base()
    lines = b"root:x:0:0::/root:/bin/sh\nu:x:9:9::/:/bin/sh\nw:x:11:9::/home/w:/bin/sh\nempty:x:12:9:::/bin/sh\n"
    start.set("etc/passwd", file(lines))
    source = f"RUN mkdir -m 0777 /w\nUSER {user}\nRUN echo $HOME > /w/home\nENV HOME=/x\nRUN echo $HOME > /w/set"
    tree, _ = make(f"FROM x\n{source}", start)
    on = machine(tree)
    assert [on.read("/w/home"), on.read("/w/set")] == [f"{expected}\n".encode(), b"/x\n"]


def test_user_owns_what_run_makes_but_not_what_copy_brings() -> None:
    tree, _ = make("FROM x\nRUN mkdir -m 0777 /w\nUSER u\nRUN touch /w/f\nCOPY top /w/")
    assert (tree["w/f"].uid, tree["w/f"].gid, tree["w/top"].uid) == (9, 9, 0)


def test_run_in_json_form_has_no_shell() -> None:
    tree, _ = make('FROM x\nRUN ["mkdir", "/a b", "/$HOME"]')
    assert tree.is_directory("a b")
    assert tree.is_directory("$HOME")


def test_the_base_stays_as_it_is() -> None:
    start = base()
    before = [(path, node) for path, node in start.walk()]
    make("FROM x\nRUN rm -r /etc && mkdir /new", start)
    assert [(path, node) for path, node in start.walk()] == before


def test_context_is_checked() -> None:
    with pytest.raises(UserError, match=r"\.dockerignore is in the context, but is not read"):
        Context({".dockerignore": ExtentMap(0)})
    with pytest.raises(UserError, match=r"mode 0755 for 'x/.': no such file in the context"):
        Context({"a": ExtentMap(0)}, [("x/*", 0o755)])
    with pytest.raises(UserError, match="/a/b cannot be placed: /a is not a directory"):
        Context({"a": ExtentMap(0), "a/b": ExtentMap(0)})


def test_lines_and_continuations() -> None:
    text = "# a comment\nFROM x\nRUN one \\\n  two \\\n\n  # inside\n  three\nrun four\nLABEL a=b   "
    found = parse(text, "f")
    assert [(each.keyword, each.line, each.text) for each in found] == [
        ("FROM", 2, "x"),
        ("RUN", 3, "one   two   three"),
        ("RUN", 8, "four"),
        ("LABEL", 9, "a=b"),
    ]
    assert [found[1].line_at(found[1].text.index(word)) for word in ("one", "two", "three")] == [3, 4, 7]
    (first, second) = parse("# escape=`\nFROM x\nRUN a `\n b\\", "f")
    assert (first.line, second.text) == (2, "a  b\\")


@given(st.text(alphabet="aR UN\\\n\"'$#&|;<>(){}[]*=-~`\t", max_size=40))
def test_whatever_is_written_is_built_or_refused(text: str) -> None:
    try:
        make("FROM x\nRUN " + text)
    except UserError as error:
        assert error.message.startswith("Dockerfile:")
