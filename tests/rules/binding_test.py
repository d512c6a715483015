"""No rule binds its actions to a machine.

Analysis shows an action's tags but not its execution requirements, so this test reads the rules' sources.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_BINDING = re.compile(
    r"""execution_requirements"""
    r"""|\blocal\s*=\s*(?:True|1)\b"""
    r"""|\bgenrule\s*\("""
    r"""|["'](?:external|local|no-cache|no-remote(?:-cache|-exec)?|no-sandbox|requires-network)["']"""
)
# The bundler's word for imports that stay, and for a source map in a file of its own.
_OTHER_MEANINGS = {"toolchains/npm/private/npm_bundle.bzl": ['"external"'] * 3}


def binding(text: str) -> list[str]:
    """What in a Bazel file would bind an action to this machine; comments do not count."""
    return [found[0] for line in text.splitlines() for found in _BINDING.finditer(line.partition("#")[0])]


def sources() -> Iterator[tuple[str, str]]:
    """Name and text of every Bazel file that makes images."""
    index = Path(os.environ["SOURCES"]).absolute()
    for link, name in json.loads(index.read_text(encoding="utf-8"))["bazel"].items():
        if name.startswith(("ic-os/", "py/", "toolchains/")):
            yield name, (index.parent / link).read_text(encoding="utf-8")


def test_no_rule_binds_its_actions() -> None:
    texts = dict(sources())
    assert "toolchains/sysimage/private/disk_image.bzl" in texts
    assert {name: found for name, text in texts.items() if (found := binding(text))} == _OTHER_MEANINGS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ctx.actions.run(execution_requirements = {"x": ""})', ["execution_requirements"]),
        ('tags = ["manual", "no-sandbox"],', ['"no-sandbox"']),
        ('tags = ["no-remote-exec", "local"],', ['"no-remote-exec"', '"local"']),
        ("genrule(local = True)", ["genrule(", "local = True"]),
        ('tags = ["manual"],  # never "local"', []),
        ("local_name = True", []),
    ],
)
def test_what_binds_is_found(text: str, expected: list[str]) -> None:
    assert binding(text) == expected
