from dataclasses import replace
from typing import Any

import pytest

from sysimage.errors import UserError
from sysimage.reproducibility import force
from sysimage.reproducibility.environment import HOSTILE, PLAIN, VARIATIONS

A: dict[str, Any] = {
    "folder": "/tmp/a",
    "uid": 1000,
    "gid": 1000,
    "umask": "0022",
    "made": "file 0644, directory 0755",
    "collation": "Z a",
    "encoding": "UTF-8",
    "utc_offset": 0,
    "clock": "2026-01-01",
    "host_name": "builder",
    "cpus": 1,
    "online": 1,
    "order": "a b",
    "block_size": 4096,
    "hash": 1,
    "input_time": 1,
    "input_mode": "0555",
    "variables": {"PATH": "/bin"},
}
B: dict[str, Any] = {
    "folder": "/tmp/b/c",
    "uid": 0,
    "gid": 0,
    "umask": "0077",
    "made": "file 0660, directory 2770",
    "collation": "a Z",
    "encoding": "ISO-8859-9",
    "utc_offset": 45900,
    "clock": "2042-01-01",
    "host_name": "hostile",
    "cpus": 7,
    "online": 7,
    "order": "b a",
    "block_size": 2097152,
    "hash": 2,
    "input_time": 2,
    "input_mode": "0500",
    "variables": {"PATH": "/bin", "USER": "mallory"},
}

# Variation to what a program must see of it.
SEEN = {
    "output path and its length": ["folder"],
    "user": ["uid", "gid"],
    "umask": ["umask"],
    "setgid and ACL on scratch directories": ["made"],
    "locale": ["collation", "encoding"],
    "time zone": ["utc_offset"],
    "clock": ["clock"],
    "host name": ["host_name"],
    "CPU count": ["cpus", "online"],
    "directory read order": ["order"],
    "file system of the scratch directory": ["block_size"],
    "Python hash seed": ["hash"],
    "times of inputs": ["input_time"],
    "modes of inputs": ["input_mode"],
    "environment variables": ["variables"],
}


def test_all_in_force() -> None:
    rows = force.table((PLAIN, HOSTILE), (A, B))
    force.check(rows)
    assert [row.variation for row in rows] == list(VARIATIONS)
    assert force.draw(rows[:2]).splitlines() == [
        "                              environment A       environment B",
        "  output path and its length  6 characters        8 characters",
        "  user                        uid 1000, gid 1000  uid 0, gid 0",
    ]


@pytest.mark.parametrize("variation", SEEN)
def test_one_that_is_not(variation: str) -> None:
    same = B | {key: A[key] for key in SEEN[variation]}
    with pytest.raises(UserError) as error:
        force.check(force.table((PLAIN, HOSTILE), (A, same)))
    assert error.value.message.startswith(f"the environments do not differ in {variation}: a program sees ")
    assert error.value.hint == "this machine cannot vary it; the container can: gitlab-ci/container/container-run.sh"


def test_message() -> None:
    with pytest.raises(UserError) as error:
        force.check(force.table((PLAIN, HOSTILE), (A, B | {"clock": A["clock"]})))
    assert error.value.message == "the environments do not differ in clock: a program sees 2026-01-01 in both"


def test_jobs() -> None:
    with pytest.raises(UserError) as error:
        force.check(force.table((PLAIN, replace(HOSTILE, jobs=1)), (A, B)))
    assert error.value.message == "the environments do not differ in jobs: a program sees 1 in both"


def test_each_field_is_varied() -> None:
    fields = [field for fields in VARIATIONS.values() for field in fields]
    assert sorted([*fields, "name"]) == sorted(PLAIN.__dataclass_fields__)
    assert [field for field in fields if getattr(PLAIN, field) == getattr(HOSTILE, field)] == []
