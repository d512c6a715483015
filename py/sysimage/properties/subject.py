"""What an `image_test` is about: the image, its goldens and what is promised, as the rule writes them down."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sysimage.errors import UserError
from sysimage.text import parse_json, read_text

_PATHS = ("budget", "checksum", "dpkg_verify", "golden", "image", "layout", "manifest", "sizes")


@dataclass(frozen=True, slots=True)
class Subject:
    """One image under test. Paths are relative to the folder that Bazel starts programs in.

    artifacts are what the build makes, by name, the image among them; login is a mode of `login.MODES`; update is the
    command that writes the goldens; verity says whether the root has a hash tree; volatile are files without a
    recorded content, VOLUME:PATH.
    """

    artifacts: dict[str, Path]
    budget: Path
    checksum: Path
    dpkg_verify: Path
    golden: Path
    image: Path
    layout: Path
    login: str
    manifest: Path
    password: str
    reviewed: tuple[Path, ...]
    sizes: Path
    update: str
    verity: bool
    volatile: tuple[str, ...]


def load(path: Path | str) -> Subject:
    """Reads what the rule wrote.

    Raises:
        UserError: it is something else.
    """
    try:
        data: dict[str, Any] = parse_json(read_text(path))
        values = {each.name: data[each.name] for each in fields(Subject)}
        values |= {name: Path(data[name]) for name in _PATHS}
        values["artifacts"] = {name: Path(file) for name, file in data["artifacts"].items()}
        values["reviewed"] = tuple(Path(file) for file in data["reviewed"])
        values["volatile"] = tuple(data["volatile"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not the subject of an image test: {error}", "the rule image_test writes it"
        ) from error
    return Subject(**values)
