"""What a folder of built files is made of, for whoever gets it: hashes, and the packages in them."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sysimage.errors import UserError


def manifest(origin: str, files: Iterable[Path], package_lists: Sequence[list[dict[str, str]]]) -> dict[str, Any]:
    """`origin`, `sha256` of each file by its base name, `packages` of all lists, each only once.

    Raises:
        UserError: two files have one name.
    """
    hashes: dict[str, str] = {}
    for file in files:
        if file.name in hashes:
            raise UserError(f"two files are named {file.name}")
        hashes[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    packages = {tuple(sorted(row.items())) for rows in package_lists for row in rows}
    rows = sorted((dict(row) for row in packages), key=lambda row: (row["name"], row["version"], row["integrity"]))
    return {"origin": origin, "packages": rows, "sha256": hashes}


def as_text(value: dict[str, Any]) -> str:
    """Compact JSON with sorted keys, and a line feed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n"
