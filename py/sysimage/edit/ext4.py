"""Changes files of an ext4 in place: what does not change is neither read nor moved, however large it is.

Only file systems such as `sysimage.ext4` plans are changed: whose features it makes, sound, and with nothing in the
journal. A changed directory gets its blocks anew, sorted by name; a file that is replaced keeps its inode,
and with it its mode, owner and extended attributes.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from sysimage import ext4
from sysimage.edit.changes import Change, by_path
from sysimage.edit.ext4_store import Store
from sysimage.errors import UserError
from sysimage.ext4 import directory, extent_tree, inode
from sysimage.ext4.checksum import crc32c
from sysimage.ext4.extent_tree import Run
from sysimage.ext4.layout import (
    DIRENT_TAIL,
    FILE_TYPES,
    FLAG_EXTENTS,
    FLAG_INDEX,
    FLAG_UNSIGNED_HASH,
    INODE,
    JOURNAL_INODE,
    JOURNAL_SUPERBLOCK,
    LINK_MAX,
    ROOT_INODE,
    JournalSuperblock,
)
from sysimage.ext4.read import content, names
from sysimage.ext4.read_inode import extent_nodes, stretches, xattr_block_of
from sysimage.ext4.volume import RawInode, Volume
from sysimage.extents import ImageReader
from sysimage.tree import Node, NodeType, encode, join, parent
from sysimage.tree import directory as directory_node
from sysimage.tree import file as file_node

# What sysimage.ext4 makes; has_journal as long as there is nothing in it.
_FEATURES = {
    *("ext_attr", "dir_index", "sparse_super2", "has_journal", "filetype", "extents", "64bit", "flex_bg"),
    *("sparse_super", "large_file", "huge_file", "dir_nlink", "extra_isize", "metadata_csum"),
}
_NEEDED = ("sparse_super2", "filetype", "extents", "64bit", "extra_isize", "metadata_csum")
_TYPES = {kind.format_bits: FILE_TYPES[kind.value] for kind in NodeType}


def edit(image: ImageReader, changes: Iterable[Change]) -> dict[int, bytes]:
    """The bytes of the volume that become others, by their offsets.

    Raises:
        UserError: no ext4, a damaged or unclean one, or one with features that are not changed here; a change is
            not possible, or there is no room for it.
    """
    volume = Volume(image)
    _check(volume)
    if findings := ext4.verify(image):
        raise UserError(f"the ext4 file system is damaged: {findings[0]}", hint="mend it with e2fsck before")
    return _Edit(volume).make(by_path(changes))


def _check(volume: Volume) -> None:
    other = [name for name in volume.features if name not in _FEATURES]
    other += [f"no {name}" for name in _NEEDED if not volume.has(name)]
    if other:
        raise UserError(
            f"this ext4 file system has features that are not changed here: {', '.join(other)}",
            hint="only file systems that ext4_image made are",
        )
    if volume.superblock.s_last_orphan:
        raise UserError("the ext4 file system has files that were removed but in use", hint="let e2fsck mend it first")
    if not volume.superblock.s_flags & FLAG_UNSIGNED_HASH:
        raise UserError("this ext4 file system hashes names as signed bytes, which is not changed here")
    if volume.has("has_journal"):
        log = stretches(volume, volume.inode(JOURNAL_INODE, "the journal"))
        data = volume.block(log[0].physical, "the journal") if log else b""
        header = JournalSuperblock._make(JOURNAL_SUPERBLOCK.unpack(data[: JOURNAL_SUPERBLOCK.size])) if data else None
        if header is None or header.s_start:
            raise UserError("the journal of the ext4 file system is not empty", hint="let e2fsck or a mount replay it")


@dataclass(slots=True)
class _Folder:
    """A directory and what is to be in it: by name the inode and its type. `inode` is None if it is new."""

    path: str
    number: int
    above: int
    inode: RawInode | None
    entries: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    links: int = 2
    mtime: int = 0
    changed: bool = False


class _Edit:
    """One edit: changes are looked at first, then what goes is let go, then what comes gets its place."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.store = Store(volume)
        self.folders: dict[str, _Folder] = {}
        self.replaced: dict[str, RawInode] = {}
        self.removed: dict[str, RawInode] = {}

    def make(self, changes: list[Change]) -> dict[int, bytes]:
        self._open("", ROOT_INODE, ROOT_INODE)
        wanted = [change for change in changes if self._look(change)]
        if not wanted:
            return {}
        for raw in [*self.replaced.values(), *self.removed.values()]:
            self._free_content(raw)
        for path, raw in self.removed.items():
            self.store.let_go_inode(raw.number)
            self._touch(parent(path), 0).entries.pop(_name(path))
        for change in wanted:
            if change.content is not None and change.path not in self.replaced:
                self._add(change)
            elif change.content is None:
                self._touch(parent(change.path), change.mtime)
        for folder in self.folders.values():
            if folder.changed and folder.inode is not None:
                self._free_content(folder.inode)
        for path in sorted(self.folders):
            if self.folders[path].changed:
                self._write_folder(self.folders[path])
        for change in wanted:
            if change.content is not None:
                self._write_file(change, change.content)
        return self.store.patches()

    def _open(self, path: str, number: int, above: int) -> _Folder:
        if path not in self.folders:
            raw = self.volume.inode(number, f"/{path}")
            folder = _Folder(path, number, above, raw, links=raw.fields.i_links_count)
            for name, child in names(self.volume, raw):
                if name not in (b".", b".."):
                    mode = self.volume.inode(child, f"/{join(path, 'entry')}").fields.i_mode
                    folder.entries[name] = (child, _TYPES[stat.S_IFMT(mode)])
            self.folders[path] = folder
        return self.folders[path]

    def _find(self, path: str) -> tuple[_Folder | None, RawInode | None]:
        """The directory that a path lies in, and its inode; None for what is not there. Errors: a file on the way."""
        folder = self.folders[""]
        parts = path.split("/")
        for index, part in enumerate(parts):
            here = "/".join(parts[: index + 1])
            found = folder.entries.get(encode(part))
            if found is None:
                return (folder if index == len(parts) - 1 else None), None
            if index == len(parts) - 1:
                return folder, self.volume.inode(found[0], f"/{path}")
            if found[1] != FILE_TYPES["dir"]:
                raise UserError(f"/{path} cannot be placed: /{here} is not a directory")
            folder = self._open(here, found[0], folder.number)
        raise AssertionError("a path has parts")

    def _look(self, change: Change) -> bool:
        """Whether there is something to do; notes what goes."""
        for part in change.path.split("/"):
            if len(encode(part)) > 255:
                raise UserError(f"/{change.path}: a name of {len(encode(part))} bytes is too long for ext4")
        if change.path.split("/")[0] == "lost+found":
            raise UserError(f"/{change.path}: lost+found is e2fsck's")
        _, raw = self._find(change.path)
        if raw is None:
            return change.content is not None
        kind = stat.S_IFMT(raw.fields.i_mode)
        if kind == stat.S_IFDIR:
            raise UserError(f"/{change.path} is a directory; only files are changed")
        if kind != stat.S_IFREG or raw.fields.i_links_count != 1:
            raise UserError(f"/{change.path} is a link, has several names, or is no ordinary file: not changed")
        if change.content is None:
            if xattr_block_of(raw):
                raise UserError(f"/{change.path} has extended attributes in a block of their own, and stays")
            self.removed[change.path] = raw
            return True
        old = ImageReader(content(self.volume, raw), self.volume.reader.sources)
        if old.size == len(change.content) and old.read(0, old.size) == change.content:
            return False
        self.replaced[change.path] = raw
        return True

    def _touch(self, path: str, mtime: int) -> _Folder:
        folder = self.folders[path]
        folder.changed = True
        folder.mtime = max(folder.mtime, mtime)
        return folder

    def _add(self, change: Change) -> None:
        """Makes the directories that are missing, and the name; `_write_file` fills it."""
        above = ""
        for part in change.path.split("/")[:-1]:
            path = join(above, part)
            if encode(part) not in self.folders[above].entries:
                number = self.store.take_inode(is_directory=True)
                folder = self._touch(above, change.mtime)
                folder.entries[encode(part)] = (number, FILE_TYPES["dir"])
                folder.links = folder.links + 1 if 1 < folder.links < LINK_MAX else 1
                self.folders[path] = _Folder(path, number, folder.number, None, mtime=change.mtime, changed=True)
            above = path
        number = self.store.take_inode(is_directory=False)
        self._touch(above, change.mtime).entries[_name(change.path)] = (number, FILE_TYPES["file"])

    def _free_content(self, raw: RawInode) -> None:
        for number, _, found in extent_nodes(self.volume, raw):
            if number:
                self.store.let_go(number, 1)
            for stretch in found:
                self.store.let_go(stretch.physical, stretch.length)

    def _write_folder(self, folder: _Folder) -> None:
        size = self.volume.block_size
        entries = [directory.Entry(name, *folder.entries[name]) for name in sorted(folder.entries)]
        words = directory.hash_words(self.volume.superblock.s_hash_seed)
        try:
            built = directory.build(folder.number, folder.above, entries, words, size)
        except UserError as error:
            raise UserError(f"/{folder.path}: {error.message}", error.hint) from error
        generation = folder.inode.fields.i_generation if folder.inode else 0
        seed = self.store.seed_of(folder.number, generation)
        sealed = [
            directory.seal_index(block, built.index_used[index], seed)
            if index in built.index_used
            else block[:-4] + crc32c(block[:-DIRENT_TAIL], seed).to_bytes(4, "little")
            for index, block in enumerate(built.blocks)
        ]
        node = directory_node(0o755, mtime=folder.mtime)
        flags = FLAG_INDEX if built.indexed else 0
        self._write(folder.number, folder.inode, node, folder.links, b"".join(sealed), flags)

    def _write_file(self, change: Change, data: bytes) -> None:
        raw = self.replaced.get(change.path)
        number = self.folders[parent(change.path)].entries[_name(change.path)][0]
        node = file_node(b"", change.mode, change.uid, change.gid, change.mtime)
        inode.check(node, 1, change.path)
        self._write(number, raw, node, 1, data, 0)

    def _write(self, number: int, old: RawInode | None, node: Node, links: int, data: bytes, flags: int) -> None:
        """Content, extent tree and inode; of an old inode all stays that does not follow from the content."""
        size = self.volume.block_size
        runs: list[Run] = []
        for first, count in self.store.take(-(-len(data) // size)):
            logical = runs[-1].logical + runs[-1].length if runs else 0
            runs.append(Run(logical, first, count))
            for index in range(count):
                at = (logical + index) * size
                self.store.put(first + index, data[at : at + size])
        generation = old.fields.i_generation if old else 0
        block, tree_blocks = self._extent_tree(number, generation, extent_tree.split(runs))
        attributes = xattr_block_of(old) if old else 0
        used = sum(run.length for run in runs) + tree_blocks + bool(attributes)
        packed = inode.pack(
            node, links, len(data), used, FLAG_EXTENTS | flags, block, attributes, inode.sectors_per_block(size)
        )
        if old is not None:
            new = INODE.unpack(packed)
            fields = dict(zip(old.fields._fields, new, strict=True))
            followed = ("i_size_lo", "i_size_high", "i_blocks_lo", "i_blocks_high", "i_block", "i_links_count")
            times = ("i_mtime", "i_mtime_extra", "i_ctime", "i_ctime_extra")
            kept = old.fields.i_flags & ~FLAG_INDEX | FLAG_EXTENTS | flags
            changed = old.fields._replace(i_flags=kept, **{name: fields[name] for name in (*followed, *times)})
            packed = INODE.pack(*changed) + old.data[INODE.size :]
        self.store.put_inode(number, packed, generation)

    def _extent_tree(self, number: int, generation: int, extents: list[Run]) -> tuple[bytes, int]:
        """i_block, and how many blocks the nodes of the tree take."""
        size = self.volume.block_size
        count = extent_tree.tree_blocks(len(extents), size)
        places = [first + index for first, length in self.store.take(count) for index in range(length)]
        root, nodes = extent_tree.build(extents, places, size)
        tail = extent_tree.tail_offset(size)
        seed = self.store.seed_of(number, generation)
        for place, node in zip(places, nodes, strict=True):
            value = crc32c(node[:tail], seed)
            self.store.put(place, node[:tail] + value.to_bytes(4, "little") + node[tail + 4 :])
        return root, count


def _name(path: str) -> bytes:
    return encode(path.rpartition("/")[2])
