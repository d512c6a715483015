"""Packages installed for real: dpkg and every maintainer script, as an ordinary user.

What mmdebstrap does as root is done here in a user namespace with one user mapped: in a stage of unpacked packages the
essential packages are unpacked into an empty folder, in which then dpkg installs them and all others. fakeroot stands
between the programs and the kernel and remembers owners, modes and devices that it would refuse. Nothing of
our composer has a part in it: packages are unpacked by dpkg-deb and tar, and GNU tar writes down what came out.
"""

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from sysimage.errors import UserError

LOG_LINES = 30  # of the log's end are shown when something fails

_SCRIPT = Path(__file__).with_name("real_install.sh")
_SHARED = "tmp/oracle"
_LIBRARY = "libfakeroot-sysv.so"
# One user, and namespaces for mounts, processes and System V IPC; all of it ends with the first process.
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--ipc")


def install(
    debs: Sequence[Path], essential: Collection[str], fakeroot: Sequence[Path], scratch: Path, epoch: int
) -> Path:
    """Installs packages.

    Args:
        debs: the packages, complete: all that they depend on is among them.
        essential: the names of those of which a system is made first.
        fakeroot: the packages fakeroot and libfakeroot, of the same distribution.
        scratch: an empty folder on a disk; some 700 MB are written to it for a system of 300 MB.
        epoch: what SOURCE_DATE_EPOCH is, seconds since 1970; programs that stamp files with days honour it.

    Returns:
        A tar archive in PAX format of the whole system, owners by name and number.

    Raises:
        UserError: no user namespaces; packages that are damaged or not those of a system; or the installation
            fails, with the end of what was said.
    """
    _require_namespaces()
    names = {deb: _name(deb) for deb in debs}
    stage = scratch / "stage"
    shared = stage / _SHARED
    for folder in (shared / "essential", shared / "rest", stage / "dev", stage / "proc"):
        folder.mkdir(parents=True)
    for deb, name in names.items():
        shutil.copyfile(deb, shared / ("essential" if name in essential else "rest") / f"{name}.deb")
    for deb in [*(deb for deb in debs if names[deb] in essential), *fakeroot]:
        run(["dpkg-deb", "--extract", str(deb), str(stage)], scratch, f"unpacking {deb.name}")
    shutil.copyfile(_one(stage, f"usr/lib/*/libfakeroot/{_LIBRARY}", "fakeroot"), shared / _LIBRARY)
    # tar asks it for the numbers of owners' names. The target's own come from the same package.
    for name in ("passwd", "group"):
        shutil.copyfile(_one(stage, f"usr/share/base-passwd/{name}.master", "essential"), stage / f"etc/{name}")
    shutil.copyfile(_SCRIPT, shared / "real_install.sh")
    command = [*_UNSHARE, "/bin/sh", str(shared / "real_install.sh"), "enter", str(stage)]
    run(command, scratch, "installing", {"SOURCE_DATE_EPOCH": str(epoch)})
    return shared / "target.tar"


def _require_namespaces() -> None:
    done = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"a real install needs user namespaces, which this machine refuses: {done.stderr.strip()}",
            hint="allow them (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor), "
            "or run it elsewhere",
        )


def _one(stage: Path, pattern: str, of: str) -> Path:
    found = [*stage.glob(pattern)]
    if not found:
        raise UserError(f"the {of} packages do not contain /{pattern}", hint="they must be those of a Debian system")
    return found[0]


def _name(deb: Path) -> str:
    done = subprocess.run(["dpkg-deb", "--field", str(deb), "Package"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{deb}: {done.stderr.strip()}")
    return done.stdout.strip()


def run(command: Sequence[str], scratch: Path, what: str, variables: Mapping[str, str] | None = None) -> None:
    """Runs a command to its end; what it says goes to the file `log` in the scratch folder.

    Raises:
        UserError: it fails; with the last lines of the log.
    """
    log = scratch / "log"
    with log.open("ab") as out:
        environment = {**os.environ, **(variables or {})}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
    if done.returncode:
        end = "\n".join(log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])
        raise UserError(f"{what} failed with exit status {done.returncode}:\n{end}")
