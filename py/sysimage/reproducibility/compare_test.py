from pathlib import Path

from sysimage.reproducibility import compare, record, staging
from sysimage.reproducibility.build import Build
from sysimage.reproducibility.environment import HOSTILE, PLAIN
from sysimage.reproducibility.graph import Action, Graph, Output
from sysimage.reproducibility.record import Entry, Record


def action(name: str, *inputs: str) -> Action:
    return Action(f"//:{name}", "Make", {}, inputs, (), (Output(name, False),), argv=("make", name))


GRAPH = Graph("//:c", (action("a"), action("b", "a"), action("c", "b")), (), {}, ("c",))


def built(environment: str, digests: dict[str, str], failure: str = "") -> Build:
    entries = []
    for number, each in enumerate(GRAPH.actions):
        name = each.outputs[0].path
        if name in digests:
            outputs = {name: digests[name]} if digests[name] else {}
            entries.append(Entry(number, each.label, each.mnemonic, each.argv or (), {}, {}, outputs, failure))
    which = PLAIN if environment == "A" else HOSTILE
    return Build(which, Record(environment, {}, tuple(entries)), Path("root"), Path("base"))


def test_equal() -> None:
    same = {"a": "1", "b": "2", "c": "3"}
    assert compare.first_difference(GRAPH, built("A", same), built("B", same)) is None


def test_the_first_is_found() -> None:
    a, b = built("A", {"a": "1", "b": "2", "c": "3"}), built("B", {"a": "1", "b": "4", "c": "5"})
    assert compare.first_difference(GRAPH, a, b) == compare.Difference(GRAPH.actions[1], ("b",), {}, 1)


def test_failure() -> None:
    a, b = built("A", {"a": "1", "b": "2", "c": "3"}), built("B", {"a": ""}, "exit status 1: no")
    assert compare.first_difference(GRAPH, a, b) == compare.Difference(
        GRAPH.actions[0], (), {"B": "exit status 1: no"}, 0
    )


def test_record(tmp_path: Path) -> None:
    whole = built("A", {"a": "1", "b": "2", "c": "3"}).record
    record.save(whole, tmp_path / "log")
    assert record.load(tmp_path / "log") == whole
    assert (tmp_path / "log").read_text().count("\n") == 4


def folder(base: Path, name: str, names: str) -> Path:
    made = base / name
    (made / "sub").mkdir(parents=True)
    for each in names:
        (made / "sub" / each).write_text(each)
    return made


def test_folders(tmp_path: Path) -> None:
    a, b = folder(tmp_path, "a", "xy"), folder(tmp_path, "b", "xz")
    (b / "sub" / "x").write_text("another")
    assert list(compare.describe(a, b, ("A", "B"))) == [
        "sub/y is only in A",
        "sub/z is only in B",
        'sub/x: content differs first at byte 0 of 1 against 7 (line 1): "x" against "a"',
    ]


def test_digest_of_folders(tmp_path: Path) -> None:
    a, b = folder(tmp_path, "a", "xy"), folder(tmp_path, "b", "yx")
    before = record.digest(a)
    assert before == record.digest(b)
    for environment in (PLAIN, HOSTILE):
        staging.settle(b, environment)
        assert record.digest(b) == before
        assert (b / "sub" / "x").stat().st_mode & 0o7777 == 0o500 | environment.input_mode
        assert (b / "sub").stat().st_mtime == environment.input_time
    (b / "sub" / "x").unlink()
    (b / "sub" / "x").symlink_to("y")
    linked = record.digest(b)
    assert linked != before
    (b / "sub" / "x").unlink()
    (b / "sub" / "x").mkdir()
    assert record.digest(b) not in (before, linked)
