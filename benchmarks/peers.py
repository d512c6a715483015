"""The peers, each called as its manual says, with what makes it fast turned on.

mkosi builds the same packages into a disk image: ext4 as large as its content, dm-verity behind it,
compressed with zstd at level 3, which is what our image is too. It is spared what ours has
besides: firmware partition, boot loader, initrd, boot partition.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks import repository
from benchmarks.measure import execute
from benchmarks.repository import Repository

ZSTD_LEVEL = 3
# Made of the content of the same block size as ours, no journal: nobody writes to it.
_MKE2FS_OPTIONS = ("-t", "ext4", "-b", "4096", "-m", "0", "-O", "^has_journal", "-q", "-F")
_SPARE = 64 << 20  # bytes that mke2fs is given beyond the tar, for its tables

_ROOT_PARTITION = """\
[Partition]
Type=root
Format=ext4
CopyFiles=/
Verity=data
VerityMatchKey=root
Minimize=guess
"""

_VERITY_PARTITION = """\
[Partition]
Type=root-verity
Verity=hash
VerityMatchKey=root
Minimize=best
"""


@dataclass(frozen=True, slots=True)
class Mkosi:
    """mkosi with a folder of its own: configuration, caches, output.

    extra: what is laid over the packages (a copy of our `rootfs/etc`).
    """

    folder: Path
    packages: Repository
    extra: Path
    log: Path

    def configure(self) -> None:
        """Writes the configuration into an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self._source / "mkosi.repart").mkdir(parents=True)
        for name in ("output", "workspace", "cache", "packages"):
            (self.folder / name).mkdir()
        (self._source / "mkosi.conf").write_text(self.configuration(), encoding="utf-8")
        (self._source / "mkosi.repart" / "00-root.conf").write_text(_ROOT_PARTITION, encoding="utf-8")
        (self._source / "mkosi.repart" / "10-verity.conf").write_text(_VERITY_PARTITION, encoding="utf-8")

    @property
    def _source(self) -> Path:
        return self.folder / "source"

    def configuration(self) -> str:
        """The file `mkosi.conf`. Source: mkosi(1)."""
        names = "\n".join(f"    {name}" for name in sorted(self.packages.packages))
        return f"""\
[Distribution]
Distribution=debian
Release={repository.SUITE}
Architecture=x86-64
LocalMirror=file://{self.packages.path}

[Output]
Format=disk
Output=image
OutputDirectory={self.folder}/output
CompressOutput=zstd
CompressLevel={ZSTD_LEVEL}
# Without a firmware partition systemd-repart 262 refuses the catalogue that mkosi 27 asks for.
ElTorito=no

[Content]
Bootable=no
WithRecommends=no
ExtraTrees={self.extra}:/
Packages=
{names}

[Build]
WorkspaceDirectory={self.folder}/workspace
CacheDirectory={self.folder}/cache
PackageCacheDirectory={self.folder}/packages
WithNetwork=no
History=no
"""

    def clear(self) -> None:
        """Removes caches and output."""
        for name in ("output", "cache", "packages"):
            shutil.rmtree(self.folder / name)
            (self.folder / name).mkdir()

    def build(self, *, incremental: bool) -> None:
        """Builds the image; incremental: with the cache of the tree of installed packages."""
        command = ["mkosi", "--force", f"--incremental={'yes' if incremental else 'no'}", "build"]
        execute(command, self.log, cwd=self._source)

    def check(self) -> None:
        """Makes sure that the cached tree has the packages of the lock."""
        for status in self.folder.glob("cache/*.cache/var/lib/dpkg/status"):
            repository.check_same_packages(self.packages, status, "mkosi")
            return
        raise AssertionError("mkosi left no cached tree")


@dataclass(frozen=True, slots=True)
class Mmdebstrap:
    """mmdebstrap, as root, into a folder: it need not pack what it installs."""

    target: Path
    packages: Repository
    log: Path

    def clear(self) -> None:
        """Removes the last result."""
        shutil.rmtree(self.target, ignore_errors=True)

    def build(self) -> None:
        """Installs the packages of the lock."""
        names = ",".join(sorted(self.packages.packages))
        options = ["--mode=root", "--variant=essential", f"--include={names}"]
        execute(["mmdebstrap", *options, repository.SUITE, self.target, self.packages.source], self.log)

    def check(self) -> None:
        """Makes sure that it installed the packages of the lock."""
        repository.check_same_packages(self.packages, self.target / "var/lib/dpkg/status", "mmdebstrap")


def mke2fs(tar: Path, image: Path, log: Path) -> None:
    """Makes an ext4 image of a tar. It needs to know the size beforehand: that of the tar and some to spare."""
    kibibytes = (tar.stat().st_size + _SPARE) // 1024
    execute(["mke2fs", *_MKE2FS_OPTIONS, "-d", tar, image, f"{kibibytes}k"], log)


def veritysetup(image: Path, tree: Path, root_hash: Path, salt: str, uuid: str, log: Path) -> None:
    """Makes the hash tree of an image in a file of its own, and the file of its root hash."""
    options: list[str | Path] = ["--salt", salt, "--uuid", uuid, "--root-hash-file", root_hash]
    execute(["veritysetup", "format", image, tree, *options], log)
