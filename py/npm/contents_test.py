from pathlib import Path

import pytest

from npm import contents
from npm.packages import Package
from npm.packages_test import archive
from sysimage.errors import UserError


def package(place: str, version: str = "1.0.0", file: Path = Path("x.tgz")) -> Package:
    return Package(place, place.rpartition("node_modules/")[2], version, f"sha512-{version}", file)


A, SCOPED, NESTED = (
    package("node_modules/a"),
    package("node_modules/@s/b"),
    package("node_modules/a/node_modules/@s/b", "2.0.0"),
)


def metafile(**inputs: int) -> dict[str, object]:
    return {"outputs": {"out/x.js": {"inputs": {name: {"bytesInOutput": size} for name, size in inputs.items()}}}}


def test_used() -> None:
    sizes = {
        "src/a.ts": 3,
        "node_modules/a/index.js": 0,  # nothing of it is in the bundle
        "node_modules/@s/b/lib/deep/b.js": 1,
        "node_modules/a/node_modules/@s/b/index.js": 2,
    }
    assert contents.used(metafile(**sizes), [A, SCOPED, NESTED]) == [SCOPED, NESTED]
    assert contents.package_list([NESTED, SCOPED, SCOPED]) == [
        {"name": "@s/b", "version": "1.0.0", "integrity": "sha512-1.0.0"},
        {"name": "@s/b", "version": "2.0.0", "integrity": "sha512-2.0.0"},
    ]


def test_foreign() -> None:
    with pytest.raises(UserError) as refused:
        contents.used(metafile(**{"../../etc/x.js": 1}), [A])
    assert str(refused.value) == (
        "../../etc/x.js is in the bundle, but neither in srcs nor in a package (hint: name it in srcs or deps)"
    )
    with pytest.raises(UserError) as refused:
        contents.used(metafile(**{"node_modules/c/x.js": 1}), [A])
    assert str(refused.value) == "node_modules/c/x.js is in the bundle, but node_modules/c is no package of the lock"


def test_licences(tmp_path: Path) -> None:
    one = archive(
        tmp_path / "a.tgz",
        {
            "package/package.json": '{"license": "MIT"}',
            "package/LICENSE": "Do.\r\n",
            "package/NOTICE.md": "Note.\n",
            "package/lib/LICENSE": "no",
        },
    )
    two = archive(tmp_path / "b.tgz", {"package/package.json": "{}"})
    text = contents.licences(
        [
            package("node_modules/a", file=one),
            package("node_modules/c/node_modules/a", file=one),
            package("node_modules/b", file=two),
        ]
    )
    assert text == (
        "a 1.0.0 (MIT)\n\nDo.\n\nNote.\n\n"
        + "-" * 80
        + "\n\nb 1.0.0 (no licence declared)\n\nThe package has no file with its licence.\n"
    )
