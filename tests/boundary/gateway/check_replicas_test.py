"""Who is healthy, and when a list changes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boundary.gateway.machine import PORT, REPLICAS, Machine, enter
from tests.boundary.replica import SELF_DESCRIBED, Behaviour, Replica, status, text

UP = {address: f"    server [{address}]:{PORT} max_fails=3 fail_timeout=5s;" for address in REPLICAS}


@pytest.fixture
def replicas() -> Iterator[tuple[Replica, Replica]]:
    enter()
    with Replica(REPLICAS[0], PORT) as first, Replica(REPLICAS[1], PORT) as second:
        yield first, second


@pytest.fixture
def machine(replicas: tuple[Replica, Replica], tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def servers(machine: Machine) -> list[str]:
    lines = (machine.root / "run/ic-replicas/upstreams.conf").read_text().splitlines()
    return [line for line in lines if line.startswith("    server ")]


def test_the_list(machine: Machine) -> None:
    assert machine.check() == "check-replicas: healthy: 2 of 2 replicas\n"
    assert (machine.root / "run/ic-replicas/upstreams.conf").read_text() == (
        "# Made by check-replicas.sh: the replicas that are healthy.\nupstream replicas {\n    zone replicas 512k;\n"
        f"    least_conn;\n{UP[REPLICAS[0]]}\n{UP[REPLICAS[1]]}\n    keepalive 128;\n    keepalive_timeout 15s;\n}}\n"
        "map $host $any_replica {\n    default 1;\n}\n"
    )


@pytest.mark.parametrize("behaviour", [each for each in Behaviour if each is not Behaviour.HEALTHY])
def test_who_is_not_healthy(behaviour: Behaviour, replicas: tuple[Replica, Replica], machine: Machine) -> None:
    replicas[0].behaviour = behaviour
    assert machine.check() == "check-replicas: healthy: 1 of 2 replicas\n"
    assert servers(machine) == [UP[REPLICAS[1]]]


def test_a_replica_that_is_down(replicas: tuple[Replica, Replica], machine: Machine) -> None:
    replicas[1].stop()
    machine.check()
    assert servers(machine) == [UP[REPLICAS[0]]]


def test_hysteresis(replicas: tuple[Replica, Replica], machine: Machine) -> None:
    """Down after three rounds, up after two, each of them in a row."""
    machine.check()
    list_file = machine.root / "run/ic-replicas/upstreams.conf"

    def rounds(word: str) -> list[bool]:
        """Whether the first replica is in the list, after a round for each letter: h(ealthy), w(aiting)."""
        found = []
        for letter in word:
            replicas[0].behaviour = Behaviour.HEALTHY if letter == "h" else Behaviour.WAITING
            machine.check()
            found.append(UP[REPLICAS[0]] in servers(machine))
        return found

    written = list_file.stat().st_ino
    assert rounds("wwhwwh") == [True] * 6
    # It is not written anew where nothing changes.
    assert list_file.stat().st_ino == written
    assert rounds("www") == [True, True, False]
    assert rounds("hwhwhh") == [False] * 5 + [True]


def test_what_is_said(replicas: tuple[Replica, Replica], machine: Machine) -> None:
    machine.check()
    replicas[0].behaviour = Behaviour.WAITING
    assert [machine.check() for _ in range(2)] == ["", ""]
    assert machine.check() == (f"check-replicas: healthy: 1 of 2 replicas\ncheck-replicas: [{REPLICAS[0]}] is down\n")


def test_nobody_is_healthy(replicas: tuple[Replica, Replica], machine: Machine) -> None:
    for replica in replicas:
        replica.stop()
    assert machine.check() == "check-replicas: healthy: 0 of 2 replicas\n"
    assert servers(machine) == ["    server [::1]:9 down;"]
    assert "    default 0;" in (machine.root / "run/ic-replicas/upstreams.conf").read_text()


def test_there_are_no_replicas(machine: Machine) -> None:
    machine.configure({"boundary.conf": b""})
    machine.generate()
    assert machine.check() == "check-replicas: healthy: 0 of 0 replicas\n"
    assert servers(machine) == ["    server [::1]:9 down;"]


def test_metrics(replicas: tuple[Replica, Replica], machine: Machine) -> None:
    replicas[1].stop()
    machine.check()
    lines = (machine.root / "run/ic/metrics/gateway.prom").read_text().splitlines()
    values = {name: value for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}
    assert values.pop("ic_gateway_replica_check_time_seconds").isdecimal()
    assert values == {
        f'ic_gateway_replica_up{{replica="[{REPLICAS[0]}]:{PORT}"}}': "1",
        f'ic_gateway_replica_up{{replica="[{REPLICAS[1]}]:{PORT}"}}': "0",
        "ic_gateway_replica_lists_total": "1",
    }
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert typed == [re.sub(r"\{.*", "", name) for name in typed]
    assert len(typed) == 3


def test_usage(machine: Machine) -> None:
    usage = "check-replicas: usage: check-replicas.sh once, or check-replicas.sh forever\n"
    for words in ([], ["twice"], ["once", "more"]):
        assert machine.run("check-replicas.sh", *words) == (2, usage)


KEY = text("replica_health_status")
NO_STATUS = {
    "nothing": b"",
    "no map": text("healthy"),
    "cut off": status("healthy")[:-1],
    "more behind it": status("healthy") + b"\0",
    "a length beyond the end": b"\xa1" + KEY + b"\x67heal",
    "a key that is no text": b"\xa1\x01\x01",
    "no health": b"\xa1" + text("a") + text("b"),
    "a health that is no text": b"\xa1" + KEY + b"\x01",
    "a health with other characters": b"\xa1" + KEY + text("healthy\n"),
    "the words in another place": b"\xa1" + text("x") + text("replica_health_status") + text("healthy"),
    "depth": b"\xa1" + text("x") + b"\x81" * 40 + b"\0",
    "many items": b"\xbb" + b"\xff" * 8,
    "indefinite": b"\xbf" + KEY + text("healthy") + b"\xff",
}
STATUS = {
    "plain": (b"\xa1" + KEY + text("healthy"), "healthy"),
    "tagged": (status("waiting_for_certified_state"), "waiting_for_certified_state"),
    "behind all kinds of items": (
        SELF_DESCRIBED
        + b"\xa6"
        + text("a")
        + b"\x82\x01\xa1\x01\x02"
        + text("b")
        + b"\xfb"
        + bytes(8)
        + text("c")
        + b"\xf6"
        + text("d")
        + b"\x3b"
        + bytes(8)
        + text("e")
        + b"\xc1\x58\x20"
        + bytes(32)
        + KEY
        + text("healthy"),
        "healthy",
    ),
}


def health(machine: Machine, data: bytes) -> tuple[int, str]:
    path = machine.root / "answer"
    path.write_bytes(data)
    machine.program("judge", f'od -A n -v -t u1 "{path}" | awk -f "{machine.root}/opt/ic/share/replica-health.awk"')
    (machine.root / "programs/judge").rename(machine.root / "opt/ic/bin/judge")
    return machine.run("judge")


@pytest.mark.parametrize("case", NO_STATUS)
def test_what_is_no_status(case: str, machine: Machine) -> None:
    assert health(machine, NO_STATUS[case]) == (1, "")


@pytest.mark.parametrize("case", STATUS)
def test_what_is_one(case: str, machine: Machine) -> None:
    data, expected = STATUS[case]
    assert health(machine, data) == (0, f"{expected}\n")
