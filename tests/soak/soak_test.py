"""The soak finds what is planted, says how to see it again, and shares its time as promised."""

import io
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from sysimage import ext4, lvm
from sysimage.errors import UserError
from sysimage.extents import Extent, ExtentMap, ImageReader, Sources
from sysimage.tree import Tree
from tests.soak import ext4_scenarios, planted
from tests.soak.engine import FINDINGS_OF_ONE, Soak, seed_of
from tests.soak.lvm_scenarios import any_layout
from tests.soak.mutate import mutate, repair_gpt, repair_lvm, repair_tar
from tests.soak.parser import Parser, attack
from tests.soak.scenario import Finding, Scenario
from tests.soak.scenarios import all_scenarios
from tests.soak.soak import choose, parse_replay
from tests.soak.worker import RAISED, REFUSED, VALUE, Worker


class Clock:
    """A second a look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def soak(folder: Path, *scenarios: Scenario) -> tuple[Soak, io.StringIO]:
    out = io.StringIO()
    return Soak(scenarios, folder, out, Clock()), out


def leaves(random: Random, scratch: Path) -> None:
    (scratch / "left").write_text(str(random.random()))


def fails(random: Random, scratch: Path) -> None:
    leaves(random, scratch)
    raise Finding("it is broken\nin two places")


def crashes(_random: Random, _scratch: Path) -> None:
    raise KeyError("nobody expected this")


def test_what_is_sound_leaves_nothing(tmp_path: Path) -> None:
    run, _ = soak(tmp_path, Scenario("good", "kind", leaves))
    report = run.run(1, 30)
    assert report.findings == 0
    assert report.rounds > 3
    assert list(tmp_path.iterdir()) == []


def test_a_finding_is_told_and_kept(tmp_path: Path) -> None:
    run, out = soak(tmp_path, Scenario("bad", "kind", fails))
    seed = seed_of(7, "bad", 0)
    assert run.run(7, 0).findings == 1
    kept = tmp_path / f"bad-{seed:016x}"
    assert (kept / "left").read_text() == str(Random(seed).random())
    assert f"--replay=bad:{seed:016x}" in (kept / "finding.txt").read_text()
    assert out.getvalue().startswith(
        f"\nFINDING in bad:\n  it is broken\n  in two places\n"
        f"  again: bazel run //tests/soak -- --replay=bad:{seed:016x}\n  kept:  {kept}\n"
    )


def test_any_exception_is_a_finding(tmp_path: Path) -> None:
    run, out = soak(tmp_path, Scenario("bug", "kind", crashes))
    assert not run.round("bug", 1)
    assert "KeyError: 'nobody expected this'" in out.getvalue()


def test_every_scenario_has_its_turn_and_a_bad_one_ends(tmp_path: Path) -> None:
    run, _ = soak(tmp_path, Scenario("one", "a", leaves), Scenario("bad", "a", fails), Scenario("two", "b", leaves, 3))
    report = run.run(1, 0)
    assert [count.rounds for count in report.counts.values()] == [1, 1, 1]
    report = run.run(1, 400)
    assert report.counts["bad"].findings == report.counts["bad"].rounds == FINDINGS_OF_ONE
    assert 2 < report.counts["two"].rounds / report.counts["one"].rounds < 4


def test_seeds_depend_on_all_of_their_parts() -> None:
    assert len({seed_of(1, "a", 0), seed_of(2, "a", 0), seed_of(1, "b", 0), seed_of(1, "a", 1)}) == 4
    assert seed_of(1, "a", 0) == 0xC027F4D186C2BA23


def writes_nonsense(random: Random, scratch: Path) -> None:
    """A writer with a fault: a byte of the image is another one."""
    options = ext4_scenarios.options(random, reserve=0)
    image = ext4.plan(Tree(), options)
    extents = []
    for extent in image.extents:
        assert isinstance(extent.source, bytes)
        data = bytearray(extent.source)
        if extent.offset <= 1024 + 0x18 < extent.end:
            data[1024 + 0x70 - extent.offset] ^= 1
        extents.append(Extent(extent.offset, extent.length, bytes(data)))
    broken = ExtentMap(image.size, extents)
    ext4_scenarios.judge(random, Tree(), options, broken, Sources({}), scratch / "image")


def test_a_fault_of_a_writer_is_found(tmp_path: Path) -> None:
    run, out = soak(tmp_path, Scenario("planted", "ext4", writes_nonsense))
    assert not run.round("planted", 5)
    assert "e2fsck" in out.getvalue()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("key-error", "KeyError: b'bad'"),
        ("memory", "MemoryError"),
        ("recursion", "RecursionError"),
        ("loop", "loop runs on after 0.5 s of processor time"),
        ("sleeps", "sleeps runs on, idle, after 5 s"),
        ("dies", "dies killed its process: status 7"),
        ("silent", "a UserError that says nothing"),
    ],
)
def test_the_worker_sees_what_parsers_do(tmp_path: Path, name: str, said: str) -> None:
    with Worker(f"{planted.__name__}:CALLS", cpu_seconds=0.5, wall_seconds=5 if name == "sleeps" else 120) as worker:
        for content, wanted in ((b"good", VALUE), (b"bad", RAISED), (b"good", VALUE)):
            (tmp_path / "input").write_bytes(content)
            outcome, text = worker.parse(name, tmp_path / "input")
            assert outcome == wanted, text
            assert wanted == VALUE or said in text


def test_a_refusal_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"bad")
    with Worker(f"{planted.__name__}:CALLS") as worker:
        assert worker.parse("sound", tmp_path / "input") == (REFUSED, "it is not good (hint: be good)")


@pytest.mark.parametrize("name", ["key-error", "loop", "memory"])
def test_a_fault_of_a_parser_is_found_with_its_input(tmp_path: Path, name: str) -> None:
    parser = Parser(name, lambda _random, _folder: b"good", planted.CALLS[name], tries=5)
    with Worker(f"{planted.__name__}:CALLS", cpu_seconds=0.5) as worker:
        run, out = soak(
            tmp_path, Scenario(name, "parsers", lambda random, scratch: attack(parser, random, scratch, worker))
        )
        assert not run.round(name, 3)
    assert f"--replay={name}:{3:016x}" in out.getvalue()
    (kept,) = tmp_path.glob(f"{name}-*/input-*")
    assert kept.read_bytes() != b"good"


def test_a_sample_must_be_valid(tmp_path: Path) -> None:
    parser = Parser("sound", lambda _random, _folder: b"bad", planted.CALLS["sound"])
    with Worker(f"{planted.__name__}:CALLS") as worker, pytest.raises(Finding, match="a valid sample is refused"):
        attack(parser, Random(1), tmp_path, worker)


@pytest.mark.parametrize("text", [False, True])
def test_changes_follow_from_the_generator(text: bool) -> None:
    sample = b"key: 123 [a, b]\n" * 40
    made = [mutate(Random(seed), sample, text) for seed in range(300)]
    assert made == [mutate(Random(seed), sample, text) for seed in range(300)]
    assert len(set(made)) > 200


def test_repairs() -> None:
    scenarios = {each.name for each in all_scenarios()}
    assert {"parse-tar", "parse-gpt", "parse-lvm"} <= scenarios
    header = bytearray(512)
    header[257:262] = b"ustar"
    repair_tar(header)
    assert header[148:156] == b"%06o\0 " % (sum(b"ustar") + 8 * 32)
    table = bytearray(4096)
    table[512:520] = b"EFI PART"
    repair_gpt(table)
    assert table[512 + 88 : 512 + 92] == bytes(4)
    layout = any_layout(Random(1), 3)
    pv = ImageReader(lvm.plan(layout, {volume.name: lvm.EMPTY for volume in layout.volumes}), Sources({}))
    head = bytearray(pv.read(0, 8192))
    for at in (512 + 16, 4096, 4096 + 56):
        head[at : at + 4] = b"none"
    repair_lvm(head)
    assert head == pv.read(0, 8192)


def test_names_are_unique_and_kinds_are_none_of_them() -> None:
    scenarios = all_scenarios()
    names = [each.name for each in scenarios]
    assert len(set(names)) == len(names)
    assert not set(names) & {each.kind for each in scenarios}


def test_choosing() -> None:
    scenarios = [Scenario("a1", "a", leaves), Scenario("a2", "a", leaves), Scenario("b1", "b", leaves)]
    assert choose(scenarios, []) == scenarios
    assert [each.name for each in choose(scenarios, ["a2", "b"])] == ["a2", "b1"]
    with pytest.raises(UserError) as caught:
        choose(scenarios, ["c"])
    assert str(caught.value) == "--only 'c' is neither a kind nor a name of a scenario (hint: --list shows them)"
    assert parse_replay("a2:ff", scenarios) == ("a2", 255)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a1", "--replay 'a1' is not of the form NAME:SEED, the seed in hexadecimal"),
        ("a1:xyz", "--replay 'a1:xyz' is not of the form NAME:SEED, the seed in hexadecimal"),
        ("c:1", "--replay 'c:1': there is no scenario 'c' (hint: --list shows them)"),
    ],
)
def test_bad_replays(word: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_replay(word, [Scenario("a1", "a", leaves)])
    assert str(caught.value) == message


def start(*words: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path[:] = {sys.path!r}; sys.argv[0] = 'soak'; from tests.soak.soak import main; "
    program += "from tools.main import run; run(main)"
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--list"], 0, "parsers    parse-grubenv\n"),
        (["--minutes=0", "--seed=3", "--only=parse-grubenv"], 0, "soak: seed 3, 0 minutes, 1 scenarios, in "),
        (["--replay=parse-grubenv:5"], 0, "parse-grubenv                  1 rounds"),
        (["--only=nothing"], 2, "error: --only 'nothing' is neither a kind nor a name of a scenario"),
        (["--minutes=-1"], 2, "error: flag --minutes=-1"),
        (["--seed=x"], 2, "error: flag --seed=x"),
        (["--replay=x"], 2, "error: --replay 'x' is not of the form NAME:SEED"),
        (["word"], 2, "error: unexpected argument 'word'"),
        (["--keep=/dev/null/x"], 2, "error: --keep: cannot make /dev/null/x: Not a directory"),
    ],
)
def test_the_program(words: list[str], status: int, said: str) -> None:
    done = start(*words)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
