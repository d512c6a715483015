"""Foreign programs that judge what was written, and what they must say."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random

from sysimage.ext4.testing import write_over
from sysimage.extents import ExtentMap, Sources
from sysimage.materialise import write_raw
from tests.soak.scenario import Finding

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin",
    "TZ": "UTC",
    "MTOOLS_SKIP_CHECK": "0",
}
_SECONDS = 600.0  # for one judge
_PREFILLED = 64 << 20  # bytes up to which a whole file is filled before an image is written over it


def run(*words: str | Path, statuses: Sequence[int] = (0,), stdin: bytes = b"") -> bytes:
    """What a judge says on both outputs.

    Raises:
        Finding: it ends with another status, or does not end.
    """
    try:
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, check=False, timeout=_SECONDS, input=stdin)
    except subprocess.TimeoutExpired as error:
        raise Finding(f"{words}: still runs after {_SECONDS:g} s") from error
    if done.returncode not in statuses:
        said = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
        raise Finding(f"{words}: status {done.returncode}\n{said}")
    return done.stdout + done.stderr


def wrong(what: str, found: object, wanted: object) -> None:
    """Compares.

    Raises:
        Finding: they differ.
    """
    if found != wanted:
        raise Finding(f"{what}: {found!r}, expected {wanted!r}")


def nothing(what: str, findings: Sequence[str]) -> None:
    """What a verifier or comparison found must be nothing.

    Raises:
        Finding: it is something.
    """
    if findings:
        raise Finding("\n".join([f"{what}: {len(findings)} findings", *findings[:50]]))


def materialise(random: Random, image: ExtentMap, sources: Sources, path: Path) -> None:
    """Writes an image where noise was before: under its name and under that of the unfinished file.

    Small ones are also written piece by piece over noise, holes as zeros, instead: what is a hole in a map must not
    matter to a reader.
    """
    if image.size <= _PREFILLED and random.random() < 0.4:
        write_over(image, path, sources, random.randbytes(1 << 16))
        return
    for before in (path, path.with_name(path.name + ".partial")):
        before.write_bytes(random.randbytes(1 << 16))
    write_raw(image, sources, path)
    wrong("size of the raw file", path.stat().st_size, image.size)


def e2fsck(image: Path) -> None:
    """Five passes, and a line of figures: anything more is a complaint."""
    output = run("e2fsck", "-f", "-n", image).decode("utf-8", "backslashreplace")
    lines = [line for line in output.splitlines() if not line.startswith("e2fsck ")]
    if [line[:6] for line in lines[:5]] != [f"Pass {number}" for number in range(1, 6)] or len(lines) != 6:
        raise Finding(f"e2fsck -fn: {output}")


def fsck_fat(image: Path) -> None:
    """A line of the version and a line of figures."""
    output = run("fsck.fat", "-n", image).decode("utf-8", "backslashreplace")
    if len(output.splitlines()) != 2 or " clusters" not in output:
        raise Finding(f"fsck.fat -n: {output}")
