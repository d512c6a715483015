"""A program with many faults: what it writes depends on something that is no input.

faults.py FAULT OUT [SOURCE ...]
faults.py --folder FOLDER
"""

import getpass
import io
import locale
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zstandard

_WORDS = ("zebra", "Apfel", "index", "Item", "Zug", "yak")


def _tar(sources: Sequence[Path], member: Callable[[tarfile.TarInfo], tarfile.TarInfo]) -> bytes:
    """A tar whose headers say just one thing of the machine."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for source in sources:
            data = source.read_bytes()
            plain = tarfile.TarInfo(source.name)
            plain.size = len(data)
            tar.addfile(member(plain), io.BytesIO(data))
    return out.getvalue()


def _mtime(sources: Sequence[Path]) -> bytes:
    def with_time(plain: tarfile.TarInfo) -> tarfile.TarInfo:
        plain.mtime = int(sources[0].stat().st_mtime)
        return plain

    return _tar(sources, with_time)


def _own_mtime() -> bytes:
    """The time of a file that the program makes itself."""
    with tempfile.NamedTemporaryFile() as file:
        return str(os.stat(file.name).st_mtime_ns).encode()


def _uid(sources: Sequence[Path]) -> bytes:
    def with_owner(plain: tarfile.TarInfo) -> tarfile.TarInfo:
        plain.uid = sources[0].stat().st_uid
        return plain

    return _tar(sources, with_owner)


def _umask() -> bytes:
    """The mode of a file that is made without one."""
    file = Path("made")
    file.write_bytes(b"")
    return f"{file.stat().st_mode:o}".encode()


def _directory_order(sources: Sequence[Path]) -> bytes:
    return "\n".join(os.listdir(sources[0])).encode()


def _native_order(sources: Sequence[Path]) -> bytes:
    """What a program in another language sees."""
    return subprocess.run(["ls", "-U", str(sources[0])], capture_output=True, check=True).stdout


def _locale_sort() -> bytes:
    locale.setlocale(locale.LC_ALL, "")
    return " ".join(sorted(_WORDS, key=locale.strxfrm)).encode()


def _compressor() -> bytes:
    """As many threads as there are processors, but one: with a single one zstd works in another mode."""
    text = b"".join(b"%d bottles of beer\n" % number for number in range(600_000))
    return zstandard.ZstdCompressor(level=3, threads=multiprocessing.cpu_count() - 1).compress(text)


def _block_size(sources: Sequence[Path]) -> bytes:
    """The size of a file system by what files occupy, as du counts."""
    return str(sum(source.stat().st_blocks for source in sources)).encode()


def _fails() -> bytes:
    """What goes wrong only where the encoding is not what was expected."""
    with tempfile.NamedTemporaryFile() as file:
        file.write("100 \N{EURO SIGN}".encode())
        file.flush()
        with open(file.name) as text:
            return text.read().encode("cp1252")


def _fails_here() -> bytes:
    """What the executor of the test does not provide: here, that it is not there."""
    if "REPRODUCIBILITY_ORDER" in os.environ:
        sys.exit("not here")
    return b"fine"


def _inherited() -> bytes:
    folder = Path(tempfile.mkdtemp())
    return f"{folder.stat().st_mode:o} {os.listxattr(folder)}".encode()


# Where the bytes come from: from the machine alone, or from the sources too.
OF_THE_MACHINE: dict[str, Callable[[], bytes]] = {
    "own-mtime": _own_mtime,
    "user-name": lambda: getpass.getuser().encode(),
    "umask": _umask,
    "acl": _inherited,
    "locale-sort": _locale_sort,
    "encoding": lambda: locale.getpreferredencoding().encode(),
    "time-zone": lambda: time.strftime("%Y-%m-%d %H:%M", time.localtime(1_000_000_000)).encode(),
    "clock": lambda: time.strftime("%Y-%m-%d").encode(),
    "host-name": lambda: socket.gethostname().encode(),
    "compressor": _compressor,
    "hash-seed": lambda: " ".join(set(_WORDS)).encode(),
    "path-length": lambda: str(len(os.getcwd())).encode(),
    "environment": lambda: os.environ.get("SOURCE_DATE_EPOCH", "unset").encode(),
    "fails": _fails,
    "fails-here": _fails_here,
    "random": lambda: random.SystemRandom().randbytes(16),
}
OF_SOURCES: dict[str, Callable[[Sequence[Path]], bytes]] = {
    "none": lambda sources: b"".join(source.read_bytes() for source in sources),
    "mtime": _mtime,
    "mode": lambda sources: f"{sources[0].stat().st_mode:o}".encode(),
    "uid": _uid,
    "directory-order": _directory_order,
    "native-order": _native_order,
    "block-size": _block_size,
    "path": lambda sources: os.path.abspath(sources[0]).encode(),
}


def main(argv: Sequence[str]) -> None:
    """Does what the command line says."""
    fault, out = argv[1], Path(argv[2])
    if fault == "--folder":
        for number in range(16):
            (out / f"file{number:02}").write_text(f"{number}\n")
    elif fault in OF_THE_MACHINE:
        out.write_bytes(OF_THE_MACHINE[fault]())
    else:
        out.write_bytes(OF_SOURCES[fault]([Path(source) for source in argv[3:]]))


if __name__ == "__main__":
    main(sys.argv)
