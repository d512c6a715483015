"""Our programs on disks that fail: each ends with one line and status 2, and what it leaves under a name is whole."""

import hashlib
import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sysimage import extents, layer, tree
from sysimage.dockerfile.config import History, ImageConfig
from sysimage.ext4.plan import plan
from sysimage.ext4.testing import options
from sysimage.extents import ExtentMap
from tests.soak import draw
from tests.soak.draw import Limits
from tests.soak.faulty import ERRORS, SHORT
from tests.soak.parsers_archives import TAR_KINDS
from tests.soak.scenario import Finding, Scenario

_UUID = "11223344-5566-7788-99aa-bbccddeeff00"
_TREE = Limits(TAR_KINDS, nodes=100, sparse=1 << 20, target_max=900, acls=False)
_SECONDS = 600.0
_ORPHAN_SECONDS = 30.0
_USER_ERROR = 2
_TMPFS = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"'
_LISTED = """
import hashlib, json, os, subprocess, sys
report, out, *command = sys.argv[1:]
done = subprocess.run(command, capture_output=True, text=True)
files = {name: hashlib.sha256(open(os.path.join(out, name), "rb").read()).hexdigest() for name in os.listdir(out)}
with open(report, "w") as file:
    json.dump([done.returncode, done.stderr, files], file)
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A program of ours, and what it is started with. outputs: flag to the name of a file in the folder of outputs."""

    module: str
    arguments: Sequence[str]
    outputs: Mapping[str, str]

    def words(self, folder: Path) -> list[str]:
        """Its arguments, outputs going to a folder."""
        return [*self.arguments, *(f"--{flag}={folder / name}" for flag, name in self.outputs.items())]


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended, and the digests of what it left in the folder of outputs."""

    status: int
    stderr: str
    files: Mapping[str, str]


def prepare(random: Random, folder: Path) -> list[Program]:
    """Inputs for all programs, and the programs."""
    with draw.pattern(random, folder) as sources:
        made = draw.tree(random, _TREE)
        made.put("etc/file", tree.file(random.randbytes(200_000)))
        written = layer.write(made, folder / "layer.tar", "layer", sources)
    tree.save(written, folder / "tree")
    extents.save(plan(written, options()), folder / "map", folder / "literals", "literals")
    config = ImageConfig({"PATH": "/bin"}, ["sh"], history=[History("RUN x", False)])
    (folder / "config").write_text(config.to_json())
    (folder / "Dockerfile").write_text(
        "FROM base\nRUN echo text > /etc/made && mkdir -p /srv/x && rm -f /etc/file\nCMD sh\n"
    )
    (folder / "fat").mkdir()
    tree.save(_fat_tree(), folder / "fat-tree")
    row = {"name": "root", "start": 2048, "size": 1 << 20, "type": _UUID, "guid": _UUID}
    (folder / "layout").write_text(json.dumps({"disk_guid": _UUID, "partitions": [row]}))
    planned = {"map_out": "map", "literals_out": "literals"}
    source = [f"--source=literals={folder / 'literals'}", f"--source=layer={folder / 'layer.tar'}"]
    image = [f"--map={folder / 'map'}", *source]
    member = [f"--member=disk.img={folder / 'map'}", *source]
    ext4 = [f"--tree={folder / 'tree'}", f"--uuid={_UUID}", f"--hash_seed={_UUID}", "--epoch=0", "--literals_key=l"]
    root = [f"--base_tree={folder / 'tree'}", f"--source=layer={folder / 'layer.tar'}", "--epoch=0", "--layer_key=new"]
    key = "--literals_key=l"
    return [
        Program("tools.ext4_plan", ext4, planned),
        Program("tools.fat_plan", [f"--tree={folder / 'fat-tree'}", "--volume_id=1234ABCD", key], planned),
        Program(
            "tools.gpt_plan", [f"--layout={folder / 'layout'}", f"--partition=root={folder / 'map'}", key], planned
        ),
        Program(
            "tools.verity_plan",
            [*image, "--salt=00", f"--uuid={_UUID}", key],
            planned | {"root_hash_out": "hash", "parameters_out": "parameters"},
        ),
        Program("tools.materialise", image, {"raw_out": "disk.img"}),
        Program("tools.materialise", image, {"stream_out": "disk.img", "sha256_out": "sum"}),
        Program("tools.materialise", [*image, "--zstd"], {"stream_out": "disk.img.zst", "sha256_out": "sum"}),
        Program("tools.materialise", [*member, "--zstd"], {"tar_out": "disk.tar.zst", "sha256_out": "sum"}),
        Program("tools.materialise", member, {"tar_out": "disk.tar"}),
        Program(
            "tools.rootfs_layer",
            [*root, f"--dockerfile={folder / 'Dockerfile'}", f"--base_config={folder / 'config'}"],
            {"layer_out": "new.tar", "tree_out": "tree", "config_out": "config"},
        ),
        Program(
            "tools.oci_image",
            [f"--layer={folder / 'layer.tar'}", f"--config={folder / 'config'}", "--name=soak:1"],
            {"out": "image.tar", "digest_out": "digest"},
        ),
        Program("tools.file_tree", [f"--base={folder / 'tree'}", "--directory=x/y/z:0700"], {"tree_out": "tree"}),
        Program("tools.boot_args", ["--slot=A=root=/dev/x quiet"], {"out": "boot_args"}),
        Program("tools.version_file", ["--default=1.2.3"], {"version_out": "version"}),
    ]


def _fat_tree() -> tree.Tree:
    made = tree.Tree()
    for number in range(30):
        made.put(f"folder/file {number}", tree.file(ExtentMap.of_slice("pattern", 0, 1000 * number)))
    return made


def command(program: Program, out: Path, fault: tuple[str, int, int] | None = None) -> list[str]:
    """The words that start a program in a process of its own."""
    start = f"import sys; sys.path[:] = {sys.path!r}; from tests.soak.faulty import start; "
    start += f"start({program.module!r}, {fault!r}, sys.argv[1:])"
    return [sys.executable, "-c", start, *program.words(out)]


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file in a folder; a folder in it counts as such."""
    found = {}
    for path in folder.iterdir():
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def run(words: Sequence[str], out: Path, limit: int | None = None) -> Result:
    """Runs a program to its end; with a limit no file may become larger (bytes)."""

    def restrict() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=_SECONDS, preexec_fn=restrict, errors="replace"
    )
    return Result(done.returncode, done.stderr, digests(out))


