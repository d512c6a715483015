"""Tests of the test runner: it must fail when it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = Path("toolchains/python/pytest_main.py").absolute()
TWO = "def test_one():\n    pass\n\n\ndef test_two():\n    pass\n"


def run(tmp_path: Path, text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "sample_test.py").write_text(text)
    (tmp_path / "tmp").mkdir(exist_ok=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TEST") and k != "XML_OUTPUT_FILE"}
    return subprocess.run(
        [sys.executable, MAIN, "sample_test.py", *arguments],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": os.pathsep.join(sys.path), "TEST_TMPDIR": str(tmp_path / "tmp"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_success_leaves_only_the_xml(tmp_path: Path) -> None:
    result = run(tmp_path, TWO, XML_OUTPUT_FILE=str(tmp_path / "out.xml"))
    assert (result.returncode, "2 passed" in result.stdout) == (0, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.xml", "sample_test.py", "tmp"]
    assert 'tests="2"' in (tmp_path / "out.xml").read_text()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("def test_one():\n    assert False\n", 1),
        ("import nothing_of_the_kind\n", 2),
        ("x = 1\n", 5),
        ("def helper():\n    pass\n", 5),
    ],
)
def test_failure(tmp_path: Path, text: str, status: int) -> None:
    assert run(tmp_path, text).returncode == status


def test_filter(tmp_path: Path) -> None:
    result = run(tmp_path, TWO, TESTBRIDGE_TEST_ONLY="two")
    assert "1 passed, 1 deselected" in result.stdout
    assert run(tmp_path, TWO, TESTBRIDGE_TEST_ONLY="three").returncode == 5


def test_shards_share_the_tests(tmp_path: Path) -> None:
    outputs = []
    for index in range(3):
        status = tmp_path / f"status{index}"
        shard = {"TEST_TOTAL_SHARDS": "3", "TEST_SHARD_INDEX": str(index), "TEST_SHARD_STATUS_FILE": str(status)}
        result = run(tmp_path, TWO, "-v", **shard)
        assert result.returncode == 0
        assert status.exists()
        outputs.append(result.stdout)
    assert ["::test_one" in output for output in outputs] == [True, False, False]
    assert ["::test_two" in output for output in outputs] == [False, True, False]


def test_hypothesis_repeats_itself(tmp_path: Path) -> None:
    text = (
        "from hypothesis import given, strategies\n\n"
        "@given(strategies.binary())\ndef test_seen(value):\n"
        "    with open('seen', 'ab') as f:\n        f.write(value + b'|')\n"
    )
    seen = []
    for _ in range(2):
        assert run(tmp_path, text).returncode == 0
        seen.append((tmp_path / "seen").read_bytes())
        (tmp_path / "seen").unlink()
    assert seen[0] == seen[1]
    assert not (tmp_path / ".hypothesis").exists()


def test_temporary_files_lie_in_the_tests_folder(tmp_path: Path) -> None:
    text = f"def test_it(tmp_path):\n    assert str(tmp_path).startswith('{tmp_path}/tmp/')\n"
    result = run(tmp_path, text)
    assert result.returncode == 0, result.stdout
