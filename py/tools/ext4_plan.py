"""Plans an ext4 file system out of a tree.

ext4_plan --tree=root.tree --uuid=UUID --hash_seed=UUID --epoch=0 --map_out=FILE --literals_out=FILE --literals_key=KEY
"""

from collections.abc import Sequence
from uuid import UUID

from absl import flags

from sysimage import extents
from sysimage import tree as trees
from sysimage.errors import UserError
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan
from sysimage.ext4.selinux import FileContexts
from sysimage.tree import NANOSECONDS, Tree, directory
from tools.main import refuse_arguments, run

_TREE = flags.DEFINE_string("tree", None, "Tree file of what goes in; left out: nothing.")
_SIZE = flags.DEFINE_integer("size", None, "Size in bytes; left out: what content and --reserve need.")
_RESERVE = flags.DEFINE_integer("reserve", 0, "Bytes that must stay free.")
_INODES = flags.DEFINE_integer("inodes", None, "Inodes to have at least; left out: as content and free space need.")
_BLOCK_SIZE = flags.DEFINE_integer("block_size", 4096, "Bytes in a block: 1024, 2048 or 4096.")
_INODE_SIZE = flags.DEFINE_integer("inode_size", 256, "Bytes in an inode: 256, 512 or 1024.")
_LABEL = flags.DEFINE_string("label", "", "Label, up to 16 bytes.")
_UUID = flags.DEFINE_string("uuid", None, "UUID of the file system.", required=True)
_HASH_SEED = flags.DEFINE_string("hash_seed", None, "UUID that seeds the hashes of directories.", required=True)
_EPOCH = flags.DEFINE_integer("epoch", None, "Time of creation, in seconds since 1970.", required=True)
_JOURNAL = flags.DEFINE_boolean("journal", False, "With a journal.")
_READ_ONLY = flags.DEFINE_boolean("read_only", False, "Have the kernel refuse to mount it for writing.")
_FILE_CONTEXTS = flags.DEFINE_string("file_contexts", None, "SELinux file_contexts file that labels come from.")
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where the map goes.", required=True)
_LITERALS_OUT = flags.DEFINE_string("literals_out", None, "Where the bytes of the metadata go.", required=True)
_LITERALS_KEY = flags.DEFINE_string("literals_key", None, "Source key of the literals.", required=True)


def parse_uuid(flag: str, text: str) -> UUID:
    """A UUID out of a flag.

    Raises:
        UserError: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise UserError(f"--{flag} {text!r} is not a UUID") from None


def main(argv: Sequence[str]) -> None:
    """Plans the file system that the flags describe."""
    refuse_arguments(argv)
    options = Ext4Options(
        uuid=parse_uuid("uuid", _UUID.value),
        hash_seed=parse_uuid("hash_seed", _HASH_SEED.value),
        epoch=_EPOCH.value,
        size=_SIZE.value,
        reserve=_RESERVE.value,
        label=_LABEL.value,
        block_size=_BLOCK_SIZE.value,
        inode_size=_INODE_SIZE.value,
        inodes=_INODES.value,
        journal=_JOURNAL.value,
        read_only=_READ_ONLY.value,
        file_contexts=FileContexts.load(_FILE_CONTEXTS.value) if _FILE_CONTEXTS.value else None,
    )
    empty = Tree(directory(mtime=_EPOCH.value * NANOSECONDS))
    image = plan(trees.load(_TREE.value) if _TREE.value else empty, options)
    extents.save(image, _MAP_OUT.value, _LITERALS_OUT.value, _LITERALS_KEY.value)


if __name__ == "__main__":
    run(main)
