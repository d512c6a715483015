"""How a parser is tried: samples of our writers, many changes to each, in a process that is watched."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.soak.mutate import mutate
from tests.soak.scenario import Finding, Scenario
from tests.soak.worker import RAISED, REFUSED, RUNS_ON, Worker

_PLACE = re.compile(r'File "([^"]+)", line (\d+)')
_KEPT = 5  # different findings of one round

_worker = Worker()


@dataclass(frozen=True, slots=True)
class Parser:
    """Something that reads what others may have made.

    sample: valid input, and not always the same; may use the folder.
    call: reads a file, in the child process. It returns if the input is taken, raises UserError if it is refused.
    repair: makes checksums right again after a change, so that the change is looked at; done to half of the inputs.
    text: what is changed are words and lines rather than bytes.
    tries: inputs in a round.
    wrap: what is around the sample in the file: what is changed lies inside (compressed, say).
    """

    name: str
    sample: Callable[[Random, Path], bytes]
    call: Callable[[Path], object]
    repair: Callable[[bytearray], None] | None = None
    text: bool = False
    tries: int = 60
    wrap: Callable[[bytes], bytes] | None = None


def scenario(parser: Parser) -> Scenario:
    """The parser as a scenario of the soak."""
    return Scenario(f"parse-{parser.name}", "parsers", lambda random, scratch: attack(parser, random, scratch, _worker))


def attack(parser: Parser, random: Random, scratch: Path, worker: Worker) -> None:
    """One round: a sample as it is, which must be taken, then changed ones.

    Raises:
        Finding: a traceback, a hang, too much memory, for one input or for several.
    """
    sample = parser.sample(random, scratch)
    found: dict[str, str] = {}
    for number in range(parser.tries + 1):
        data = mutate(random, sample, parser.text) if number else sample
        if parser.repair is not None and number and random.random() < 0.5:
            repaired = bytearray(data)
            parser.repair(repaired)
            data = bytes(repaired)
        if parser.wrap is not None:
            data = parser.wrap(data)
        path = scratch / "input"
        path.write_bytes(data)
        outcome, said = worker.parse(parser.name, path)
        if outcome == REFUSED and not number:
            raise Finding(f"a valid sample is refused: {said}")
        if outcome == RAISED and signature(said) not in found:
            found[signature(said)] = f"input {number}: {said}"
            path.rename(scratch / f"input-{number}")
            if len(found) == _KEPT or RUNS_ON in said:
                break
    if found:
        raise Finding("\n".join(found.values()))


def signature(said: str) -> str:
    """What makes two findings one: the last line of our code in a traceback, and the exception."""
    places = [place for place in _PLACE.findall(said) if "/sysimage/" in place[0] or "/tools/" in place[0]]
    last = said.rstrip().rpartition("\n")[2].partition(":")[0]
    return f"{places[-1] if places else ''} {last}"
