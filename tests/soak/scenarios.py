"""All scenarios of the soak."""

from tests.soak import ext4_scenarios, parsers
from tests.soak.parser import scenario
from tests.soak.scenario import Scenario


def all_scenarios() -> list[Scenario]:
    """All of them, each name once."""
    return [*ext4_scenarios.SCENARIOS, *(scenario(each) for each in parsers.PARSERS)]
