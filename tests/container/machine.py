"""A make-believe machine for container-run.sh: a checkout, a home, and a PATH without the programs of ABSENT.

Programs that would install, download or start engines are stand-ins that note their arguments; the others are real.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTAINER = Path("gitlab-ci/container").absolute()

# What a fresh machine may lack, or what tests must not start.
ABSENT = {"apt-config", "apt-get", "bwrap", "docker", "mmdebstrap", "newuidmap", "podman"}

# Notes its arguments, runs the text of ACTION, and ends with its status.
STAND_IN = """\
#!/bin/bash
printf '%s\\0' "${{0##*/}}" "$@" >> '{log}'
printf '\\n' >> '{log}'
{action}
"""


# Stands for docker: says what it was asked to run, and ends with the status of what it would have run.
TELLING_ENGINE = """
case $1 in
  info) exit 0 ;;
  image) exit 0 ;;
  run)
    while [[ $1 != ic-container:* ]]; do shift; done
    shift
    printf '%s\\n' "$@"
    exit 1
    ;;
esac
"""


class Machine:
    """The make-believe machine; all of it lies in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = folder / "my checkout"
        self.home = folder / "home"
        self.programs = folder / "bin"
        self.log = folder / "log"
        self.cache = self.home / ".cache" / "ic-container"
        for made in (self.home, self.programs):
            made.mkdir()
        shutil.copytree(CONTAINER, self.repository / "gitlab-ci" / "container", copy_function=shutil.copy)
        for program in Path("/usr/bin").iterdir():
            if program.name not in ABSENT:
                (self.programs / program.name).symlink_to(program)

    @property
    def script(self) -> Path:
        """The script in the checkout."""
        return self.repository / "gitlab-ci" / "container" / "container-run.sh"

    @property
    def dockerfile(self) -> Path:
        """The definition in the checkout."""
        return self.repository / "gitlab-ci" / "container" / "Dockerfile"

    def add_real(self, *names: str) -> None:
        """Puts programs of this machine on the PATH."""
        for name in names:
            real = shutil.which(name)
            assert real, f"the container has no {name}"
            (self.programs / name).symlink_to(real)

    def stand_in(self, name: str, action: str = "true") -> None:
        """Puts a program on the PATH that notes its arguments and runs a piece of shell."""
        program = self.programs / name
        program.write_text(STAND_IN.format(log=self.log, action=action))
        program.chmod(0o755)

    def add_program(self, path: Path) -> Path:
        """Puts a script of this repository into the checkout, at the same place; engines only tell what they get."""
        place = self.repository / path.absolute().relative_to(Path.cwd())
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        self.stand_in("docker", TELLING_ENGINE)
        return place

    def run_program(self, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a script that was put into the checkout, by a caller who is beside it."""
        return run([str(self.repository / path), *arguments], self.environment(), folder=self.folder)

    def engine_runs(self) -> list[str]:
        """The arguments of the one run of docker."""
        (found,) = (call for call in self.calls("docker") if call[0] == "run")
        return found

    def environment(self, **more: str) -> dict[str, str]:
        """What container-run.sh finds in its environment."""
        return {"HOME": str(self.home), "PATH": str(self.programs), "TERM": "dumb", **more}

    def run(self, *command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs container-run.sh with a command."""
        return run([str(self.script), *command], self.environment(**environment), stdin)

    def calls(self, program: str) -> list[list[str]]:
        """The arguments of each run of a stand-in, oldest first."""
        lines = self.log.read_text().split("\0\n")[:-1] if self.log.exists() else []
        return [words[1:] for words in (line.split("\0") for line in lines) if words[0] == program]

    def add_root_maker(self) -> None:
        """A mmdebstrap that makes a root of this machine's own folders, and what it needs beside it."""
        roots = self.folder / "root of links"
        roots.mkdir()
        for name in ("etc", "usr", "var"):
            (roots / name).symlink_to(f"/{name}")
        # It reads its sources to the end, as the real one does: who feeds it must not find nobody there.
        self.stand_in("mmdebstrap", f"cat > /dev/null; tar --create --directory='{roots}' etc usr var")
        self.stand_in("newuidmap")
        self.stand_in("apt-config")
        self.add_real("bwrap")

    def roots(self) -> list[str]:
        """Names of what lies in the cache for roots, complete or not."""
        return sorted(path.name for path in self.cache.glob("root-*"))


def run(
    command: Sequence[str], environment: Mapping[str, str], stdin: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and keeps all that it says."""
    return subprocess.run(
        command,
        env=dict(environment),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def arguments_of(text: str) -> list[str]:
    """What PRINT_ARGUMENTS printed."""
    value: list[str] = json.loads(text)
    return value


PRINT_ARGUMENTS = ("python3", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))")
