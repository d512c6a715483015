"""Makes one layer of a root filesystem from a Dockerfile: a tar, the merged tree, and the image configuration.

Nothing is executed. Sources of the base are given by key (`--source KEY=FILE`);
the tree that comes out refers to them and to the new layer by its `--layer_key`.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage import layer
from sysimage.deb import Spool
from sysimage.debian.accounts import AccountsTable, load_accounts
from sysimage.debian.root import Root
from sysimage.debian.scripts import load_scripts
from sysimage.dockerfile.build import Inputs, build
from sysimage.dockerfile.config import ImageConfig, load_config
from sysimage.dockerfile.copy_instruction import Context
from sysimage.dockerfile.machine import Packages
from sysimage.dockerfile.modes import parse_octal
from sysimage.dockerfile.packages import LockedPackages, NoPackages
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from sysimage.files import atomic_output
from sysimage.tree import NANOSECONDS, Tree, directory, load, save
from tools.main import parse_sources, run

_CONTEXT_KEY = "context:"

_DOCKERFILE = flags.DEFINE_string("dockerfile", None, "the Dockerfile", required=True)
_CONTEXT = flags.DEFINE_multi_string("context", [], "PATH=FILE: a file that COPY may take, by its path in the context")
_MODE = flags.DEFINE_multi_string(
    "mode", [], "PATH=MODE: octal mode of files of the context; a pattern may stand there"
)
_BASE_TREE = flags.DEFINE_string("base_tree", None, "tree that FROM stands for; none: begin with --essential")
_BASE_CONFIG = flags.DEFINE_string("base_config", None, "image configuration of the base")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: a file that contents of the base tree lie in")
_BUILD_ARG = flags.DEFINE_multi_string("build_arg", [], "NAME=VALUE: value of an ARG")
_DEB = flags.DEFINE_multi_string("deb", [], "a .deb of the lock")
_ESSENTIAL = flags.DEFINE_multi_string("essential", [], "name of a package that an empty tree begins with")
_ACCOUNTS = flags.DEFINE_string("accounts", None, "table of accounts")
_SCRIPTS = flags.DEFINE_multi_string("scripts", [], "table of maintainer scripts")
_EPOCH = flags.DEFINE_integer("epoch", None, "time of all that is made, seconds since 1970", required=True)
_LAYER_OUT = flags.DEFINE_string("layer_out", None, "the layer, a tar", required=True)
_LAYER_KEY = flags.DEFINE_string("layer_key", None, "key under which readers will be given the layer", required=True)
_TREE_OUT = flags.DEFINE_string("tree_out", None, "the merged tree", required=True)
_CONFIG_OUT = flags.DEFINE_string("config_out", None, "the image configuration, JSON")


def main(argv: Sequence[str]) -> None:
    """Reads the flags."""
    if len(argv) > 1:
        raise UserError(f"what is {argv[1]!r}?", hint="everything is a flag")
    folder = Path(_LAYER_OUT.value).parent
    scratch = tempfile.TemporaryDirectory(dir=folder)
    with scratch, Spool(scratch.name) as spool, parse_sources(_SOURCE.value) as sources:
        make(sources, spool)


def make(sources: Sources, spool: Spool) -> None:
    """Makes the outputs; packages are unpacked to `spool`."""
    base = load(_BASE_TREE.value) if _BASE_TREE.value else None
    accounts = load_accounts(_ACCOUNTS.value) if _ACCOUNTS.value else AccountsTable({}, {})
    packages: Packages = NoPackages()
    if _DEB.value:
        packages = LockedPackages(_DEB.value, spool, load_scripts(_SCRIPTS.value), accounts)
    start = base
    if start is None and _ESSENTIAL.value:
        start = Tree(directory(0o755, mtime=_EPOCH.value * NANOSECONDS))
        packages.install(Root(start, sources, _EPOCH.value * NANOSECONDS), _ESSENTIAL.value)
    text = _read(_DOCKERFILE.value)
    inputs = Inputs(
        start,
        sources,
        _context(sources),
        packages,
        accounts,
        _EPOCH.value,
        load_config(_BASE_CONFIG.value) if _BASE_CONFIG.value else ImageConfig(),
        dict(_pair(each, "--build_arg", "NAME=VALUE") for each in _BUILD_ARG.value),
    )
    tree, config = build(text, _DOCKERFILE.value, inputs)
    result = layer.write(tree, _LAYER_OUT.value, _LAYER_KEY.value, sources, base)
    save(result, _TREE_OUT.value)
    if _CONFIG_OUT.value:
        with atomic_output(_CONFIG_OUT.value) as out:
            out.write(config.to_json().encode())


def _context(sources: Sources) -> Context:
    files = {}
    for each in _CONTEXT.value:
        path, file = _pair(each, "--context", "PATH=FILE")
        if path in files:
            raise UserError(f"--context {path!r} is given twice")
        try:
            size = Path(file).stat().st_size
        except OSError as error:
            raise UserError(f"--context {path}: cannot read {file}: {error.strerror}") from error
        sources.add(_CONTEXT_KEY + path, file)
        files[path] = ExtentMap.of_slice(_CONTEXT_KEY + path, 0, size)
    found = [_pair(each, "--mode", "PATH=MODE") for each in _MODE.value]
    return Context(files, [(path, parse_octal(mode)) for path, mode in found])


def _pair(text: str, flag: str, form: str) -> tuple[str, str]:
    left, equals, right = text.partition("=")
    if not equals or not left:
        raise UserError(f"{flag} {text!r} is not of the form {form}")
    return left, right


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


if __name__ == "__main__":
    run(main)
