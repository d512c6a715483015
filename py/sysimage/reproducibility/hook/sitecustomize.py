"""Lets Python programs read directories in a fixed order, which differs between environments.

Python imports this at start, since its folder is on PYTHONPATH. File systems list a directory as they like; with two
entries, two of them agree by chance half the time. This leaves nothing to chance.
"""

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_REVERSE = os.environ.get("REPRODUCIBILITY_ORDER") == "reversed"
_listdir = os.listdir
_scandir = os.scandir


def _key(name: str | bytes) -> bytes:
    return os.fsencode(name)


class _Entries:
    """What os.scandir returns: an iterator that can be closed."""

    def __init__(self, path: Any) -> None:
        with _scandir(path) as entries:
            self._entries = iter(sorted(entries, key=lambda entry: _key(entry.name), reverse=_REVERSE))

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> "_Entries":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


def _list(path: Any = ".") -> list[Any]:
    return sorted(_listdir(path), key=_key, reverse=_REVERSE)


def _scan(path: Any = ".") -> _Entries:
    return _Entries(path)


os.listdir = _list
os.scandir = _scan  # type: ignore[assignment]
