"""All scenarios of the soak."""

from tests.soak import (
    archive_scenarios,
    disk_scenarios,
    edit_scenarios,
    ext4_scenarios,
    fat_scenarios,
    fault_scenarios,
    kernel_scenarios,
    lvm_scenarios,
    parsers,
)
from tests.soak.parser import scenario
from tests.soak.scenario import Scenario


def all_scenarios() -> list[Scenario]:
    """All of them, each name once."""
    return [
        *ext4_scenarios.SCENARIOS,
        *fat_scenarios.SCENARIOS,
        *disk_scenarios.SCENARIOS,
        *edit_scenarios.SCENARIOS,
        *lvm_scenarios.SCENARIOS,
        *archive_scenarios.SCENARIOS,
        *fault_scenarios.SCENARIOS,
        *kernel_scenarios.SCENARIOS,
        *(scenario(each) for each in parsers.PARSERS),
    ]
