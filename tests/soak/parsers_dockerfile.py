"""Dockerfiles: instructions, variables, the shell, sed, expressions, modes, patterns; and whole builds."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from random import Random

from sysimage.debian.testing import root_of
from sysimage.dockerfile import glob, modes, parser, regex, sed, sed_script, shell
from sysimage.dockerfile.build import Inputs, build
from sysimage.dockerfile.config import History, ImageConfig, load_config
from sysimage.dockerfile.copy_instruction import Context
from sysimage.dockerfile.packages import NoPackages
from sysimage.dockerfile.testing import ACCOUNTS, small_tree
from sysimage.extents import ExtentMap, Sources
from sysimage.tree import Tree
from tests.soak.parser import Parser
from tests.soak.parsers_debian import fixed, read_text

_DOCKERFILE = """# syntax=docker/dockerfile:1
# escape=\\
ARG VERSION=1
FROM base
ARG VERSION
ENV A=b C="d e" \\
    F=$VERSION
LABEL org.x="y z"
COPY --chown=0:0 --chmod=0644 etc /etc/
COPY ["a file", "/opt/"]
WORKDIR /srv/${A:-none}
RUN mkdir -p /var/lib/x && chmod u=rwx,go=rx /var/lib/x && \\
    echo "text $A" > /etc/file; ln -sf ../x /etc/link
RUN sed -i -e 's/^text \\(.*\\)$/\\1 \\&/' -e '/b/{s/b/c/;p;}' /etc/file && groupadd --gid 800 ic
RUN printf '%s %04d\\n' a 5 | tee -a /etc/other > /dev/null
USER root
EXPOSE 80/tcp 443
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["/bin/sh", "-c"]
CMD echo $HOME
"""
_SHELL = """a=1 b="$c ${d:-e}" echo 'x y' "z$(cat /f)" >/out 2>&1 && test -f x && [ -d /y ] ; \\
cat < /in | tee -a /b; cp -r a* b?c [d-f]g "/tmp/$(sed -n 's/a/b/p' /f)" >> "/o$a"
"""
_SED = r"""1,/^end$/ { /a\{2,3\}/!s/\([a-z]*\) b/\1\n&/2gp; }
$!p
/x/I,+3 d
s|/a|/b|
y/abc/xyz/
a\
text
"""
_REGEX = r"^\(a\|[[:alpha:]_-]\)[ab]\{1,3\}x\+.\?[^]\n]$"
_MODES = "u=rwx,g+s,o-rwx,a=rX,+t,u=g-w"
_VARIABLES = {"A": "b", "EMPTY": "", "PATH": "/bin"}


def _instruction(text: str, keyword: str = "RUN") -> parser.Instruction:
    (instruction,) = parser.parse(f"{keyword} x", "Dockerfile")
    return dataclasses.replace(instruction, text=text)


def _text(call: Callable[[str], object]) -> Callable[[Path], object]:
    return lambda path: call(read_text(path))


def _call_words(path: Path) -> object:
    instruction = _instruction(read_text(path))
    return parser.split_words(instruction, instruction.text, _VARIABLES), instruction.json_words()


def _call_expand(path: Path) -> object:
    instruction = _instruction(read_text(path))
    return parser.expand(instruction, instruction.text, _VARIABLES)


def _call_sed(path: Path) -> object:
    instructions = sed_script.parse_script(path.read_bytes().decode("latin-1"), extended=False)
    return sed.edit(instructions, b"one two\nab b\nend\n")


def _call_regex(path: Path) -> object:
    text = path.read_bytes().decode("latin-1")
    return regex.compile_posix(text, extended=False), regex.compile_posix(text, extended=True)


def _call_modes(path: Path) -> object:
    return modes.change(read_text(path), 0o644, False), modes.change(read_text(path), 0o755, True)


def _call_glob(path: Path) -> object:
    text = read_text(path)
    tree = small_tree()
    return glob.expand(tree, text, "d"), glob.matches(text, "some name"), glob.matches(text, "name", go=True)


def _call_build(path: Path) -> object:
    context = Context({"etc/one": ExtentMap.of_bytes(b"1\n"), "a file": ExtentMap.of_bytes(b"2\n")})
    inputs = Inputs(_root(), Sources({}), context, NoPackages(), ACCOUNTS, 1_000_000_000)
    return build(read_text(path), "Dockerfile", inputs)


def _call_run(path: Path) -> object:
    inputs = Inputs(_root(), Sources({}), Context({}), NoPackages(), ACCOUNTS, 1_000_000_000)
    return build("FROM base\nRUN " + read_text(path), "Dockerfile", inputs)


def _root() -> Tree:
    files = {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "etc/group": "root:x:0:\nadm:x:4:\n",
        "etc/shadow": "root:*:1::::::\n",
        "etc/file": "one two\nb\n",
        "srv/data/a.txt": "a\n",
    }
    return root_of(files).tree


_RUNS = (
    "useradd --system --uid 800 --home-dir /srv --shell /bin/sh ic && usermod -aG adm ic",
    "install -d -m 0755 -o root -g adm /x /y/z && install -m 0644 /etc/file /x",
    "cp -a /srv/data /srv/copy && mv /srv/copy /srv/moved && rm -rf /srv/data/*",
    "ln -s /etc/file /link && ln /etc/file /hard && test -L /link",
    "chmod -R u+rwX,go-w /srv && chown -R root:adm /srv && chgrp 4 /etc/file && touch /etc/file",
    "setcap cap_net_raw+ep /etc/file; sed -i -E 's/(one) (two)/\\2 \\1/; 2d' /etc/file",
    "echo x; echo 'root:$6$abc$def' | chpasswd -e; mkdir -p /srv/y; rmdir /srv/y",
    "cat /etc/file | tee /copy > /dev/null && test -f /copy && [ ! -d /copy ] && printf '%b' 'a\\0101\\n' >> /copy",
)


def _run_sample(random: Random, _folder: Path) -> bytes:
    return random.choice(_RUNS).encode()


def _config(_random: Random, _folder: Path) -> bytes:
    config = ImageConfig({"PATH": "/bin", "A": "b=c"}, ["a"], None, {"l": "m"}, "/srv", "root", ["80/tcp"], ["/v"], "9")
    config.history.append(History("RUN x", False))
    return config.to_json().encode()


def _call_config(path: Path) -> object:
    return load_config(path).to_json()


PARSERS = (
    Parser("dockerfile", fixed(_DOCKERFILE), _text(lambda text: parser.parse(text, "Dockerfile")), text=True),
    Parser("dockerfile-words", fixed('a "b $A" \'c\' ${A:-x} ${E:+y} \\d ["e", "f"]'), _call_words, text=True),
    Parser("dockerfile-expand", fixed("x$A ${A:-d} '$q' \\$ ${EMPTY:+no}"), _call_expand, text=True),
    Parser("shell", fixed(_SHELL), _text(lambda text: shell.parse(_instruction(text))), text=True),
    Parser("sed", fixed(_SED), _call_sed, text=True),
    Parser("regex", fixed(_REGEX), _call_regex, text=True),
    Parser("modes", fixed(_MODES), _call_modes, text=True),
    Parser("glob", fixed("d/[!a-c]*?{x}\\*"), _call_glob, text=True),
    Parser("build", fixed(_DOCKERFILE), _call_build, text=True),
    Parser("run", _run_sample, _call_run, text=True, tries=100),
    Parser("image-config", _config, _call_config, text=True),
)
