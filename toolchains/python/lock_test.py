"""Tests of the wheels' lock."""

import json
from typing import Any

import pytest

from toolchains.python.lock import Wheel, format_lock, merge_reports, requirement_name


def report(*packages: tuple[str, str, str, list[str]]) -> dict[str, Any]:
    install = [
        {
            "metadata": {"name": name, "version": version, "requires_dist": requires},
            "download_info": {"archive_info": {"hashes": {"sha256": digest}}},
        }
        for name, version, digest, requires in packages
    ]
    value: dict[str, Any] = json.loads(json.dumps({"install": install}))
    return value


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("iniconfig", "iniconfig"),
        ("pluggy<2,>=1.6", "pluggy"),
        ('typing_extensions>=4.6.0; python_version < "3.15"', "typing-extensions"),
        ("zope.interface (>=5)", "zope-interface"),
        ("hyperscan >=0.7", "hyperscan"),
    ],
)
def test_requirement_name(requirement: str, name: str) -> None:
    assert requirement_name(requirement) == name


def test_merge_joins_hashes_and_keeps_who_needs_what() -> None:
    wheels = merge_reports(
        [
            report(
                ("Top", "1", "aa", ["low_er>=2", 'other; extra == "more"']),
                ("low.er", "2", "bb", []),
                ("other", "3", "cc", []),
            ),
            report(("top", "1", "dd", ["low-er>=2"]), ("low.er", "2", "bb", [])),
        ]
    )
    assert wheels == {
        "top": Wheel("1", {"aa", "dd"}),
        "low-er": Wheel("2", {"bb"}, {"top"}),
        "other": Wheel("3", {"cc"}),
    }
    assert format_lock(wheels).partition("lock\n")[2] == (
        "low-er==2 \\\n    --hash=sha256:bb\n    # via top\n"
        "other==3 \\\n    --hash=sha256:cc\n"
        "top==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:dd\n"
    )


def test_one_version_for_all_interpreters() -> None:
    with pytest.raises(ValueError, match=r"^top: interpreters differ: 1 and 2$"):
        merge_reports([report(("top", "1", "aa", [])), report(("top", "2", "bb", []))])