def check(
    what: str, result: Result, wanted: Mapping[str, str], before: Mapping[str, str], must_fail: bool = False
) -> None:
    """What a program did when writing went wrong is what it must do.

    Args:
        what: program and fault.
        result: of the run.
        wanted: digests of a run in which nothing went wrong.
        before: digests of what lay under the names before the run.
        must_fail: it cannot have ended well.

    Raises:
        Finding: another status, more or less than one line, or a file that is neither whole nor the old one.
    """
    if result.status == 0:
        if must_fail or result.files != wanted:
            raise Finding(f"{what}: ended with status 0, and left {sorted(result.files)}")
        return
    lines = result.stderr.splitlines()
    if result.status != _USER_ERROR or len(lines) != 1 or not lines[0].startswith("error: "):
        raise Finding(f"{what}: status {result.status}, {len(lines)} lines\n{result.stderr}")
    for name, digest in result.files.items():
        if digest not in (wanted.get(name), before.get(name)):
            raise Finding(f"{what}: left {name}, which is neither whole nor what was there")


def _old(random: Random, program: Program, out: Path) -> dict[str, str]:
    """A folder for outputs, in some rounds with older outputs under the same names."""
    out.mkdir()
    if random.random() < 0.5:
        for name in program.outputs.values():
            (out / name).write_bytes(b"old")
    return digests(out)


def _reference(random: Random, scratch: Path) -> tuple[Program, Result, float]:
    program = random.choice(prepare(random, scratch))
    out = scratch / "reference"
    out.mkdir()
    start = time.monotonic()
    result = run(command(program, out), out)
    if result.status or set(result.files) != set(program.outputs.values()):
        raise Finding(f"{program.module}: status {result.status}, left {sorted(result.files)}\n{result.stderr}")
    return program, result, time.monotonic() - start


