"""Making the root: what is missing, what is interrupted, what happens twice at once."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.container.machine import Machine, run

MIRROR = {"DEBIAN_MIRROR": "http://mirror.test/debian"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.add_root_maker()
    return machine


def as_root(machine: Machine, *command: str) -> subprocess.CompletedProcess[str]:
    """Starts container-run.sh as root of a user namespace of its own."""
    unshare = ["unshare", "--user", "--map-root-user", str(machine.script), *command]
    return run(unshare, machine.environment(**MIRROR))


@pytest.mark.parametrize(
    ("program", "package"), [("bwrap", "bubblewrap"), ("mmdebstrap", "mmdebstrap"), ("newuidmap", "uidmap")]
)
def test_a_missing_program_is_named_with_its_package(machine: Machine, program: str, package: str) -> None:
    (machine.programs / program).unlink()
    result = machine.run("true", **MIRROR)
    assert (result.returncode, result.stderr) == (
        2,
        f"container-run: missing on this machine: {package} (hint: as root: apt-get install {package})\n",
    )
    assert machine.roots() == []


def test_root_installs_what_is_missing(machine: Machine) -> None:
    (machine.programs / "bwrap").rename(machine.folder / "bwrap")
    machine.stand_in(
        "apt-get", f"[[ $1 == update ]] || ln --symbolic '{machine.folder}/bwrap' '{machine.programs}/bwrap'"
    )
    machine.stand_in("mmdebstrap", 'cat > /dev/null; mkdir "${@: -2:1}" && ln --symbolic /etc /usr /var "${@: -2:1}"')
    result = as_root(machine, "true")
    assert "container-run: installing bubblewrap on this machine\n" in result.stderr
    assert machine.calls("apt-get") == [["update"], ["install", "--yes", "--no-install-recommends", "bubblewrap"]]
    assert re.fullmatch(r"root-[0-9a-f]{16}", machine.roots()[0])


def test_root_whose_installation_fails(machine: Machine) -> None:
    (machine.programs / "bwrap").unlink()
    machine.stand_in("apt-get", "echo 'E: no network' && exit 100")
    result = as_root(machine, "true")
    assert result.returncode == 2
    assert result.stderr == (
        "container-run: installing bubblewrap on this machine\nE: no network\n"
        f"container-run: could not install bubblewrap (hint: the whole log is {machine.cache}/install.log)\n"
    )


def test_root_on_a_machine_without_apt(machine: Machine) -> None:
    (machine.programs / "bwrap").unlink()
    result = as_root(machine, "true")
    assert (result.returncode, result.stderr) == (
        2,
        "container-run: missing on this machine: bubblewrap "
        "(hint: install what is named; there is no apt-get here to do it with)\n",
    )


def test_the_mirror_is_apts(machine: Machine) -> None:
    uris = [
        "'http://mirror.test/debian/dists/bookworm/InRelease' mirror.test_InRelease 0 ",
        "'http://mirror.test/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror.test_Packages 0 ",
        "'http://mirror.test/debian-security/dists/bookworm-security/InRelease' mirror.test_security 0 ",
        "'https://other.test/packages/dists/stable/InRelease' other.test 0 ",
    ]
    machine.stand_in("apt-get", "\n".join(f'echo "{uri}"' for uri in uris))
    machine.stand_in("mmdebstrap", f"cat > '{machine.folder}/sources'; exit 1")
    machine.run("true")
    sources = (machine.folder / "sources").read_text()
    assert sources == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian forky main\n"
    )


def test_the_mirror_is_the_environments(machine: Machine) -> None:
    machine.stand_in("mmdebstrap", f"cat > '{machine.folder}/sources'; exit 1")
    machine.run("true", DEBIAN_MIRROR="http://archive.test/debian/{snapshot} http://mirror.test/debian")
    sources = (machine.folder / "sources").read_text()
    assert sources == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian forky main\n"
    )


def test_no_mirror(machine: Machine) -> None:
    machine.stand_in("apt-get")
    result = machine.run("true")
    assert result.returncode == 2
    assert result.stderr.endswith(
        "container-run: no Debian mirror is known "
        "(hint: set DEBIAN_MIRROR to the base address of one, http://HOST/debian)\n"
    )


def test_a_root_that_fails_leaves_nothing_that_counts(machine: Machine) -> None:
    good = (machine.programs / "mmdebstrap").read_text()
    machine.stand_in("mmdebstrap", "echo 'E: broken package' >&2; exit 25")
    result = machine.run("true", **MIRROR)
    assert result.returncode == 2
    assert "E: broken package\n" in result.stderr
    assert result.stderr.endswith(
        "container-run: the root could not be made: see above "
        "(hint: the next start tries again; if the mirror is at fault, DEBIAN_MIRROR names another)\n"
    )
    assert machine.roots() == []

    (machine.programs / "mmdebstrap").write_text(good)
    result = machine.run("true", **MIRROR)
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"root-[0-9a-f]{16}", " ".join(machine.roots()))


def on_a_small_disk(machine: Machine, *shell: str) -> subprocess.CompletedProcess[str]:
    """Runs pieces of shell as root of a namespace in which the home is a disk of 20 MiB."""
    mounted = " && ".join((f"mount -t tmpfs -o size=20M tmpfs '{machine.home}'", *shell))
    return run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounted], machine.environment(**MIRROR))


MAKE_ROOM = "make room there, or set XDG_CACHE_HOME to a folder on another disk"


def test_a_disk_that_fills_up_while_the_root_is_made(machine: Machine) -> None:
    machine.stand_in("mmdebstrap", 'mkdir "${@: -2:1}" && exec dd if=/dev/zero of="${@: -2:1}/file" bs=1M count=100')
    left = f"(! '{machine.script}' true) && ls '{machine.cache}'"
    result = on_a_small_disk(machine, left)
    assert "No space left on device\n" in result.stderr
    assert result.stderr.endswith(
        f"container-run: no room for the root: 0 MiB were left in {machine.cache} (hint: {MAKE_ROOM})\n"
    )
    assert result.stdout.split() == ["bazel", "home", "making.lock", "repository", "tmp"]


def test_a_disk_that_is_full(machine: Machine) -> None:
    fill = f"(! dd if=/dev/zero of='{machine.home}/filling' bs=64k 2> /dev/null)"
    left = f"(! '{machine.script}' true) && find '{machine.cache}' -type f"
    result = on_a_small_disk(machine, fill, left)
    assert re.search(
        rf"\ncontainer-run: cannot write {machine.cache}/bazel/[0-9a-f]{{16}}/repository \(hint: {MAKE_ROOM}\)\n$",
        result.stderr,
    ), result.stderr
    assert result.stdout == ""


def test_prune_keeps_outputs_whose_repository_is_not_known(machine: Machine) -> None:
    known, unknown, gone = (machine.cache / "bazel" / name for name in ("known", "unknown", "gone"))
    for folder, repository in ((known, str(machine.repository)), (unknown, ""), (gone, "/no/such/folder")):
        folder.mkdir(parents=True)
        (folder / "repository").write_text(repository)
    result = machine.run("--prune")
    assert (result.returncode, result.stderr) == (0, f"container-run: removing {gone}\n")
    assert sorted((machine.cache / "bazel").iterdir()) == [known, unknown]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_root_that_is_interrupted_leaves_nothing_that_counts(machine: Machine, number: signal.Signals) -> None:
    good = (machine.programs / "mmdebstrap").read_text()
    started = machine.folder / "started"
    machine.stand_in("mmdebstrap", f"touch '{started}'; exec sleep 60")
    process = subprocess.Popen(
        [machine.script, "true"], env=machine.environment(**MIRROR), start_new_session=True, stderr=subprocess.DEVNULL
    )
    wait_for(started)
    # As Ctrl-C or the end of a session does: to all of its processes.
    os.killpg(process.pid, number)
    assert process.wait(timeout=20) != 0
    assert all(name.endswith(".partial") for name in machine.roots())

    (machine.programs / "mmdebstrap").write_text(good)
    assert machine.run("true", **MIRROR).returncode == 0
    assert re.fullmatch(r"root-[0-9a-f]{16}", " ".join(machine.roots()))


def test_two_starts_make_one_root(machine: Machine) -> None:
    good = (machine.programs / "mmdebstrap").read_text()
    started, go = machine.folder / "started", machine.folder / "go"
    machine.stand_in("mmdebstrap", f"touch '{started}'; while [[ ! -e '{go}' ]]; do sleep 0.05; done\n{good}")
    processes = []
    for _ in range(2):
        processes.append(
            subprocess.Popen(
                [machine.script, "true"], env=machine.environment(**MIRROR), stderr=subprocess.PIPE, text=True
            )
        )
        wait_for(started)
    time.sleep(1)
    go.touch()
    outputs = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "another start is making the root; waiting for it" in outputs[1]
    assert sum("making the root of the container" in output for output in outputs) == 1


def wait_for(path: Path) -> None:
    for _ in range(400):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")
