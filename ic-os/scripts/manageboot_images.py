"""Small systems of our own writers, and archives of them, whole and damaged, for tests of manageboot.sh."""

import io
import random
import tarfile
from pathlib import Path
from uuid import UUID

import zstandard

from sysimage import grub, sparse_tar, tree, verity
from sysimage.ext4.options import Ext4Options
from sysimage.ext4.plan import plan as plan_ext4
from sysimage.extents import ExtentMap, Sources
from sysimage.materialise import write_raw
from sysimage.tree import Tree

SALT = bytes(range(32))
MIB = 1 << 20


class System:
    """A version of a system: its boot and root images as maps.

    Args:
        version: what version.txt says.
        roots: slot to the value of root= in its command line.
    """

    def __init__(self, version: str, roots: dict[str, str]) -> None:
        self.version = version
        self.roots = roots
        content = Tree()
        content.put("data", tree.file(random.Random(version).randbytes(3 * MIB)))
        # As large as other data between: holes in the image.
        content.put("sparse", tree.file(ExtentMap(4 * MIB)))
        options = Ext4Options(UUID(int=1), UUID(int=2), 1754697600, reserve=2 * MIB)
        self.protected = verity.plan(plan_ext4(content, options), Sources({}), SALT, UUID(int=3))
        self.boot_files = {
            "boot_args": self.boot_args(),
            "initrd.img": b"initrd",
            "version.txt": f"{version}\n".encode(),
            "vmlinuz": random.Random(f"kernel {version}").randbytes(MIB),
        }

    def boot_args(self, **changes: str) -> bytes:
        """The command lines; changes replace, or with "" leave out, words."""
        words = {
            "root_hash": self.protected.root_hash.hex(),
            "verity.data_blocks": str(self.protected.data_blocks),
            "verity.hash_start": str(self.protected.hash_start),
            "verity.salt": SALT.hex(),
        }
        words |= changes
        text = " ".join(f"{name}={value}" for name, value in words.items() if value)
        return grub.boot_args(
            {
                slot: f"root={root} dfinity.system={slot} dfinity.boot_state=$boot_state {text}"
                for slot, root in self.roots.items()
            }
        )

    @property
    def boot(self) -> ExtentMap:
        """The boot partition."""
        content = Tree()
        for name, data in self.boot_files.items():
            content.put(name, tree.file(data))
        return plan_ext4(content, Ext4Options(UUID(int=4), UUID(int=5), 1754697600, label="boot"))

    @property
    def root(self) -> ExtentMap:
        """The root partition, with its hash tree."""
        return self.protected.map

    def members(self) -> dict[str, ExtentMap]:
        """What an update archive has, in order."""
        version = ExtentMap.of_bytes(f"{self.version}\n".encode())
        return {"boot.img": self.boot, "root.img": self.root, "VERSION.TXT": version}


def compress(data: bytes) -> bytes:
    """With a checksum, as sysimage.zstd does it."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def archive(members: dict[str, ExtentMap], sparse: bool = True) -> bytes:
    """A zstd-compressed tar, as image_archive writes it."""
    out = io.BytesIO()
    sparse_tar.write([sparse_tar.Member(name, content, sparse) for name, content in members.items()], Sources({}), out)
    return compress(out.getvalue())


def with_link(data: bytes, name: str) -> bytes:
    """The archive with a symbolic link at its end."""
    inner = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    out = io.BytesIO(inner)
    with tarfile.open(fileobj=out, mode="a", format=tarfile.GNU_FORMAT) as tar:
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return compress(out.getvalue())


def raw(image: ExtentMap, target: Path) -> bytes:
    """The bytes of an image."""
    write_raw(image, Sources({}), target)
    return target.read_bytes()
