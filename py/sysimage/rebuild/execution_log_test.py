"""Execution logs: recorded ones, and the same with changes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sysimage.errors import UserError
from sysimage.rebuild.execution_log import causes, read

HERE = Path(__file__).parent / "testdata"
FIRST, SECOND = HERE / "first.json", HERE / "second.json"
BIN = "bazel-out/k8-fastbuild/bin"

Rows = list[dict[str, Any]]


def changed(folder: Path, change: Callable[[Rows], object]) -> Path:
    """The first log with a change, written as Bazel writes it."""
    decoder, text, rows = json.JSONDecoder(), FIRST.read_text(), []
    while text:
        row, end = decoder.raw_decode(text)
        rows.append(row)
        text = text[end:]
    change(rows)
    path = folder / "changed.json"
    path.write_text("".join(json.dumps(row, indent=2) for row in rows))
    return path


def test_what_is_read() -> None:
    spawns = list(read(FIRST))
    assert [spawn.name for spawn in spawns] == [
        "Genrule of //:a",
        "Genrule of //:b",
        "Genrule of //:s",
        "Genrule of //:all_files",
    ]
    assert spawns[1].key == (f"{BIN}/b.txt",)
    assert list(spawns[1].inputs) == [f"{BIN}/a.txt", "external/bazel_tools/tools/genrule/genrule-setup.sh"]
    assert spawns[1].inputs[f"{BIN}/a.txt"] == spawns[0].outputs[f"{BIN}/a.txt"]
    assert spawns[0].environment == {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    assert spawns[0].command[:2] == ("/bin/bash", "-c")


def test_only_the_cause_is_named() -> None:
    (cause,) = causes(FIRST, SECOND)
    assert cause.spawn.label == "//:a"
    assert cause.outputs == (f"{BIN}/a.txt",)
    ours, theirs = (next(read(path)).outputs[f"{BIN}/a.txt"][:12] for path in (FIRST, SECOND))
    assert cause.why == (f"made other outputs from the same inputs: {BIN}/a.txt (sha256 {ours}... against {theirs}...)")


def test_equal_logs() -> None:
    assert causes(FIRST, FIRST) == []


@pytest.mark.parametrize(
    ("change", "name", "why"),
    [
        (
            lambda rows: rows[2]["commandArgs"].__setitem__(2, "true"),
            "Genrule of //:s",
            "had another command line: word 3 is "
            "'source external/bazel_tools/tools/genrule/genrule-setup.sh; cat BUILD.bazel > "
            f"{BIN}/s.txt' against 'true'",
        ),
        (
            lambda rows: rows[2]["commandArgs"].append("more"),
            "Genrule of //:s",
            "had another command line: word 4 is nothing against 'more'",
        ),
        (
            lambda rows: rows[0]["environmentVariables"].append({"name": "LANG", "value": "C"}),
            "Genrule of //:a",
            "had another environment: LANG is not set against 'C'",
        ),
        (
            lambda rows: rows[2]["inputs"][0]["digest"].__setitem__("hash", "f" * 64),
            "Genrule of //:s",
            "had another input, which no action made: BUILD.bazel (sha256 513aa825fa4e... against ffffffffffff...)",
        ),
        (lambda rows: rows.pop(2), "Genrule of //:s", "ran in the first build only"),
        (
            lambda rows: rows.append({"mnemonic": "Copy", "listedOutputs": ["x"], "targetLabel": ""}),
            "Copy",
            "ran in the second build only",
        ),
        (
            lambda rows: rows[2].__setitem__("actualOutputs", []),
            "Genrule of //:s",
            f"made other outputs from the same inputs: {BIN}/s.txt (sha256 513aa825fa4e... against missing...)",
        ),
        (
            lambda rows: rows[2]["actualOutputs"][0].update(digest={}, symlinkTargetPath="elsewhere"),
            "Genrule of //:s",
            f"made other outputs from the same inputs: {BIN}/s.txt (sha256 513aa825fa4e... against elsewhere...)",
        ),
    ],
)
def test_causes(tmp_path: Path, change: Callable[[Rows], object], name: str, why: str) -> None:
    (cause,) = causes(FIRST, changed(tmp_path, change))
    assert (cause.spawn.name, cause.why) == (name, why)


def test_files_of_a_folder_that_an_action_made(tmp_path: Path) -> None:
    def folders(rows: Rows, digest: str) -> None:
        rows[0]["listedOutputs"] = [f"{BIN}/folder"]
        rows[0]["actualOutputs"] = [{"path": f"{BIN}/folder/file", "digest": {"hash": digest}}]
        rows[1]["inputs"] = [{"path": f"{BIN}/folder/file", "digest": {"hash": digest}}]

    logs = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        logs.append(changed(folder, lambda rows, number=number: folders(rows, str(number) * 64)))  # type: ignore[misc]
    assert [cause.spawn.label for cause in causes(*logs)] == ["//:a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "mnemonic": "A"\n', "entry 1 is not one of an execution log: JSONDecodeError("),
        ('{\n"listedOutputs": []\n}{\n}', "entry 1 is not one of an execution log: KeyError('mnemonic')"),
        ('{\n"mnemonic": "A", "listedOutputs": []\n}x\n}', "entry 2 is not one of an execution log: JSONDecodeError("),
        ("[\n]", "entry 1 is not one of an execution log: "),
    ],
)
def test_bad_logs(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        list(read(tmp_path / "none"))
    assert str(caught.value) == f"cannot read {tmp_path / 'none'}: No such file or directory"
