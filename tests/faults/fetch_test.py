"""Mirrors and repository caches that fail: the message says what to do, and the next build is right.

Each case fetches a package that no other case asks for, so one Bazel server serves them all.
"""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.faulty_mirror import Fault, FaultyMirror
from tests.faults.fetching import (
    Package,
    Packages,
    assert_fetched,
    assert_nothing_counts,
    cache_entry,
    fetch,
    message,
    target,
)
from tests.faults.processes import kill_everything
from tests.nested.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace.make(tmp_path_factory.mktemp("fetch"))
    yield workspace
    workspace.shut_down()


@pytest.fixture(scope="module")
def packages(workspace: Workspace) -> Packages:
    return Packages(workspace)


@pytest.fixture
def mirror(workspace: Workspace) -> Iterator[FaultyMirror]:
    with FaultyMirror(workspace.mirror) as mirror:
        yield mirror


ANSWERS = {
    Fault.GONE: "404 Not Found",
    Fault.BUSY: "503 Service Unavailable",
    Fault.TRUNCATED: "Checksum was [0-9a-f]{64} but wanted {sha256}",
    Fault.WRONG: "Checksum was [0-9a-f]{64} but wanted {sha256}",
    Fault.DROPPED: "Premature EOF",
    Fault.STALLED: "Read timed out",
    Fault.SILENT: "Read timed out",
}


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_a_mirror_that_fails(workspace: Workspace, packages: Packages, mirror: FaultyMirror, fault: Fault) -> None:
    mirror.fault = fault
    # Bazel 7 crashes when a server falls silent within the first 32 KiB (see the test of that).
    mirror.stall_after = 40_000
    package = packages.take(minimum=50_000)
    result = fetch(workspace, package, f"{mirror.address}/debian", status=1)
    assert message(package, packages.snapshot, f"{mirror.address}/debian") in result.stderr
    answer = ANSWERS[fault].replace("{sha256}", package.sha256)
    assert re.search(f"WARNING: Download from {mirror.address}/debian/\\S+ failed: .*{answer}\n", result.stderr)
    assert_nothing_counts(workspace, package)

    # The second of two mirrors takes over.
    result = fetch(workspace, package, f"{mirror.address}/debian {workspace.environment['DEBIAN_MIRROR']}")
    assert re.search(f"WARNING: Download from {mirror.address}/debian/\\S+ failed: .*{answer}\n", result.stderr)
    assert_fetched(workspace, package)


def test_a_mirror_whose_folder_is_away(workspace: Workspace, packages: Packages) -> None:
    package = packages.take()
    away = workspace.mirror.with_name("away")
    workspace.mirror.rename(away)
    result = fetch(workspace, package, status=1)
    away.rename(workspace.mirror)
    assert message(package, packages.snapshot, workspace.environment["DEBIAN_MIRROR"]) in result.stderr
    assert re.search(r"WARNING: Download from file:\S+ failed: .*\(No such file or directory\)\n", result.stderr)
    assert_nothing_counts(workspace, package)
    fetch(workspace, package)
    assert_fetched(workspace, package)


def test_a_mirror_that_refuses(workspace: Workspace, packages: Packages) -> None:
    package = packages.take()
    with FaultyMirror(workspace.mirror) as gone:
        address = f"{gone.address}/debian"
    result = fetch(workspace, package, address, status=1)
    assert message(package, packages.snapshot, address) in result.stderr
    assert re.search(f"WARNING: Download from {address}/\\S+ failed: .*Connection refused", result.stderr)
    fetch(workspace, package, f"{address} {workspace.environment['DEBIAN_MIRROR']}")
    assert_fetched(workspace, package)


def test_a_mirror_that_is_no_address(workspace: Workspace, packages: Packages) -> None:
    package = packages.take()
    result = fetch(workspace, package, "mirror.test/debian", status=1)
    assert (
        'DEBIAN_MIRROR names the mirror "mirror.test/debian", which begins with none of http:, https:, file: '
        "(hint: give the base address of a mirror, http://HOST/debian)\n"
    ) in result.stderr
    fetch(workspace, package)
    assert_fetched(workspace, package)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["interrupt", "kill"])
