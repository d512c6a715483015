import json
from pathlib import Path

import pytest

from benchmarks import actions
from benchmarks.actions import Action
from sysimage.errors import UserError

AQUERY = {
    "artifacts": [{"id": 1, "pathFragmentId": 3}, {"id": 2, "pathFragmentId": 4}],
    "pathFragments": [
        {"id": 1, "label": "bazel-out"},
        {"id": 2, "label": "bin", "parentId": 1},
        {"id": 3, "label": "root.map.json", "parentId": 2},
        {"id": 4, "label": "root", "parentId": 2},
    ],
    "targets": [{"id": 1, "label": "//x:root"}],
    "actions": [
        {
            "targetId": 1,
            "mnemonic": "Plan",
            "arguments": ["bazel-out/bin/py/tools/plan", "@bazel-out/bin/root-0.params"],
            "environmentVariables": [{"key": "A", "value": "1"}, {"key": "EMPTY"}],
            "outputIds": [1],
            "paramFiles": [
                {
                    "execPath": "bazel-out/bin/root-0.params",
                    "arguments": ["--map_out=bazel-out/bin/root.map.json", "--source", "k=in"],
                }
            ],
        },
        {"targetId": 1, "mnemonic": "SymlinkTree", "outputIds": [2]},
    ],
}


def parsed() -> Action:
    (action,) = actions.parse(json.dumps(AQUERY))
    return action


def test_only_actions_with_a_command_line() -> None:
    action = parsed()
    assert (action.name, action.outputs) == ("Plan //x:root", ("bazel-out/bin/root.map.json",))
    assert action.environment == {"A": "1", "EMPTY": ""}


def test_values_in_parameter_files() -> None:
    action = parsed()
    assert action.value("--map_out") == "bazel-out/bin/root.map.json"
    assert action.values("--source") == ["k=in"]
    with pytest.raises(UserError, match="Plan //x:root has 0 values of --other; the benchmark expects one"):
        action.value("--other")


def test_find_wants_exactly_one() -> None:
    action = parsed()
    assert actions.find([action], "Plan", "root") is action
    with pytest.raises(UserError, match="one action Plan was expected for ''; there is //x:root, //x:root"):
        actions.find([action, action], "Plan")
    with pytest.raises(UserError, match="there is none"):
        actions.find([action], "Other")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("out/root", "/s/root"),
        ("--map_out=out/root", "--map_out=/s/root"),
        ("key=out/root", "key=/s/root"),
        ("out/root.map.json", "out/root.map.json"),  # another file
        ("out/root/x", "out/root/x"),
        ("y/out/root", "y/out/root"),
        ("out/root-2", "out/root-2"),
    ],
)
def test_redirect_replaces_whole_paths(word: str, expected: str) -> None:
    assert actions.redirect(word, {"out/root": Path("/s/root")}) == expected


def test_run_sends_outputs_elsewhere(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\ncat "${1#@}" > "$2"\necho "$A" "$3" >> "$2"\n')
    program.chmod(0o755)
    action = Action(
        label="//x:y",
        mnemonic="Plan",
        arguments=(str(program), "@out/y.params", "out/y"),
        environment={"A": "1", "PATH": "/usr/bin:/bin"},
        outputs=("out/y",),
        parameters={"out/y.params": ("--y=out/y", "--in=in")},
    )
    scratch = tmp_path / "scratch"
    actions.run(action, tmp_path, scratch, tmp_path / "log", places={"in": tmp_path / "other"}, more=["more"])
    assert (scratch / "out/y").read_text() == f"--y={scratch}/out/y\n--in={tmp_path}/other\n1 more\n"
    assert not (tmp_path / "out").exists()
