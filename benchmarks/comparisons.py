"""The five comparisons, each with what it needs beforehand."""

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import actions, peers, repository
from benchmarks.actions import Action
from benchmarks.measure import Comparison, Contender, Usage, execute, progress
from benchmarks.peers import Mkosi, Mmdebstrap
from benchmarks.profile import Step, critical_path
from benchmarks.workspace import Workspace
from sysimage.errors import UserError

EXT4_FROM_TAR = "//benchmarks:ext4_from_tar"
_BAD_FLAG = "--no_such_flag"  # a program that is given it ends when it has read its flags
_STARTS = 5
_UUID = "6f0d3c52-5a0e-4c7e-9a39-3b7f6a4f4c11"


@dataclass(frozen=True, slots=True)
class Setting:
    """What all comparisons work on.

    image: label of the disk image archive; changed: the file, in the work tree, that gets another
    content; template: the folder that stands for the root filesystem there; all: the actions behind the image.
    """

    workspace: Workspace
    scratch: Path
    log: Path
    image: str
    changed: str
    template: str
    all: Sequence[Action]

    def the(self, mnemonic: str, output: str = "") -> Action:
        """The one action of a kind. Errors: as `actions.find`."""
        return actions.find(self.all, mnemonic, output)

    @property
    def inside(self) -> str:
        """The changed file's path in the root filesystem."""
        return self.changed.removeprefix(self.template + "/")

    @property
    def base(self) -> Action:
        """The action that makes the base layer: the one that starts from nothing.

        Raises:
            UserError: there is not exactly one.
        """
        found = [each for each in self.all if each.mnemonic == "RootfsLayer" and not each.values("--base_tree")]
        if len(found) != 1:
            raise UserError(f"{self.image} has {len(found)} base layers; the benchmark expects one")
        return found[0]


def prepare(workspace: Workspace, scratch: Path, log: Path, image: str, changed: str) -> Setting:
    """Builds once, so that everything is fetched and the server is warm, and asks for the actions.

    Raises:
        UserError: the build fails, or the file to change is not there.
    """
    template, separator, _ = changed.partition("/rootfs/")
    if not separator or not (workspace.root / changed).is_file():
        raise UserError(f"{changed} is not a file in a folder rootfs/", hint="name one with --changed")
    with progress("first build: fetches what is missing"):
        workspace.build(image, EXT4_FROM_TAR)
    text = workspace.aquery(f"deps({image})")
    return Setting(workspace, scratch, log, image, changed, template + "/rootfs", actions.parse(text))


def packages(setting: Setting) -> repository.Repository:
    """The .deb files of the base layer as an archive for the peers."""
    debs = [setting.workspace.execution_root / path for path in setting.base.values("--deb")]
    with progress(f"archive of {len(debs)} packages for the peers"):
        return repository.make(setting.scratch / "archive", debs)


def mkosi(setting: Setting, archive: repository.Repository) -> Mkosi:
    """mkosi, configured, with the template folder of the changed file to lay over the packages."""
    extra = setting.scratch / "extra"
    shutil.rmtree(extra, ignore_errors=True)
    source, folder = setting.workspace.root / setting.template, setting.inside.split("/")[0]
    shutil.copytree(source / folder, extra / folder, symlinks=True)
    peer = Mkosi(setting.scratch / "mkosi", archive, extra, setting.log)
    peer.configure()
    return peer


def _nothing(_: int) -> None:
    """Nothing to prepare."""


def whole_image(setting: Setting, peer: Mkosi) -> Comparison:
    """Everything from nothing cached."""
    return Comparison(
        key="image",
        title="disk image, nothing cached",
        target=0.2,
        ours=Contender(
            "bazel build",
            lambda _: setting.workspace.remove_outputs(),
            lambda _: _build_all(setting, setting.image, setting.all),
        ),
        theirs=Contender("mkosi", lambda _: peer.clear(), lambda _: peer.build(incremental=False)),
        explain=lambda: critical_path(setting.workspace.profile),
    )


def clean_image(setting: Setting, peer: Mkosi) -> Comparison:
    """The same, but the server has forgotten loading and analysis too."""
    return Comparison(
        key="clean",
        title="disk image after bazel clean",
        target=0.2,
        ours=Contender(
            "bazel build",
            lambda _: setting.workspace.clean(),
            lambda _: _build_all(setting, setting.image, setting.all),
        ),
        theirs=Contender("mkosi", lambda _: peer.clear(), lambda _: peer.build(incremental=False)),
        explain=lambda: critical_path(setting.workspace.profile),
    )


def _build_all(setting: Setting, label: str, expected: Sequence[Action]) -> None:
    """Builds, and makes sure that every one of the actions ran."""
    ran, wanted = setting.workspace.build(label), sum(each.is_ours for each in expected)
    if ran < wanted:
        raise UserError(f"of {wanted} actions behind {label} only {ran} ran; the others came from a cache")


