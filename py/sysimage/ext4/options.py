"""What one wants of a file system, beside its content."""

from dataclasses import dataclass
from uuid import UUID

from sysimage.errors import UserError
from sysimage.ext4.selinux import FileContexts

LABEL_MAX = 16  # bytes
BLOCK_SIZES = (1024, 2048, 4096)
INODE_SIZES = (256, 512, 1024)
TIME_MAX = (1 << 34) - (1 << 31) - 1  # seconds: the superblock keeps 40 bits, but the inode of lost+found only these
BYTES_PER_FREE_INODE = 16384  # as mke2fs: one inode for each 16 KiB that is left free


@dataclass(frozen=True, slots=True)
class Ext4Options:
    """Options of `plan`.

    size: bytes of the image; None makes it as large as the content and `reserve` need.
    reserve: bytes that must be left free for files.
    inodes: how many at least; None stands for what the content needs, and one for each 16 KiB left free.
    epoch: seconds since 1970, the time of creation, of the last write and of lost+found.
    journal: with a journal, sized as mke2fs does it.
    read_only: sets the `read-only` feature: the kernel refuses to mount it for writing.
    file_contexts: where SELinux labels come from; None leaves `security.selinux` as the tree has it.

    Raises:
        UserError: a value that ext4 cannot hold.
    """

    uuid: UUID
    hash_seed: UUID
    epoch: int
    size: int | None = None
    reserve: int = 0
    label: str = ""
    block_size: int = 4096
    inode_size: int = 256
    inodes: int | None = None
    journal: bool = False
    read_only: bool = False
    file_contexts: FileContexts | None = None

    def __post_init__(self) -> None:
        if self.block_size not in BLOCK_SIZES:
            raise UserError(f"ext4 block size {self.block_size} is not one of {_words(BLOCK_SIZES)}")
        if self.inode_size not in INODE_SIZES:
            raise UserError(f"ext4 inode size {self.inode_size} is not one of {_words(INODE_SIZES)}")
        if self.size is not None and self.size < 0:
            raise UserError(f"ext4 size {self.size} is negative")
        if self.reserve < 0:
            raise UserError(f"ext4 reserve {self.reserve} is negative")
        if self.inodes is not None and not 0 < self.inodes < 1 << 32:
            raise UserError(f"ext4 cannot have {self.inodes} inodes", hint="1 to 4294967295")
        if not 0 <= self.epoch <= TIME_MAX:
            raise UserError(f"ext4 epoch {self.epoch} is not within 0 to {TIME_MAX} seconds")
        size = len(self.label.encode("utf-8", "surrogateescape"))
        if size > LABEL_MAX or "\0" in self.label:
            raise UserError(
                f"ext4 label {self.label!r} is not possible: {size} bytes",
                hint=f"at most {LABEL_MAX} bytes, none of them NUL",
            )


def _words(values: tuple[int, ...]) -> str:
    return ", ".join(str(value) for value in values)
