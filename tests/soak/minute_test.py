"""A minute of everything, the same on every run."""

from pathlib import Path

from tests.soak.engine import Soak
from tests.soak.scenarios import all_scenarios
from tests.soak.soak import summary

SEED = 86  # one whose first rounds are not the largest that there are
SECONDS = 60.0


def test_a_minute_finds_nothing(tmp_path: Path) -> None:
    scenarios = all_scenarios()
    report = Soak(scenarios, tmp_path).run(SEED, SECONDS)
    print(summary(report))
    assert report.findings == 0, summary(report)
    assert report.counts.keys() == {each.name for each in scenarios}
    assert all(count.rounds for count in report.counts.values()), summary(report)
