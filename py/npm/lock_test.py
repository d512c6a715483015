import json
import stat
from pathlib import Path

import pytest

from npm import lock
from sysimage.errors import UserError

SHA512 = "sha512-AA=="
BEFORE = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0", "integrity": SHA512}}}
AFTER = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.1.0", "integrity": SHA512}}}


def stand_in(folder: Path, body: str) -> list[str]:
    """A program in npm's place."""
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return [str(program)]


def work(folder: Path) -> Path:
    (folder / "work").mkdir()
    return folder / "work"


def test_resolve(tmp_path: Path) -> None:
    npm = stand_in(tmp_path, f"cat > package-lock.json << 'EOF'\n{json.dumps(AFTER)}\nEOF\necho \"$@\" > arguments")
    text = lock.resolve(work(tmp_path), npm, "{}", json.dumps(BEFORE), upgrade=False)
    assert json.loads(text) == AFTER
    arguments = (tmp_path / "work/arguments").read_text().split()
    assert {"--omit-lockfile-registry-resolved", "--ignore-scripts", "--package-lock-only"} <= set(arguments)
    assert lock.difference(json.dumps(BEFORE), text) == ["- node_modules/a 1.0.0", "+ node_modules/a 1.1.0"]
    assert lock.difference("", text) == ["+ node_modules/a 1.1.0"]


@pytest.mark.parametrize(("upgrade", "seen"), [(True, "none"), (False, "some")])
def test_upgrade(tmp_path: Path, upgrade: bool, seen: str) -> None:
    body = "test -e package-lock.json && echo some > seen || echo none > seen\n"
    body += f"echo '{json.dumps(AFTER)}' > package-lock.json"
    lock.resolve(work(tmp_path), stand_in(tmp_path, body), "{}", json.dumps(BEFORE), upgrade)
    assert (tmp_path / "work/seen").read_text().strip() == seen


def test_npm_fails(tmp_path: Path) -> None:
    npm = stand_in(tmp_path, "echo 'npm error code E404' >&2; echo 'npm error 404 Not Found' >&2; exit 1")
    with pytest.raises(UserError) as refused:
        lock.resolve(work(tmp_path), npm, "{}", "", upgrade=False)
    assert str(refused.value) == (
        "npm cannot resolve package.json: code E404: 404 Not Found "
        "(hint: its registry, proxy and certificates come from its configuration and environment)"
    )


@pytest.mark.parametrize(
    ("place", "entry", "message"),
    [
        ("node_modules/a", {"integrity": "sha1-AA="}, "node_modules/a has no sha512 (hint: take another version)"),
        ("node_modules/a", {}, "node_modules/a has no sha512 (hint: take another version)"),
        ("node_modules/a", {"link": True}, "node_modules/a is a folder, not a package of a registry"),
        ("packages/a", {}, "packages/a is a folder, not a package of a registry"),
        (
            "node_modules/a",
            {"integrity": SHA512, "resolved": "git+ssh://git.example/a"},
            "node_modules/a comes from an address, git+ssh://git.example/a (hint: take it from a registry)",
        ),
    ],
)
def test_check(place: str, entry: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as refused:
        lock.check({"packages": {"": {}, place: entry}})
    assert str(refused.value) == message


def test_machine_without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lock.npm_command(Path("/n/node"), Path("/n/npm")) == ["/n/node", "/n/npm/bin/npm-cli.js"]
    monkeypatch.setenv("PATH", str(tmp_path))
    npm = stand_in(tmp_path, "")
    assert lock.npm_command(Path("/n/node"), Path("/n/npm")) == npm