def test_a_fetch_that_is_ended(
    workspace: Workspace, packages: Packages, mirror: FaultyMirror, number: signal.Signals
) -> None:
    package = packages.take(minimum=50_000)
    mirror.fault = Fault.STALLED
    mirror.stall_after = 40_000
    # Without the flags that make Bazel hurry: the server must still wait when the signal comes.
    environment = {"DEBIAN_MIRROR": f"{mirror.address}/debian"}
    with workspace.start("build", target(package), environment=environment) as process:
        mirror.wait_for_request()
        if number == signal.SIGINT:
            process.send_signal(number)
        else:
            kill_everything(workspace)
        said, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    if number == signal.SIGINT:
        assert "Build did NOT complete successfully" in said
    assert_nothing_counts(workspace, package)
    fetch(workspace, package)
    assert_fetched(workspace, package)


def test_a_mirror_that_stalls_early_crashes_bazel_7(
    workspace: Workspace, packages: Packages, mirror: FaultyMirror
) -> None:
    # Bazel reads the first 32 KiB before it says that the download has begun, and takes a time-out in them for an
    # interruption, which Bazel 7 does not expect there (mended in Bazel 8).
    package = packages.take(minimum=50_000)
    mirror.fault = Fault.STALLED
    mirror.stall_after = 1000
    result = fetch(workspace, package, f"{mirror.address}/debian", status=37)
    assert "InterruptedException: Read timed out" in result.stderr
    assert package.name in result.stderr
    assert_nothing_counts(workspace, package)
    fetch(workspace, package)
    assert_fetched(workspace, package)


# --- The repository cache -------------------------------------------------------------------------------------------


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def truncate(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def hide(file: Path) -> None:
    file.chmod(0)


def leave_partial(file: Path) -> None:
    """What a Bazel that is killed in mid-download leaves."""
    truncate(file)
    file.rename(file.with_name("tmp-8f2b"))


def put_into_cache(workspace: Workspace, package: Package) -> Path:
    """A good entry for a package that Bazel has not fetched yet."""
    entry = cache_entry(workspace, package)
    entry.mkdir(parents=True)
    file = entry / "file"
    file.write_bytes((workspace.mirror / package.archive / package.path).read_bytes())
    return file


@pytest.mark.parametrize("damage", [flip, truncate, empty, hide, leave_partial], ids=lambda damage: damage.__name__)
def test_a_damaged_entry_of_the_cache_is_fetched_again(
    workspace: Workspace, packages: Packages, damage: Callable[[Path], None]
) -> None:
    package = packages.take()
    damage(put_into_cache(workspace, package))
    fetch(workspace, package)
    assert_fetched(workspace, package)


def test_a_good_entry_of_the_cache_needs_no_mirror(workspace: Workspace, packages: Packages) -> None:
    package = packages.take()
    put_into_cache(workspace, package)
    fetch(workspace, package, "file:///nowhere/debian")
    assert_fetched(workspace, package)


def test_a_damaged_entry_and_no_mirror(workspace: Workspace, packages: Packages) -> None:
    package = packages.take()
    flip(put_into_cache(workspace, package))
    result = fetch(workspace, package, "file:///nowhere/debian", status=1)
    assert message(package, packages.snapshot, "file:///nowhere/debian") in result.stderr
    fetch(workspace, package)
    assert_fetched(workspace, package)


def close_entry(workspace: Workspace, package: Package) -> Path:
    folder = cache_entry(workspace, package)
    folder.mkdir(parents=True)
    folder.chmod(0)
    return folder


def close_cache(workspace: Workspace, package: Package) -> Path:
    folder = cache_entry(workspace, package).parent
    folder.chmod(0o555)
    return folder


@pytest.mark.parametrize("close", [close_entry, close_cache], ids=lambda close: close.__name__)
def test_a_cache_that_cannot_be_used(
    workspace: Workspace, packages: Packages, close: Callable[[Workspace, Package], Path]
) -> None:
    package = packages.take()
    folder = close(workspace, package)
    result = fetch(workspace, package, status=1)
    folder.chmod(0o755)
    assert message(package, packages.snapshot, workspace.environment["DEBIAN_MIRROR"]) in result.stderr
    assert "WARNING: Download" not in result.stderr
    fetch(workspace, package)
    assert_fetched(workspace, package)
