"""How large an image may be, how large it is, and whose the bytes are.

A budget is a JSON file of limits in MiB, by what they are for:

    {
      "A_root": 300,                what is stored of the volume, hash tree and all
      "A_boot:initrd.img": 8,       a file on a volume
      "disk-img.tar.zst": 140,      a file that the build makes
      "growth": {"A_root": 5}       per cent that the packages of a volume may grow until the sizes are recorded anew
    }

Recorded sizes are a text of lines `package bytes`, sorted; `-` is for files of no package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError
from sysimage.inspection import Image
from sysimage.properties.system import System
from sysimage.text import is_decimal, parse_json, read_text
from sysimage.tree import NodeType

MIB = 1 << 20
NO_PACKAGE = "-"
_BAR = 30  # columns
_TOP = 20  # packages that a report shows


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in bytes by what they are for, and growth in per cent by volume."""

    limits: Mapping[str, int]
    growth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Use:
    """What is used of a limit, both in bytes."""

    what: str
    used: int
    limit: int

    @property
    def exceeded(self) -> bool:
        """Whether it is more than the limit."""
        return self.used > self.limit


def load_budget(path: Path | str) -> Budget:
    """Reads a budget.

    Raises:
        UserError: it is no JSON object of numbers above 0, or has no limit.
    """
    try:
        data = parse_json(read_text(path))
        growth = data.pop("growth", {})
        numbers = [*data.values(), *growth.values()]
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} is not a budget: {error}", "a JSON object of limits in MiB") from error
    if not data or any(
        isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 for value in numbers
    ):
        raise UserError(f"{path} is not a budget", "a JSON object of limits in MiB, numbers above 0")
    return Budget(
        {what: int(value * MIB) for what, value in data.items()}, {what: float(value) for what, value in growth.items()}
    )


def uses(image: Image, budget: Budget, files: Mapping[str, Path]) -> list[Use]:
    """What is used of each limit.

    Args:
        image: the image.
        budget: the limits.
        files: what the build makes, by name.

    Raises:
        UserError: a limit is for something that there is not.
    """
    return [Use(what, _used(image, what, files), limit) for what, limit in budget.limits.items()]


def _used(image: Image, what: str, files: Mapping[str, Path]) -> int:
    if what in files:
        return files[what].stat().st_size
    name, colon, path = what.partition(":")
    found = [volume for volume in image.volumes if volume.name == name]
    if found and not colon:
        return found[0].stored
    node = found[0].tree.get(path.strip("/")) if found and found[0].tree is not None else None
    if node is None:
        raise UserError(
            f"the budget has a limit for {what!r}, which is nothing of the image",
            f"a volume ({', '.join(each.name for each in image.volumes)}), VOLUME:PATH, or one of {', '.join(files)}",
        )
    return node.size


def by_package(system: System) -> dict[str, int]:
    """Bytes of the files of each package, hard links once; the largest first."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    for path, node in system.tree.walk():
        number = system.tree.number(path)
        if node.type is NodeType.FILE and number not in seen:
            seen.add(number)
            owner = system.owners.get(path, NO_PACKAGE)
            sizes[owner] = sizes.get(owner, 0) + node.size
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def dump(sizes: Mapping[str, int]) -> str:
    """Sizes as they are recorded."""
    return "".join(f"{name} {sizes[name]}\n" for name in sorted(sizes))


def parse(text: str, origin: str) -> dict[str, int]:
    """Reads what `dump` wrote.

    Raises:
        UserError: a line is something else.
    """
    sizes = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, size = line.partition(" ")
        if not name or not is_decimal(size):
            raise UserError(f"{origin}:{number}: this is no package with its size: {line!r}")
        sizes[name] = int(size)
    return sizes


def exceeded(system: System, budget: Budget, used: list[Use], recorded: Mapping[str, int]) -> list[str]:
    """Which limits are exceeded, one a line."""
    lines = [
        f"{use.what} has {_mib(use.used)}, {_mib(use.used - use.limit)} more than its budget of {_mib(use.limit)}"
        for use in used
        if use.exceeded
    ]
    now, before = sum(by_package(system).values()), sum(recorded.values())
    for volume, percent in budget.growth.items():
        if volume != system.name:
            raise UserError(f"the budget limits the growth of {volume!r}; packages are on {system.name}")
        if now > before * (1 + percent / 100):
            grown = f"grew by {100 * (now - before) / before:.1f} %" if before else "are new"
            lines.append(f"the files of {volume} {grown} since their sizes were recorded; {percent:g} % are allowed")
    return lines


def report(system: System, used: list[Use], recorded: Mapping[str, int], advice: str = "") -> str:
    """Limits with bars, then the largest packages with their growth, files of no package, and what to do."""
    width = max((len(use.what) for use in used), default=0)
    lines = ["of the budget"]
    for use in used:
        filled = min(_BAR, -(-_BAR * use.used // use.limit))
        share = 100 * use.used / use.limit
        mark = "  EXCEEDED" if use.exceeded else ""
        bar = "#" * filled + "." * (_BAR - filled)
        lines.append(f"  {use.what:{width}}  [{bar}] {share:5.1f} %  {_mib(use.used)} of {_mib(use.limit)}{mark}")
    sizes = by_package(system)
    largest = max(sizes.values(), default=1) or 1
    lines += [
        "",
        f"files of {system.name} by package: {len(sizes)}, {_mib(sum(sizes.values()))}; the largest, and how they grew",
    ]
    names = {name: "(no package)" if name == NO_PACKAGE else name for name in sizes}
    top = list(sizes)[:_TOP]
    width = max((len(names[name]) for name in top), default=0)
    for name in top:
        bar = "#" * -(-_BAR * sizes[name] // largest)
        lines.append(
            f"  {names[name]:{width}}  {_mib(sizes[name]):>10}  {_growth(sizes[name], recorded.get(name)):>10}  {bar}"
        )
    lines += _grown(sizes, recorded, set(top))
    return "\n".join([*lines, *(["", advice] if advice else [])])


def _grown(sizes: Mapping[str, int], recorded: Mapping[str, int], told: set[str]) -> list[str]:
    """Smaller packages that grew most, and what is gone."""
    grown = {name: size - recorded.get(name, 0) for name, size in sizes.items() if name not in told}
    most = sorted((name for name in grown if grown[name] > 0), key=lambda name: (-grown[name], name))[:5]
    lines = [f"  {name}  {_mib(sizes[name])}  {_growth(sizes[name], recorded.get(name))}" for name in most]
    gone = sorted(set(recorded) - set(sizes))
    return (["others that grew:", *lines] if lines else []) + ([f"gone: {', '.join(gone)}"] if gone else [])


def _growth(size: int, before: int | None) -> str:
    if before is None:
        return "new"
    return "" if size == before else f"{(size - before) / 1024:+.0f} KiB"


def _mib(size: int) -> str:
    return f"{size / MIB:.2f} MiB"
