"""What somebody published: a hash, a file with hashes, or the image itself."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError

_HASH = re.compile(r"[0-9A-Fa-f]{64}")
_LINE = re.compile(r"\\?([0-9A-Fa-f]{64}) [ *](.+)")
_SUFFIX = ".sha256"
_LIST_MAX = 1 << 20  # bytes of a list of hashes


@dataclass(frozen=True, slots=True)
class Published:
    """What is to come out.

    hashes: name of the file (empty where none was given) to sha256 in hex; image: the image, if it is at hand.
    """

    hashes: dict[str, str]
    image: Path | None = None

    def hash_of(self, name: str) -> str:
        """The hash for a file of that name.

        Raises:
            UserError: there are hashes, but of files with other names.
        """
        if "" in self.hashes:
            return self.hashes[""]
        if name not in self.hashes:
            raise UserError(
                f"what is published is {', '.join(sorted(self.hashes))}; the target makes {name}",
                hint="give the label of that file as --target, or the bare hash as --published",
            )
        return self.hashes[name]


def file_hash(path: Path) -> str:
    """The sha256 of a file, in hex. Raises UserError: it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def parse_published(word: str, folder: Path) -> Published:
    """A hash of 64 hex digits; a file called `*.sha256` or SHA256SUMS; any other file is the image.

    Args:
        word: as the user wrote it.
        folder: what a relative path is relative to.

    Raises:
        UserError: it is none of these.
    """
    if _HASH.fullmatch(word):
        return Published({"": word.lower()})
    path = folder / word
    if not word or not path.exists():
        raise UserError(
            f"--published {word!r} is neither a file nor a sha256",
            hint=f"a sha256 has 64 hex digits, this has {len(word)}" if re.fullmatch("[0-9A-Fa-f]+", word) else "",
        )
    if not (word.endswith(_SUFFIX) or path.name == "SHA256SUMS"):
        return Published({"": file_hash(path)}, path)
    try:
        with path.open("rb") as file:
            text = file.read(_LIST_MAX).decode("utf-8", "backslashreplace")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    hashes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if _HASH.fullmatch(line.strip()):
            hashes[""] = line.strip().lower()
        elif match := _LINE.fullmatch(line):
            hashes[Path(match[2]).name] = match[1].lower()
        else:
            raise UserError(
                f"{word} is not a list of checksums: line {number} is {line[:40]!r}",
                hint="a line is 64 hex digits, two blanks and a name, as sha256sum writes it",
            )
    if not hashes:
        raise UserError(
            f"{word} is empty", hint="a line is 64 hex digits, two blanks and a name, as sha256sum writes it"
        )
    return Published(hashes)
