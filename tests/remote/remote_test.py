"""GuestOS's development image, built by a farm of real servers on loopback.

The tests follow each other on one farm: what the first stored, the next find.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nested.workspace import Workspace
from tests.remote import accounting, execution_log
from tests.remote.execution_log import REMOTE, REMOTE_HIT, Spawn
from tests.remote.servers import CACHE_ONLY, Farm, Worker, farm

PACKAGE = "ic-os/guestos/envs/dev"
IMAGE = f"//{PACKAGE}:disk-img"
ONE_FILE = "ic-os/guestos/rootfs/etc/hosts"

_PATIENCE = 900  # seconds for a build on a busy machine

# Multiples of the size of disk-img.tar.zst.
COLD_AT_MOST = 4.0
ONE_FILE_AT_MOST = 1.2

# What makes the image, and how often.
ACTIONS = {
    "BootArgs": 1,
    "Ext4Plan": 3,
    "FatPlan": 2,
    "FileTree": 4,
    "GptPlan": 1,
    "GrubImage": 1,
    "ImageArchive": 1,
    "InitrdImage": 1,
    "ModuleIndex": 1,
    "PackageLockCheck": 1,
    "RootfsLayer": 3,
    "UnpackTool": 2,
    "VerityPlan": 1,
    "Version": 1,
}
# What a change of one file of the configuration layer makes anew. The plan of the boot partition is the same: the
# root hash in its command lines is another, but no longer.
ONE_FILE_ACTIONS = [
    "BootArgs",
    "Ext4Plan",
    "FileTree",
    "FileTree",
    "GptPlan",
    "ImageArchive",
    "RootfsLayer",
    "VerityPlan",
]


@dataclass(frozen=True, slots=True)
class Build:
    """What a nested build did: its actions, and what Bazel said at its end of where they ran."""

    spawns: list[Spawn]
    processes: dict[str, int]

    def ran(self) -> list[str]:
        """The mnemonics of what was not found in a cache, sorted."""
        return sorted(spawn.mnemonic for spawn in self.spawns if not spawn.is_hit)

    def runners(self) -> set[str]:
        """Where results came from."""
        return {spawn.runner for spawn in self.spawns}


class Client:
    """A nested Bazel with the options of one of the configurations."""

    def __init__(self, workspace: Workspace, *options: str) -> None:
        self.workspace = workspace
        self.options = options
        self._count = 0

    def arguments(self, *options: str) -> tuple[list[str], Path]:
        """The arguments of a build, and where its log will be."""
        self._count += 1
        log = self.workspace.output_base.with_name(f"{self.workspace.output_base.name}-{self._count}.json")
        return ["build", *self.options, *options, f"--execution_log_json_file={log}", IMAGE], log

    def build(self, *options: str) -> Build:
        """Builds the image."""
        arguments, log = self.arguments(*options)
        return self.read(log, self.workspace.bazel(*arguments).stderr)

    def read(self, log: Path, said: str) -> Build:
        """What a build did."""
        (line,) = re.findall(r"^INFO: \d+ process(?:es)?: (.*)\.$", said, re.MULTILINE)
        words = [word.split(" ", 1) for word in line.split(", ")]
        return Build(execution_log.read(log), {name: int(count) for count, name in words})

    def checksum(self) -> str:
        """The sha256 of the image, as the build says it; that the archive has it is checked."""
        folder = self.workspace.info("bazel-bin") / PACKAGE
        line = (folder / "disk-img.tar.zst.sha256").read_text()
        assert execution_log.sha256(folder / "disk-img.tar.zst") == line.split()[0]
        return line

    def archive_size(self) -> int:
        """Bytes of the image."""
        return (self.workspace.info("bazel-bin") / PACKAGE / "disk-img.tar.zst").stat().st_size


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.make(tmp_path_factory.mktemp("nested"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    logs = Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"])
    with farm(tmp_path_factory.mktemp("servers") / "farm", workers=2) as it:
        try:
            yield it
        finally:
            for log in it.folder.rglob("*.log"):
                shutil.copy(log, logs)


@pytest.fixture(scope="module")
def remote(workspace: Workspace, servers: Farm) -> Client:
    return Client(workspace, "--config=remote", f"--remote_executor={servers.endpoint}")


@pytest.fixture(scope="module")
def cold(remote: Client) -> Build:
    return remote.build()


@pytest.fixture(scope="module")
def outer_checksum() -> str:
    return Path(os.environ["CHECKSUM"]).read_text()


def publish(name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Shows a table in the log of the test, and leaves it for the reader."""
    with capsys.disabled():
        print(f"\n{name}\n{text}")
    (Path(os.environ["TEST_UNDECLARED_OUTPUTS_DIR"]) / f"{name}.txt").write_text(text)


def check_stored(name: str, blobs: dict[str, int], spawns: Sequence[Spawn], archive: int, limit: float) -> str:
    """Makes sure that it is not too much; the table of it."""
    text = accounting.table(accounting.account(blobs, spawns), archive)
    assert sum(blobs.values()) <= limit * archive, f"{name}: more than {limit} archives\n{text}"
    return text


