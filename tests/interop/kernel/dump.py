#!/sbin/python3.13
"""First program of a test machine: mounts disks, and tells all that the kernel says about what is on them.

The kernel command line names the disks: `dump=vda:ext4,vdb:vfat:utf8`. What comes out goes as lines of
JSON to the virtio port `dump`: a header for each disk, then one line for each path.
"""

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

TOP = b"/sysroot"
PIECE = 1 << 20


def segments(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each piece of data between holes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position


def content(path: bytes, size: int) -> dict[str, Any]:
    """Where the data of a file lies, and its hash."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        pieces = list(segments(descriptor, size))
        digest = hashlib.sha256()
        for start, end in pieces:
            for at in range(start, end, PIECE):
                digest.update(os.pread(descriptor, min(PIECE, end - at), at))
        return {"data": pieces, "sha256": digest.hexdigest()}
    finally:
        os.close(descriptor)


def describe(path: bytes) -> dict[str, Any]:
    """All that can be asked about a path."""
    found = os.lstat(path)
    row: dict[str, Any] = {
        "path": os.fsdecode(path[len(TOP) + 1 :]),
        "mode": found.st_mode,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "mtime": found.st_mtime_ns,
        "links": found.st_nlink,
        "inode": found.st_ino,
        "size": found.st_size,
        "xattrs": {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in listed(path)},
    }
    if stat.S_ISLNK(found.st_mode):
        row["target"] = os.fsdecode(os.readlink(path))
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        row["device"] = [os.major(found.st_rdev), os.minor(found.st_rdev)]
    if stat.S_ISREG(found.st_mode):
        row |= content(path, found.st_size)
    return row


def listed(path: bytes) -> list[str]:
    """Names of extended attributes; none where the file system has no such thing."""
    try:
        return sorted(os.listxattr(path, follow_symlinks=False))
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return []
        raise


def walk(path: bytes) -> Iterator[bytes]:
    """A path and all below it."""
    pending = [path]
    while pending:
        here = pending.pop()
        yield here
        if stat.S_ISDIR(os.lstat(here).st_mode):
            pending += [here + b"/" + name for name in os.listdir(here)]


def dump(disk: str, kind: str, options: str, out: TextIO) -> None:
    """Mounts one disk, tells what is on it, lets go of it."""
    words = ",".join(word for word in ("ro", options) if word)
    subprocess.run(["/bin/mount", "-t", kind, "-o", words, f"/dev/{disk}", TOP], check=True)
    paths = list(walk(TOP))
    out.write(json.dumps({"disk": disk, "entries": len(paths)}) + "\n")
    for path in paths:
        out.write(json.dumps(describe(path)) + "\n")
    subprocess.run(["/bin/umount", TOP], check=True)


def port(name: str) -> str:
    """The device of a virtio port."""
    for folder in Path("/sys/class/virtio-ports").iterdir():
        if (folder / "name").read_text().strip() == name:
            return f"/dev/{folder.name}"
    raise FileNotFoundError(f"no virtio port {name!r}")


def main() -> None:
    """Does it all; what goes wrong is told on the console."""
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
        subprocess.run(["/bin/mount", "-t", kind, kind, place], check=True)
    for module in Path("/modules/order").read_text().split():
        subprocess.run(["/bin/insmod", f"/modules/{module}"], check=True)
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    with open(port("dump"), "w", encoding="ascii") as out:
        for wanted in words["dump"].split(","):
            disk, kind, *options = wanted.split(":")
            dump(disk, kind, ",".join(options), out)
        out.write('{"end": true}\n')
    print("DUMPED", flush=True)


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # the kernel would panic without a word of it
        print(f"DUMP FAILED: {type(error).__name__}: {error}", flush=True)
        sys.excepthook(type(error), error, error.__traceback__)
    subprocess.run(["/bin/poweroff", "-f"], check=False)
