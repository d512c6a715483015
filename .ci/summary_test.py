"""Tests of CI's counting: what did not pass has failed."""

import json

from summary import count


def configured(label: str, size: str | None = "SMALL") -> str:
    event = {"testSize": size} if size else {}
    return json.dumps({"id": {"targetConfigured": {"label": label}}, "configured": event})


def summary(label: str, status: str) -> str:
    return json.dumps({"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}})


def test_statuses() -> None:
    statuses = ["PASSED", "FLAKY", "FAILED", "TIMEOUT", "NO_STATUS", "FAILED_TO_BUILD", "INCOMPLETE"]
    events = [configured(f"//:{status}") for status in statuses]
    events += [summary(f"//:{status}", status) for status in statuses]
    assert count(events) == (2, 5)


def test_a_test_without_result_has_failed_and_other_targets_do_not_count() -> None:
    assert count([configured("//:a"), configured("//:b", None), configured("//:c"), summary("//:c", "PASSED")]) == (
        1,
        1,
    )


def test_nothing() -> None:
    assert count(['{"id": {"started": {}}, "started": {}}']) == (0, 0)