def calls_that_fail(random: Random, scratch: Path) -> None:
    """Short writes, which must not matter, and errors from some call on."""
    program, reference, _ = _reference(random, scratch)
    for number, kind in enumerate((SHORT, *ERRORS)):
        out = scratch / f"out-{number}"
        before = _old(random, program, out)
        fault = (kind, random.choice((0, 1, 2, 3, 5, random.randrange(40))), random.getrandbits(32))
        result = run(command(program, out, fault), out)
        what = f"{program.module} {program.outputs}, {kind} at {fault[1]}"
        if kind == SHORT and (result.status or result.files != reference.files):
            raise Finding(f"{what}: status {result.status}, other files\n{result.stderr}")
        check(what, result, reference.files, before, must_fail=kind != SHORT and fault[1] == 0)


def files_too_large(random: Random, scratch: Path) -> None:
    """A limit of file sizes, at which the kernel fails."""
    program, reference, _ = _reference(random, scratch)
    largest = max((scratch / "reference" / name).stat().st_size for name in program.outputs.values())
    for number in range(3):
        out = scratch / f"out-{number}"
        before = _old(random, program, out)
        limit = random.choice((0, 1, 4096, random.randrange(largest + 1)))
        result = run(command(program, out), out, limit)
        check(f"{program.module} {program.outputs}, {limit} bytes", result, reference.files, before, limit < largest)


def full_disk(random: Random, scratch: Path) -> None:
    """A disk without room: a tmpfs of a few pages, in a namespace of its own."""
    program, reference, _ = _reference(random, scratch)
    out, report = scratch / "out", scratch / "report"
    out.mkdir()
    need = sum((scratch / "reference" / name).stat().st_blocks * 512 for name in program.outputs.values())
    size = random.randrange(4096, need + 4097) // 4096 * 4096
    inner = [sys.executable, "-c", _LISTED, str(report), str(out), *command(program, out)]
    words = ["unshare", "-Urm", "sh", "-c", _TMPFS, "sh", str(size), str(out), *inner]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode:
        raise Finding(f"no namespace with a small disk could be made: {done.stderr}")
    status, stderr, files = json.loads(report.read_text())
    check(f"{program.module} {program.outputs}, disk of {size}", Result(status, stderr, files), reference.files, {})


def killed(random: Random, scratch: Path) -> None:
    """SIGKILL at any time: what stands under a name is whole, the next run succeeds, and no child lives on."""
    program, reference, seconds = _reference(random, scratch)
    for number in range(3):
        out = scratch / f"out-{number}"
        before = _old(random, program, out)
        words = command(program, out)
        with subprocess.Popen(words, stderr=subprocess.PIPE, start_new_session=True) as child:
            time.sleep(random.random() * seconds)
            child.send_signal(signal.SIGKILL)
            # Children that live on keep the pipe open.
            try:
                child.communicate(timeout=_ORPHAN_SECONDS)
            except subprocess.TimeoutExpired:
                raise Finding(f"{program.module}: a child lives on after SIGKILL") from None
        what = f"{program.module} {program.outputs}, killed"
        for name, digest in digests(out).items():
            if name in program.outputs.values() and digest not in (reference.files[name], before.get(name)):
                raise Finding(f"{what}: left {name}, which is neither whole nor what was there")
        again = run(words, out)
        left = {name: digest for name, digest in again.files.items() if name in program.outputs.values()}
        if again.status or left != reference.files:
            raise Finding(f"{what}: the next run has status {again.status}\n{again.stderr}")


def _scenario(name: str, run: Callable[[Random, Path], None]) -> Scenario:
    return Scenario(name, "faults", run, 3)


SCENARIOS = (
    _scenario("fault-calls", calls_that_fail),
    _scenario("fault-limit", files_too_large),
    _scenario("fault-disk", full_disk),
    _scenario("fault-killed", killed),
)
