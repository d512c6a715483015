"""What is in a bundle, by esbuild's metafile.

Source of its form: esbuild's documentation of `--metafile`: `outputs` has for each file the `inputs` of it, each with
the number of its bytes that came into it, `bytesInOutput`.
"""

import json
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from npm.packages import Package
from sysimage.errors import UserError

_LICENCE_NAMES = ("license", "licence", "copying", "notice", "copyright")
_RULE = "-" * 80


def used(metafile: Mapping[str, Any], packages: Iterable[Package]) -> list[Package]:
    """The packages of which something is in the output, by name and version.

    Raises:
        UserError: something else is in it that no lock names.
    """
    by_place = {package.place: package for package in packages}
    found: dict[str, Package] = {}
    for output in metafile["outputs"].values():
        for name, source in output["inputs"].items():
            place = _place(name)
            if place is None:
                _refuse_foreign(name)
            elif place not in by_place:
                raise UserError(f"{name} is in the bundle, but {place} is no package of the lock")
            elif source["bytesInOutput"]:
                found[place] = by_place[place]
    return sorted(found.values(), key=lambda package: (package.name, package.version, package.place))


def _refuse_foreign(name: str) -> None:
    if name.startswith(("../", "/")):
        raise UserError(
            f"{name} is in the bundle, but neither in srcs nor in a package", hint="name it in srcs or deps"
        )


def _place(name: str) -> str | None:
    """`node_modules/@a/b` for `node_modules/@a/b/lib/c.js`; nothing for a file of no package."""
    before, found, behind = name.rpartition("node_modules/")
    if not found:
        return None
    parts = behind.split("/")
    return before + found + "/".join(parts[: 2 if parts[0].startswith("@") else 1])


def package_list(packages: Iterable[Package]) -> list[dict[str, str]]:
    """Name, version and integrity of each, each only once, sorted."""
    rows = {(package.name, package.version, package.integrity) for package in packages}
    return [{"name": name, "version": version, "integrity": integrity} for name, version, integrity in sorted(rows)]


def licences(packages: Iterable[Package]) -> str:
    """The texts of the packages' licences, one after the other."""
    texts = []
    seen = set()
    for package in packages:
        if (package.name, package.version) in seen:
            continue
        seen.add((package.name, package.version))
        declared, files = _licence_files(package)
        title = f"{package.name} {package.version} ({declared})"
        body = files or ["The package has no file with its licence."]
        texts.append("\n\n".join([title, *(text.strip() for text in body)]) + "\n")
    return f"\n{_RULE}\n\n".join(texts)


def _licence_files(package: Package) -> tuple[str, list[str]]:
    """What package.json says, and the texts of the licence files beside it, in the order of their names."""
    declared = "no licence declared"
    texts = {}
    with tarfile.open(package.archive, "r:gz") as tar:
        for member in tar:
            parts = member.name.split("/")
            if len(parts) != 2 or not member.isfile():
                continue
            content = tar.extractfile(member)
            assert content is not None  # it is a regular file
            if parts[1] == "package.json":
                licence = json.load(content).get("license", declared)
                declared = licence if isinstance(licence, str) else json.dumps(licence)
            elif parts[1].lower().startswith(_LICENCE_NAMES):
                texts[parts[1]] = content.read().decode("utf-8", "replace").replace("\r\n", "\n")
    return declared, [texts[name] for name in sorted(texts)]
