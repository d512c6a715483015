"""Text against text: JSON by its keys, one line of words (a kernel command line) by its words."""

import json
from typing import Any

from sysimage.explanation import words
from sysimage.explanation.content import compare_bytes, is_text
from sysimage.explanation.findings import Findings, Pair, Place, Rank
from sysimage.extents import ImageReader
from sysimage.text import parse_json

_WORD_LINE_MAX = 4096  # bytes; COMMAND_LINE_SIZE is 2048 on x86
_VALUE_MAX = 80  # characters of a value
_DEPTH_MAX = 64  # values of JSON within each other


def is_json(pair: Pair) -> bool:
    """Whether both sides are JSON objects or lists."""
    if not is_text(pair):
        return False
    try:
        return all(isinstance(each, (dict, list)) for each in map(_parsed, (pair.ours, pair.theirs)))
    except ValueError:
        return False


def _parsed(reader: ImageReader) -> Any:
    """What a file holds. Raises ValueError: no JSON, or nested more deeply than anybody would write."""
    value = parse_json(reader.read(0, reader.size))
    level = [value]
    for _ in range(_DEPTH_MAX):
        level = [
            below
            for each in level
            if isinstance(each, (dict, list))
            for below in (each.values() if isinstance(each, dict) else each)
        ]
    if level:
        raise ValueError("nested too deeply")
    return value


def compare_json(pair: Pair, place: Place, findings: Findings) -> None:
    """By keys; if the values are equal, by bytes."""
    before = findings.count
    compare_values(_parsed(pair.ours), _parsed(pair.theirs), place, findings)
    if findings.count == before:
        compare_bytes(pair, place, findings, "the same values are written differently: it")


def compare_values(ours: Any, theirs: Any, place: Place, findings: Findings, path: str = "") -> None:
    """Values of JSON; `path` is how the value is reached (`config.Env[0]`)."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            below = f"{path}.{key}" if path else str(key)
            if key in ours and key in theirs:
                compare_values(ours[key], theirs[key], place, findings, below)
            else:
                value = _value(ours.get(key, theirs.get(key)))
                findings.only(Rank.CONTENT, "value", place, key in ours, f"{below} ({value})")
    elif isinstance(ours, list) and isinstance(theirs, list):
        for index in range(max(len(ours), len(theirs))):
            below = f"{path}[{index}]"
            if index < min(len(ours), len(theirs)):
                compare_values(ours[index], theirs[index], place, findings, below)
            else:
                value = _value((ours + theirs if len(ours) > len(theirs) else theirs)[index])
                findings.only(Rank.CONTENT, "value", place, index < len(ours), f"{below} ({value})")
    elif type(ours) is not type(theirs) or ours != theirs:
        findings.add(Rank.CONTENT, "value", place, f"{path or 'the value'} {_value(ours)} against {_value(theirs)}")


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]}..."


def compare_derived(pair: Pair, place: Place, findings: Findings) -> bool:
    """Whether texts differ only in values that follow from elsewhere (a root hash); says so if they do."""
    if not findings.derived or not is_text(pair):
        return False
    ours, theirs = (reader.read(0, reader.size).decode() for reader in (pair.ours, pair.theirs))
    named = []
    for value, (other, what) in findings.derived.items():
        if value in ours:
            ours = ours.replace(value, other)
            named.append(what)
    if not named or ours != theirs:
        return False
    findings.add(Rank.CONSEQUENCE, "derived", place, f"has the {' and the '.join(named)}, which differs")
    return True


def is_word_line(pair: Pair) -> bool:
    """Whether both sides are one line of several words, as a kernel command line is."""
    if max(pair.ours.size, pair.theirs.size) > _WORD_LINE_MAX or not is_text(pair):
        return False
    lines = [reader.read(0, reader.size).decode().rstrip("\n") for reader in (pair.ours, pair.theirs)]
    return all("\n" not in line and "#" not in line and len(line.split()) > 1 and "=" in line for line in lines)


def _by_key(line: str) -> dict[str, str]:
    """Words of a line by what stands before `=`, and which of several such it is."""
    found: dict[str, str] = {}
    for word in line.split():
        key, again = word.partition("=")[0], 1
        while f"{key} {again}" in found:
            again += 1
        found[f"{key} {again}"] = word
    return found


def compare_word_line(pair: Pair, place: Place, findings: Findings) -> None:
    """By words: `KEY=VALUE` by its key, others as they stand; the rest by bytes."""
    before = findings.count
    ours, theirs = (_by_key(reader.read(0, reader.size).decode()) for reader in (pair.ours, pair.theirs))
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        mine, other = ours.get(key), theirs.get(key)
        if mine is None or other is None:
            findings.only(Rank.CONTENT, "word", place, mine is not None, f"the word {words.text(mine or other or '')}")
        elif mine != other:
            findings.add(Rank.CONTENT, "word", place, f"the word {words.text(mine)} against {words.text(other)}")
    if findings.count == before:
        compare_bytes(pair, place, findings)
