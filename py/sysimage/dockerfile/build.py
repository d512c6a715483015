"""Goes through the instructions of a Dockerfile, from a base tree to a new one.

Supported are FROM (one stage), ARG, ENV, LABEL, COPY, RUN, WORKDIR, USER, CMD, ENTRYPOINT,
EXPOSE, VOLUME and STOPSIGNAL. Source: Docker's Dockerfile reference; what it leaves
open is as BuildKit and buildah do it where they agree, and refused where they do not.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sysimage.debian.accounts import AccountsTable
from sysimage.debian.root import Root
from sysimage.dockerfile import run as run_line
from sysimage.dockerfile.config import History, ImageConfig
from sysimage.dockerfile.copy_instruction import Context, copy
from sysimage.dockerfile.machine import Machine, Packages
from sysimage.dockerfile.parser import Instruction, expand, parse, split_words
from sysimage.dockerfile.paths import group_id, home_of, user_id
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.text import is_decimal
from sysimage.tree import Tree

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Instructions that are known and not supported, and what to do instead.
REFUSED = {
    "ADD": "use COPY; what is fetched or unpacked belongs among the inputs of the build",
    "HEALTHCHECK": "it is no part of an OCI image",
    "MAINTAINER": "use LABEL",
    "ONBUILD": "it is no part of an OCI image",
    "SHELL": "RUN lines are /bin/sh's",
}
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""")
_CHANGES_FILES = ("COPY", "RUN", "WORKDIR")


@dataclass(slots=True)
class Inputs:
    """What a build is given.

    base is what FROM stands for (None: `FROM scratch`); arguments are values of ARG; epoch
    is in seconds since 1970.
    """

    base: Tree | None
    sources: Sources
    context: Context
    packages: Packages
    accounts: AccountsTable
    epoch: int
    base_config: ImageConfig = field(default_factory=ImageConfig)
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _State:
    inputs: Inputs
    machine: Machine
    config: ImageConfig
    outer: dict[str, str] = field(default_factory=dict)  # ARG before FROM
    declared: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def variables(self) -> dict[str, str]:
        """What instructions see: ENV wins over ARG."""
        return {**self.declared, **self.config.environment}


def build(text: str, file: str, inputs: Inputs) -> tuple[Tree, ImageConfig]:
    """The tree and the configuration that a Dockerfile makes.

    Args:
        text: the Dockerfile.
        file: its name for errors.
        inputs: base, context, packages and so on; `inputs.base` stays as it is.

    Raises:
        UserError: `FILE:LINE: INSTRUCTION: what is wrong`.
    """
    instructions = parse(text, file)
    tree = inputs.base.copy() if inputs.base is not None else Tree()
    root = Root(tree, inputs.sources, inputs.epoch * 1_000_000_000)
    machine = Machine(root, inputs.packages, inputs.accounts)
    state = _State(inputs, machine, _copied(inputs.base_config))
    stage = _before_from(state, instructions)
    machine.cwd = tree.resolve(state.config.working_dir)
    for instruction in stage:
        if instruction.keyword in REFUSED:
            raise instruction.error("is not supported", REFUSED[instruction.keyword])
        _HANDLERS[instruction.keyword](state, instruction)
    for name in inputs.arguments:
        if name not in state.used:
            raise UserError(f"{file}: a value is given for {name}, but no ARG declares it", hint=f"write ARG {name}")
    _add_history(state.config, stage)
    return tree, state.config


def _copied(config: ImageConfig) -> ImageConfig:
    return ImageConfig(
        dict(config.environment) or {"PATH": PATH},
        config.cmd,
        config.entrypoint,
        dict(config.labels),
        config.working_dir,
        config.user,
        list(config.exposed_ports),
        list(config.volumes),
        config.stop_signal,
        list(config.history),
    )


def _before_from(state: _State, instructions: list[Instruction]) -> list[Instruction]:
    """Handles what comes up to FROM, and returns the rest."""
    for index, instruction in enumerate(instructions):
        if instruction.keyword == "ARG":
            state.outer |= _arguments(state, instruction, state.outer)
            continue
        if instruction.keyword != "FROM":
            raise instruction.error("comes before FROM", "only ARG may")
        _from(state, instruction, state.outer)
        rest = instructions[index + 1 :]
        for each in rest:
            if each.keyword == "FROM":
                raise each.error("a second stage is not supported", "build it apart and give it as the base")
        return rest
    raise instructions[-1].error("no FROM follows")


def _from(state: _State, instruction: Instruction, variables: Mapping[str, str]) -> None:
    if set(instruction.flags) - {"platform"}:
        raise instruction.error(f"--{next(iter(instruction.flags))} is not supported")
    words = split_words(instruction, instruction.text, variables)
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise instruction.error(f"{instruction.text!r} is not understood", "write FROM IMAGE or FROM IMAGE AS NAME")
    if words[0] == "scratch" and state.inputs.base is not None:
        raise instruction.error("scratch is empty, but a base is given", "name an image, or give no base")
    if words[0] != "scratch" and state.inputs.base is None:
        raise instruction.error(f"no base is given for {words[0]}", "set `base`, or `packages` to begin with")