def changed_file(setting: Setting, peer: Mkosi) -> Comparison:
    """One file of the template changed; both have what they cache from a build before."""
    workspace = setting.workspace

    def change(file: Path, original: bytes) -> Callable[[int], None]:
        return lambda number: _write(file, original + f"# benchmark, round {number}\n".encode())

    with progress("caches for the incremental builds"):
        workspace.build(setting.image)
        peer.clear()
        peer.build(incremental=True)
        peer.check()
    original = (workspace.root / setting.changed).read_bytes()
    return Comparison(
        key="change",
        title="disk image, one file of rootfs/etc changed",
        target=0.15,
        ours=Contender(
            "bazel build",
            change(workspace.root / setting.changed, original),
            lambda _: _build_all(setting, setting.image, [setting.the("ImageArchive")]),
        ),
        theirs=Contender(
            "mkosi --incremental", change(peer.extra / setting.inside, original), lambda _: peer.build(incremental=True)
        ),
        explain=lambda: critical_path(workspace.profile),
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def base_layer(setting: Setting, archive: repository.Repository) -> Comparison:
    """The packages installed, and nothing else."""
    peer = Mmdebstrap(setting.scratch / "mmdebstrap", archive, setting.log)

    def explain() -> tuple[Step, ...]:
        peer.check()
        return critical_path(setting.workspace.profile)

    return Comparison(
        key="base",
        title="base layer, nothing cached",
        target=0.2,
        ours=Contender(
            "bazel build",
            lambda _: setting.workspace.remove_outputs(),
            lambda _: _build_all(setting, setting.base.label, [setting.base]),
        ),
        theirs=Contender("mmdebstrap", lambda _: peer.clear(), lambda _: peer.build()),
        explain=explain,
    )


def _start_up(start: Callable[[], Usage]) -> tuple[Step, ...]:
    """What starting a program takes, before it does anything: launcher, imports, flags.

    Args:
        start: runs it with `_BAD_FLAG`.

    Raises:
        UserError: it ended for another reason.
    """
    seconds = []
    for _ in range(_STARTS):
        begin = time.monotonic()
        try:
            start()
        except UserError as error:
            if _BAD_FLAG.strip("-") not in error.message:
                raise
        seconds.append(time.monotonic() - begin)
    return (Step("start-up: launcher, imports, flags", statistics.median(seconds)),)


def ext4(setting: Setting) -> Comparison:
    """An ext4 image of the tar of the base layer, whole processes."""
    workspace = setting.workspace
    workspace.build(EXT4_FROM_TAR, setting.base.label)
    program = next(path for path in workspace.files(EXT4_FROM_TAR) if path.suffix == "")
    tar = setting.scratch / "base.tar"
    layer = workspace.execution_root / setting.base.value("--layer_out")
    execute(["zstd", "--decompress", "--quiet", "--force", layer, "-o", tar], setting.log)
    ours, theirs = setting.scratch / "ours.ext4", setting.scratch / "theirs.ext4"
    arguments: list[str | Path] = ["--tar", tar, "--raw_out", ours, "--uuid", _UUID]

    def make(_: int) -> None:
        execute([program, *arguments], setting.log)

    return Comparison(
        key="ext4",
        title="ext4 image of one tar",
        target=0.8,
        ours=Contender("ext4_from_tar", lambda _: ours.unlink(missing_ok=True), make),
        theirs=Contender(
            "mke2fs -d", lambda _: theirs.unlink(missing_ok=True), lambda _: peers.mke2fs(tar, theirs, setting.log)
        ),
        explain=lambda: _start_up(lambda: execute([program, *arguments, _BAD_FLAG], setting.log)),
    )


def verity(setting: Setting) -> Comparison:
    """The hash tree of the root image: ours over its map, veritysetup over the same bytes in a file."""
    workspace = setting.workspace
    workspace.build(setting.image)
    action = setting.the("VerityPlan")
    folder = setting.scratch / "verity"
    raw, tree, root_hash = folder / "raw.img", folder / "tree.img", folder / "roothash"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    materialise = setting.the("ImageArchive").arguments[0]
    words = [f"--source={pair}" for pair in action.values("--source")]
    execute(
        [materialise, "--map", action.value("--map"), *words, "--raw_out", raw],
        setting.log,
        cwd=workspace.execution_root,
    )

    def ours(_: int) -> None:
        actions.run(action, workspace.execution_root, folder, setting.log)

    def clear(_: int) -> None:
        ours_hash = (folder / action.value("--root_hash_out")).read_text().strip()
        if root_hash.exists() and root_hash.read_text().strip() != ours_hash:
            raise UserError(f"root hashes differ: ours {ours_hash}, theirs {root_hash.read_text()}")
        tree.unlink(missing_ok=True)

    def theirs(_: int) -> None:
        peers.veritysetup(raw, tree, root_hash, action.value("--salt"), action.value("--uuid"), setting.log)

    return Comparison(
        key="verity",
        title=f"hash tree of {raw.stat().st_size / 1e6:.0f} MB",
        target=1.0,
        ours=Contender("verity_plan", _nothing, ours),
        theirs=Contender("veritysetup", clear, theirs),
        explain=lambda: _start_up(
            lambda: actions.run(action, workspace.execution_root, folder, setting.log, more=[_BAD_FLAG])
        ),
    )
