"""Tries writers and readers with random input until the time is over, before judges that share nothing with them.

  bazel run //tests/soak -- --minutes=60
  bazel run //tests/soak -- --minutes=10 --seed=7 --only=ext4,parse-tar
  bazel run //tests/soak -- --replay=ext4-tree:0123456789abcdef

Exit status: 0, nothing was found; 1, something was; 2, a flag is wrong. See docs/soak.md.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.errors import UserError
from tests.soak.engine import Report, Soak
from tests.soak.scenario import Scenario
from tests.soak.scenarios import all_scenarios
from tools.main import refuse_arguments, run

_MINUTES = flags.DEFINE_float("minutes", 10.0, "How long; each scenario is tried at least once.", lower_bound=0.0)
_SEED = flags.DEFINE_integer("seed", None, "What everything random follows from; left out: another one each time.")
_ONLY = flags.DEFINE_list("only", [], "Kinds or names of scenarios, with commas; left out: all. --list shows them.")
_KEEP = flags.DEFINE_string("keep", None, "Where rounds work, and findings stay; left out: a new temporary folder.")
_REPLAY = flags.DEFINE_string("replay", None, "NAME:SEED: one round, as a finding names it.")
_LIST = flags.DEFINE_boolean("list", False, "Print kinds and names of the scenarios, and do nothing.")


def choose(scenarios: Sequence[Scenario], wanted: Sequence[str]) -> list[Scenario]:
    """The scenarios of these kinds or names; all if none is named.

    Raises:
        UserError: a word is neither.
    """
    known = {word for each in scenarios for word in (each.kind, each.name)}
    for word in wanted:
        if word not in known:
            raise UserError(f"--only {word!r} is neither a kind nor a name of a scenario", hint="--list shows them")
    return [each for each in scenarios if not wanted or {each.kind, each.name} & set(wanted)]


def parse_replay(word: str, scenarios: Sequence[Scenario]) -> tuple[str, int]:
    """Name and seed of a round.

    Raises:
        UserError: it is not of that form, or there is no such scenario.
    """
    name, colon, text = word.rpartition(":")
    try:
        seed = int(text, 16)
    except ValueError:
        colon = ""
    if not colon:
        raise UserError(f"--replay {word!r} is not of the form NAME:SEED, the seed in hexadecimal")
    if name not in {each.name for each in scenarios}:
        raise UserError(f"--replay {word!r}: there is no scenario {name!r}", hint="--list shows them")
    return name, seed


def summary(report: Report) -> str:
    """A line a scenario: rounds, seconds, findings."""
    rows = [
        f"{name:24} {count.rounds:7} rounds {count.seconds:8.1f} s {count.findings:4} findings"
        for name, count in report.counts.items()
    ]
    return "\n".join(rows)


def _folder() -> Path:
    if _KEEP.value is None:
        return Path(tempfile.mkdtemp(prefix="soak-"))
    # `bazel run` starts programs elsewhere than where the user is.
    folder = Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."), _KEEP.value)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--keep: cannot make {folder}: {error.strerror}") from error
    return folder


def main(argv: Sequence[str]) -> int:
    """Does what the flags say."""
    refuse_arguments(argv)
    known = all_scenarios()
    if _LIST.value:
        print("\n".join(f"{each.kind:10} {each.name}" for each in known))
        return 0
    chosen = choose(known, _ONLY.value)
    replay = parse_replay(_REPLAY.value, known) if _REPLAY.value is not None else None
    folder = _folder()
    if replay is not None:
        soak = Soak([each for each in known if each.name == replay[0]], folder)
        soak.round(*replay)
    else:
        seed = secrets.randbits(32) if _SEED.value is None else _SEED.value
        print(f"soak: seed {seed}, {_MINUTES.value:g} minutes, {len(chosen)} scenarios, in {folder}", flush=True)
        soak = Soak(chosen, folder)
        soak.run(seed, _MINUTES.value * 60)
    print(summary(soak.report), flush=True)
    if soak.report.findings:
        return 1
    if _KEEP.value is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    run(main)
