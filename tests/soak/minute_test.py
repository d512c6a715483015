"""About a minute of everything, the same on every run and every machine."""

from pathlib import Path

from tests.soak.engine import Soak
from tests.soak.scenarios import all_scenarios
from tests.soak.soak import summary

SEED = 86  # one whose first rounds are not the largest that there are
# Rounds of each scenario, by kind: not a time, or a fast machine would find what no slow one can.
ROUNDS = {
    "ext4": 5,
    "fat": 15,
    "edit": 8,
    "gpt": 20,
    "lvm": 20,
    "verity": 10,
    "archives": 12,
    "faults": 1,
    "kernel": 1,
    "parsers": 2,
}


def test_a_minute_finds_nothing(tmp_path: Path) -> None:
    scenarios = all_scenarios()
    report = Soak(scenarios, tmp_path).run_rounds(SEED, ROUNDS)
    print(summary(report))
    assert report.findings == 0, summary(report)
    assert {name: count.rounds for name, count in report.counts.items()} == {
        each.name: ROUNDS[each.kind] for each in scenarios
    }
