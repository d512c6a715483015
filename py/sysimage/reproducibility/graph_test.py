import json
from pathlib import Path
from typing import Any

import pytest

from sysimage.errors import UserError
from sysimage.reproducibility import graph


def row(name: str, *inputs: str) -> dict[str, Any]:
    outputs = [{"path": name, "directory": False}]
    how = {"argv": ["make", name], "env": {}, "inputs": list(inputs), "programs": []}
    return {"label": "//:all", "mnemonic": f"Make{name}", "outputs": outputs, **how}


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "graph.json"
    path.write_text(json.dumps({"label": "//:all", "actions": rows, "leaves": ["s"], "programs": {}, "targets": []}))
    return path


def test_makers_come_first(tmp_path: Path) -> None:
    found = graph.load(write(tmp_path, [row("c", "a", "b"), row("b", "a"), row("d"), row("a", "s")]))
    assert [action.outputs[0].path for action in found.actions] == ["d", "a", "b", "c"]
    assert found.actions[0].name == "Maked of //:all"


def test_kinds_of_actions(tmp_path: Path) -> None:
    kinds = [{"content": "text"}, {"symlink": "s"}]
    rows = [{key: value for key, value in row(str(n)).items() if key != "argv"} | kind for n, kind in enumerate(kinds)]
    written, link = graph.load(write(tmp_path, rows)).actions
    assert (written.content, written.argv, link.symlink) == ("text", None, "s")


def test_circle(tmp_path: Path) -> None:
    path = write(tmp_path, [row("a", "b"), row("b", "a")])
    with pytest.raises(UserError) as error:
        graph.load(path)
    assert str(error.value) == f"{path}: the actions wait for each other: Makea of //:all, Makeb of //:all"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("{}", "'actions'"),
        ("[]", "list indices must be integers or slices, not str"),
        ('{"actions": [{"label": "a"}]}', "'mnemonic'"),
    ],
)
def test_no_graph(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "graph.json"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        graph.load(path)
    assert str(error.value) == f"{path} is not an action graph: {why}"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        graph.load(tmp_path / "none")
    assert str(error.value) == f"cannot read {tmp_path}/none: No such file or directory"