def test_every_action_runs_remotely_and_gives_the_same_bytes(cold: Build, remote: Client, outer_checksum: str) -> None:
    counts = {name: cold.ran().count(name) for name in cold.ran()}
    assert counts == ACTIONS
    assert cold.runners() == {REMOTE}
    # Bazel's own: links and small files that it writes itself, wherever actions run.
    assert cold.processes == {"internal": cold.processes["internal"], REMOTE: sum(ACTIONS.values())}
    assert remote.checksum() == outer_checksum


def test_only_what_was_asked_for_comes_here(cold: Build, remote: Client) -> None:
    folder = remote.workspace.info("bazel-bin") / PACKAGE
    here = {path.name for path in folder.iterdir() if path.is_file()}
    assert {"disk-img.tar.zst", "disk-img.tar.zst.sha256"} <= here
    assert not here & {"rootfs.tar.zst", "root.literals", "initrd.img"}


def test_what_is_stored(cold: Build, servers: Farm, remote: Client, capsys: pytest.CaptureFixture[str]) -> None:
    archive = remote.archive_size()
    blobs = servers.blobs()
    publish("stored cold", check_stored("cold", blobs, cold.spawns, archive, COLD_AT_MOST), capsys)


def test_a_change_of_one_file(cold: Build, servers: Farm, remote: Client, capsys: pytest.CaptureFixture[str]) -> None:
    before, archive = servers.blobs(), remote.archive_size()
    file = remote.workspace.root / ONE_FILE
    original = file.read_bytes()
    file.write_bytes(original + b"127.0.0.1 changed\n")
    changed = remote.build()
    file.write_bytes(original)
    assert changed.ran() == ONE_FILE_ACTIONS
    assert changed.runners() == {REMOTE}
    added = {digest: size for digest, size in servers.blobs().items() if digest not in before}
    publish("added by one file", check_stored("one file", added, changed.spawns, archive, ONE_FILE_AT_MOST), capsys)


def test_a_clean_client_finds_everything(cold: Build, remote: Client, servers: Farm, outer_checksum: str) -> None:
    before = servers.blobs()
    clean = Client(remote.workspace.client("second"), *remote.options)
    build = clean.build()
    assert build.runners() == {REMOTE_HIT}
    assert build.ran() == []
    assert len(build.spawns) == sum(ACTIONS.values())
    assert build.processes == {"internal": build.processes["internal"], REMOTE_HIT: len(build.spawns)}
    assert clean.checksum() == outer_checksum
    clean.workspace.shut_down()
    assert servers.blobs() == before


def test_a_worker_killed_in_mid_build_costs_a_retry(
    cold: Build, remote: Client, servers: Farm, outer_checksum: str
) -> None:
    remote.workspace.bazel("clean")
    arguments, log = remote.arguments("--noremote_accept_cached")
    process = remote.workspace.start(*arguments)
    # The action that takes longest.
    killed = wait_for_worker(servers, "rootfs_layer")
    assert [worker.alive for worker in servers.workers] == [True, True]
    killed.kill()
    assert [worker.alive for worker in servers.workers].count(True) == 1
    said, _ = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, said
    build = remote.read(log, said)
    assert len(build.ran()) == sum(ACTIONS.values())
    assert build.runners() == {REMOTE}
    assert remote.checksum() == outer_checksum


def wait_for_worker(servers: Farm, program: str) -> Worker:
    """The worker on which an action of that program runs."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        for worker in servers.workers:
            if worker.runs(program):
                return worker
        time.sleep(0.05)
    raise AssertionError(f"{program} did not run on any worker")


def test_cache_only(
    workspace: Workspace, servers: Farm, outer_checksum: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--config=cache", f"--remote_cache={servers.endpoint}", f"--remote_instance_name={CACHE_ONLY}")
    first = Client(workspace, *options)
    workspace.bazel("clean")
    local = first.build()
    assert len(local.ran()) == sum(ACTIONS.values())
    assert local.runners() == {"linux-sandbox"}
    assert first.checksum() == outer_checksum
    cold, archive = servers.blobs(CACHE_ONLY), first.archive_size()
    publish("stored cold, cache only", check_stored("cache", cold, local.spawns, archive, COLD_AT_MOST), capsys)

    file = workspace.root / ONE_FILE
    original = file.read_bytes()
    file.write_bytes(original + b"127.0.0.1 changed\n")
    changed = first.build()
    file.write_bytes(original)
    assert changed.ran() == ONE_FILE_ACTIONS
    added = {digest: size for digest, size in servers.blobs(CACHE_ONLY).items() if digest not in cold}
    table = check_stored("one file", added, changed.spawns, archive, ONE_FILE_AT_MOST)
    publish("added by one file, cache only", table, capsys)

    second = Client(workspace.client("second"), *options)
    second.workspace.bazel("clean")
    found = second.build()
    assert found.runners() == {REMOTE_HIT}
    assert len(found.spawns) == sum(ACTIONS.values())
    assert second.checksum() == outer_checksum