def _arguments(state: _State, instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    words = split_words(instruction, instruction.text, variables)
    if not words:
        raise instruction.error("a name is wanted")
    for word in words:
        name, equals, value = word.partition("=")
        if not name.replace("_", "a").isalnum() or name[0].isdigit():
            raise instruction.error(f"{name!r} is no variable's name")
        state.used.add(name)
        if name in state.inputs.arguments:
            found[name] = state.inputs.arguments[name]
        elif equals:
            found[name] = value
        elif name in state.outer:
            found[name] = state.outer[name]
    return found


def _arg(state: _State, instruction: Instruction) -> None:
    state.declared |= _arguments(state, instruction, state.variables)


def _pairs(state: _State, instruction: Instruction) -> dict[str, str]:
    """`A=1 B="two words"`, or the old form `A the rest`."""
    begin = _WORD.match(instruction.text)
    if begin and "=" not in begin[0]:
        first = instruction.text.split(maxsplit=1)
        if len(first) != 2:
            raise instruction.error(f"{instruction.text!r} is not of the form NAME=VALUE")
        return {first[0]: "".join(split_words(instruction, first[1], state.variables, whole=True))}
    pairs = {}
    for word in split_words(instruction, instruction.text, state.variables):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise instruction.error(f"{word!r} is not of the form NAME=VALUE")
        pairs[name] = value
    if not pairs:
        raise instruction.error("NAME=VALUE is wanted")
    return pairs


def _env(state: _State, instruction: Instruction) -> None:
    state.config.environment |= _pairs(state, instruction)


def _label(state: _State, instruction: Instruction) -> None:
    state.config.labels |= _pairs(state, instruction)


def _copy(state: _State, instruction: Instruction) -> None:
    copy(instruction, state.machine, state.inputs.context, state.variables)


def _run(state: _State, instruction: Instruction) -> None:
    if instruction.flags:
        raise instruction.error(f"--{next(iter(instruction.flags))} is not supported")
    machine = state.machine
    machine.environment = {"HOME": home_of(machine.root, machine.uid), "PATH": PATH, **state.variables}
    cwd, umask = machine.cwd, machine.umask
    run_line.run(machine, instruction)
    machine.cwd, machine.umask = cwd, umask


def _workdir(state: _State, instruction: Instruction) -> None:
    words = [expand(instruction, instruction.text, state.variables).strip("\"'")]
    machine = state.machine
    # Before anything is looked up: `..` takes away what stands before it, and does not follow a link back.
    folder = posixpath.normpath(posixpath.join(state.config.working_dir or "/", words[0]))
    folder = "/" + folder.lstrip("/")
    try:
        path = machine.locate(folder if words[0] else "")
        if path not in machine.tree and machine.uid:
            raise UserError(f"{words[0]!r} does not exist", hint="make it first: engines differ in whose it would be")
        machine.tree.make_directories(path, mtime=machine.mtime)
        if not machine.tree.is_directory(path):
            raise UserError(f"{words[0]!r} is no directory")
    except UserError as error:
        raise instruction.error(error.message, error.hint) from error
    machine.cwd = path
    state.config.working_dir = folder


def _user(state: _State, instruction: Instruction) -> None:
    text = expand(instruction, instruction.text, state.variables).strip()
    user, _, group = text.partition(":")
    try:
        uid, own = user_id(state.machine.root, user)
        state.machine.gid = group_id(state.machine.root, group) if group else own or 0
    except UserError as error:
        raise instruction.error(error.message, error.hint) from error
    state.machine.uid = uid
    state.config.user = text


def _command(instruction: Instruction) -> list[str]:
    words = instruction.json_words()
    if words is None:
        if not instruction.text:
            raise instruction.error("a command is wanted")
        words = ["/bin/sh", "-c", instruction.text]
    return words


def _cmd(state: _State, instruction: Instruction) -> None:
    state.config.cmd = _command(instruction)


def _entrypoint(state: _State, instruction: Instruction) -> None:
    state.config.entrypoint = _command(instruction)
    state.config.cmd = None


def _expose(state: _State, instruction: Instruction) -> None:
    for word in split_words(instruction, instruction.text, state.variables):
        port, _, protocol = word.partition("/")
        if not is_decimal(port) or not 0 < int(port) < 65536 or protocol not in ("", "tcp", "udp", "sctp"):
            raise instruction.error(f"{word!r} is no port", "write 80, 53/udp")
        each = f"{port}/{protocol or 'tcp'}"
        if each not in state.config.exposed_ports:
            state.config.exposed_ports.append(each)


def _volume(state: _State, instruction: Instruction) -> None:
    words = instruction.json_words()
    if words is None:
        words = split_words(instruction, instruction.text, state.variables)
    state.config.volumes += [word for word in words if word not in state.config.volumes]


def _stopsignal(state: _State, instruction: Instruction) -> None:
    state.config.stop_signal = expand(instruction, instruction.text, state.variables).strip()


def _add_history(config: ImageConfig, stage: list[Instruction]) -> None:
    """One entry an instruction; the last that changes files stands for the layer."""
    entries = [History(" ".join([each.keyword, *each.text.split()])) for each in stage]
    changing = [index for index, each in enumerate(stage) if each.keyword in _CHANGES_FILES]
    if changing:
        entries[changing[-1]].empty_layer = False
    else:
        entries.append(History("packages of the base", empty_layer=False))
    config.history += entries


_HANDLERS = {
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "RUN": _run,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
