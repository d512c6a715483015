import json

from benchmarks import report
from benchmarks.measure import Outcome, Times
from benchmarks.report import ActionMemory, Builds, Capacity, Results

OUTCOME = Outcome(
    key="ext4",
    title="ext4 image",
    target=0.8,
    our_name="ours",
    their_name="mke2fs",
    ours=Times((1.0, 3.0, 2.0)),
    theirs=Times((4.0, 5.0, 4.5)),
)


def test_median_and_range() -> None:
    assert report.spread(OUTCOME.ours) == "2.00 (1.00-3.00)"


def test_ratio_is_of_medians() -> None:
    assert OUTCOME.ratio == 2.0 / 4.5
    assert OUTCOME.reached


def test_a_miss_is_seen() -> None:
    slow = Outcome("k", "t", 0.2, "a", "b", Times((2.0,)), Times((4.0,)))
    assert not slow.reached
    assert "NO" in report.render(Results(machine={}, outcomes=(slow,)))


def test_bars_have_one_scale() -> None:
    ours, theirs, mark = report.bars(OUTCOME)
    assert theirs.count("#") == report.BAR
    assert ours.count("#") == round(2.0 / 4.5 * report.BAR)
    assert mark.index("^") - theirs.index("#") == round(0.8 * report.BAR) - 1


def test_table_columns_line_up() -> None:
    lines = report.table(("a", "long name"), [("value", "x")])
    assert lines == ["| a     | long name |", "|-------|-----------|", "| value | x         |"]


def test_memory_is_sorted_and_judged() -> None:
    rows = (ActionMemory("small", 10 << 20, 0.1), ActionMemory("big", 601 << 20, 1.0))
    text = report.render(Results(machine={}, memory=rows))
    assert text.index("big") < text.index("small")
    assert [line.split("|")[-2].strip() for line in text.splitlines()[2:]] == ["NO", "yes"]


def test_json_has_what_the_table_has() -> None:
    results = Results(
        machine={"processors": "2"}, outcomes=(OUTCOME,), capacities=(Capacity("1 TiB", 1 << 40, Times((1.0,)), 5),)
    )
    data = json.loads(results.to_json())
    assert data["outcomes"][0]["ratio"] == round(2.0 / 4.5, 4)
    assert data["outcomes"][0]["reached"] is True
    assert data["outcomes"][0]["ours"] == {"seconds": [1.0, 3.0, 2.0], "median": 2.0}
    assert data["capacities"][0]["disk"] == 1 << 40


def test_variants_are_held_against_the_first() -> None:
    one = Builds("one variant", 10, Times((4.0,)), Times((6.0,)))
    rest = Builds("all variants", 25, Times((6.0,)), Times((9.0,)))
    lines = report.render(Results(machine={"processors": "2"}, variants=(one, rest))).splitlines()
    assert [cell.strip() for cell in lines[-1].split("|")[1:-1]] == [
        "all variants",
        "25",
        "6.00 (6.00-6.00)",
        "1.50",
        "9.00 (9.00-9.00)",
        "1.50",
    ]
