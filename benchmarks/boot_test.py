import os
import time

from benchmarks.boot import Boots, processor_seconds, row


def test_an_image_without_a_login_has_no_verdict() -> None:
    assert row("prod", Boots([], [30.0], [40.0]), 45) == (
        "prod",
        "none",
        "30.00 (30.00-30.00)",
        "40.00 (40.00-40.00)",
        "",
    )


def test_the_median_decides() -> None:
    assert row("dev", Boots([44.0, 45.0, 90.0], [1.0], [1.0]), 45)[-1] == "yes"
    assert row("dev", Boots([44.0, 45.1, 90.0], [1.0], [1.0]), 45)[-1] == "NO"


def test_processor_seconds_grow() -> None:
    """Of one process, as its own clock counts them, in ticks of a hundredth."""
    for _ in range(50):
        sum(range(100000))
    assert abs(processor_seconds(os.getpid()) - time.process_time()) < 0.1
