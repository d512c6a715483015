"""What a program sees of the environment that it runs in.

probe.py FOLDER: prints JSON. FOLDER has some files, whose order is told.
"""

import json
import locale
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

_WORDS = ["ä", "Z", "a", "i", "I", "z"]
_LIST = "import os, sys; print('\\n'.join(os.listdir(sys.argv[1])))"


def _order(names: list[str]) -> str:
    return " ".join(names[:4]) + (" ..." if len(names) > 4 else "")


def _made(folder: Path) -> str:
    """Mode and extended attributes of a file and a directory that come to be."""
    file, below = folder / "probe.file", folder / "probe.folder"
    with open(file, "w"):
        below.mkdir()
    said = f"file {file.stat().st_mode & 0o7777:04o}, directory {below.stat().st_mode & 0o7777:04o}"
    if os.listxattr(file):
        said += ", " + " ".join(sorted(os.listxattr(file)))
    file.unlink()
    below.rmdir()
    return said


def _block_size(folder: Path) -> int:
    file = folder / "probe.file"
    file.write_bytes(b"one byte")
    size = file.stat().st_blksize
    file.unlink()
    return size


def look(folder: Path) -> dict[str, object]:
    """What is seen: keys as in `force.SEEN`."""
    locale.setlocale(locale.LC_ALL, "")
    file = next(folder.iterdir())
    plain = subprocess.run([sys.executable, "-ISc", _LIST, str(folder)], capture_output=True, text=True, check=True)
    mask = os.umask(0)
    os.umask(mask)
    return {
        "folder": os.getcwd(),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "umask": f"{mask:04o}",
        "made": _made(Path.cwd()),
        "collation": " ".join(sorted(_WORDS, key=_collation)),
        "encoding": locale.getpreferredencoding(False),
        "utc_offset": time.localtime().tm_gmtoff,
        "clock": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": int(time.time()),
        "host_name": os.uname().nodename,
        "cpus": multiprocessing.cpu_count(),
        "online": os.sysconf("SC_NPROCESSORS_ONLN"),
        "order": _order([path.name for path in folder.iterdir()]),
        "plain_order": _order(plain.stdout.split()),
        "block_size": _block_size(Path.cwd()),
        "hash": hash("a"),
        "input_time": int(file.stat().st_mtime),
        "input_mode": f"{file.stat().st_mode & 0o7777:04o}",
        "variables": dict(os.environ),
    }


def _collation(word: str) -> str:
    try:
        return locale.strxfrm(word)
    except (OSError, UnicodeError):
        return word


if __name__ == "__main__":
    json.dump(look(Path(sys.argv[1])), sys.stdout)
