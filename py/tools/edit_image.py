"""Changes files in the partitions of a finished disk image.

edit_image --image=disk-img.tar.zst --output=changed.tar.zst --file=config:config.ini=FILE --remove=config:old.ini

With an output whose name ends in .tar or .tar.zst goes a file with its sha256.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.edit import Change, edit_image
from sysimage.errors import UserError
from sysimage.folders import read_file
from sysimage.tree import NANOSECONDS
from tools.main import refuse_arguments, run

_IMAGE = flags.DEFINE_string("image", None, "The image: a raw file, or a tar with it, either as it is or under zstd.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where the changed image goes; .tar.zst, .tar or .img says how it is packed."
)
_FILE = flags.DEFINE_multi_string("file", [], "PARTITION:PATH=FILE: a file that is to be there. May be repeated.")
_REMOVE = flags.DEFINE_multi_string("remove", [], "PARTITION:PATH: a file that is to be away. May be repeated.")
_MODE = flags.DEFINE_multi_string("mode", [], "PARTITION:PATH=MODE, octal, of a --file that is new. May be repeated.")
_EPOCH = flags.DEFINE_integer("epoch", 0, "Modification time of what is written, seconds since 1970.", lower_bound=0)

_LIMIT = 64 << 20  # bytes of a file


def _place(flag: str, word: str) -> tuple[str, str]:
    partition, colon, path = word.partition(":")
    if not partition or not colon or not path:
        raise UserError(f"--{flag} {word!r} does not begin with PARTITION:PATH")
    return partition, path


def _pairs(flag: str, words: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for word in words:
        place, equals, value = word.partition("=")
        if not equals or not value:
            raise UserError(f"--{flag} {word!r} is not of the form PARTITION:PATH=...")
        pairs.append((place, value))
    return pairs


def _mode(place: str, word: str) -> int:
    if not re.fullmatch("[0-7]{1,4}", word):
        raise UserError(f"--mode of {place!r}: {word!r} is not an octal mode", hint="as in 0644")
    return int(word, 8)


def main(argv: Sequence[str]) -> None:
    """Writes the changed image."""
    refuse_arguments(argv)
    if not _IMAGE.value or not _OUTPUT.value:
        raise UserError("give --image and --output")
    modes = {place: _mode(place, mode) for place, mode in _pairs("mode", _MODE.value)}
    changes: dict[str, list[Change]] = {}
    for word, file in _pairs("file", _FILE.value):
        partition, path = _place("file", word)
        data = read_file(word, file, _LIMIT)
        change = Change(path, data, modes.get(word, 0o644), mtime=_EPOCH.value * NANOSECONDS)
        changes.setdefault(partition, []).append(change)
    for word in _REMOVE.value:
        partition, path = _place("remove", word)
        changes.setdefault(partition, []).append(Change(path, None))
    edit_image(Path(_IMAGE.value), changes, Path(_OUTPUT.value))


if __name__ == "__main__":
    run(main)
