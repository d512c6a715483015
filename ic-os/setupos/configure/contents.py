"""What an image of SetupOS carries: its configuration, and what it installs."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from configure.node_config import CONFIG_INI, DEPLOYMENT_JSON
from sysimage.edit import partition_tree, read_file
from sysimage.errors import UserError
from sysimage.extents import ImageReader
from sysimage.materialise import pieces
from sysimage.tree import NodeType, Tree

CONFIG = "config"  # names of partitions
DATA = "data"
ROOT = "root"

KEYS_FOLDER = "ssh_authorized_keys"
ACCOUNTS = ("admin", "backup", "readonly")
OPERATOR_KEY = "node_operator_private_key.pem"
NNS_KEY = "nns_public_key.pem"
SKIP_CHECKS = "skip-checks"
CHILDREN = ("host-os.img.tar.zst", "guest-os.img.tar.zst")
VERSION = "opt/ic/share/version.txt"
MAY_SKIP = "opt/ic/share/checks-may-be-skipped"

# The partition of each file.
PLACES: Mapping[str, str] = {
    CONFIG_INI: CONFIG,
    **{f"{KEYS_FOLDER}/{account}": CONFIG for account in ACCOUNTS},
    OPERATOR_KEY: CONFIG,
    SKIP_CHECKS: CONFIG,
    DEPLOYMENT_JSON: DATA,
    NNS_KEY: DATA,
}


@dataclass(frozen=True, slots=True)
class Child:
    """An image that SetupOS installs.

    size: in bytes. sha256: what it is; stated: what the file beside it says, nothing if there is none.
    """

    name: str
    size: int
    sha256: str
    stated: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image carries.

    files: by their names in PLACES, those that are there.
    may_skip: whether it may be told to skip checks, which those of production may not.
    others: paths of CONFIG that no option of the tool is for, such as the log of an installation.
    """

    version: str
    may_skip: bool
    files: Mapping[str, bytes]
    others: tuple[str, ...]

    @property
    def keys(self) -> dict[str, bytes]:
        """The files of ssh keys, by account."""
        found = {account: self.files.get(f"{KEYS_FOLDER}/{account}") for account in ACCOUNTS}
        return {account: data for account, data in found.items() if data is not None}


def read(disk: ImageReader) -> Contents:
    """The contents of a disk.

    Raises:
        UserError: it is no disk of SetupOS, or damaged.
    """
    trees = {name: _tree(disk, name) for name in (CONFIG, DATA, ROOT)}
    files = {name: read_file(disk, trees[partition], name) for name, partition in PLACES.items()}
    version = read_file(disk, trees[ROOT], VERSION)
    if version is None:
        raise UserError(f"there is no /{VERSION} in partition {ROOT!r}", hint="is this an image of SetupOS?")
    found = (path for path, node in trees[CONFIG].walk() if node.type is NodeType.FILE)
    return Contents(
        version.decode("utf-8", "replace").strip(),
        trees[ROOT].get(MAY_SKIP) is not None,
        {name: data for name, data in files.items() if data is not None},
        tuple(path for path in found if path not in PLACES),
    )


def _tree(disk: ImageReader, name: str) -> Tree:
    try:
        return partition_tree(disk, name)
    except UserError as error:
        raise UserError(error.message, hint=error.hint or "is this an image of SetupOS?") from error


def children(disk: ImageReader) -> list[Child]:
    """The images that the disk installs, those that are there. They are read as a whole."""
    tree = _tree(disk, DATA)
    return [_child(disk, tree, name) for name in CHILDREN if tree.get(name) is not None]


def _child(disk: ImageReader, tree: Tree, name: str) -> Child:
    node = tree[name]
    digest = hashlib.sha256()
    for piece in pieces(node.data, disk.sources, 0, node.size):
        digest.update(piece)
    stated = re.match(rb"([0-9a-f]{64})\b", read_file(disk, tree, f"{name}.sha256") or b"")
    return Child(name, node.size, digest.hexdigest(), stated[1].decode() if stated else "")
