"""Rebuild, compare, explain: what an auditor does, and what there is to say of it."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError
from sysimage.explanation import explain, picture
from sysimage.rebuild.build import Build, Request, remove, say
from sysimage.rebuild.execution_log import causes
from sysimage.rebuild.published import Published, file_hash

# A path of another length: what leaks a path into its output is seen.
_SECOND = "second-build-in-a-folder-with-a-longer-name"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether what was rebuilt is what was published, and what to tell of it, in lines."""

    equal: bool
    lines: tuple[str, ...]


def check(request: Request, published: Published, scratch: Path, keep: bool = False) -> Verdict:
    """Builds a revision, and again if that tells more, and compares.

    Args:
        request: what to build.
        published: what is to come out.
        scratch: a folder on a disk with room for a build; a folder in it is used, and removed at the end.
        keep: whether to leave it.

    Raises:
        UserError: the target is not there, does not build, or is not one file.
    """
    if shutil.which("bazel") is None:
        raise UserError("there is no program 'bazel'", hint="run this in the build environment")
    with _folder(scratch, keep) as folder, contextlib.ExitStack() as stack:
        first = Build(request, folder / "first")
        stack.callback(first.close)
        say(f"laying out revision {request.commit[:12]}")
        wanted = published.hash_of(first.prepare())
        say(f"building {request.target} from nothing, with no cached results")
        image = first.run()
        got = file_hash(image)
        where = (f"file       {image.name}", f"target     {request.target}", f"revision   {request.commit}")
        if got == wanted:
            return Verdict(True, (_EQUAL, *where, f"sha256     {got}"))
        hashes = (f"published  sha256 {wanted}", f"rebuilt    sha256 {got}")
        head = (_DIFFERENT, *where, *hashes, "")
        if published.image is not None:
            return Verdict(False, (*head, *_against(published.image, image), *_NEXT_WITH_IMAGE))
        say("the hash differs; building again, to see whether the build is stable")
        second = Build(request, folder / _SECOND)
        stack.callback(second.close)
        second.prepare()
        again = second.run()
        if file_hash(again) == got:
            return Verdict(False, (*head, *_STABLE))
        return Verdict(False, (*head, *_unstable(first, second, image, again)))


@contextlib.contextmanager
def _folder(scratch: Path, keep: bool) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="rebuild-", dir=scratch))
    except OSError as error:
        raise UserError(f"cannot write to {scratch}: {error.strerror}", hint="name a folder with --scratch") from error
    try:
        yield folder
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            remove(folder)


def _against(published: Path, image: Path) -> Iterator[str]:
    drawing = picture(published, image)
    if drawing:
        yield drawing
    yield "Where they differ, the published against the rebuilt:"
    for sentence in explain(published, image, names=("the published file", "the rebuilt file")):
        yield f"  {sentence}"
    yield ""


_EQUAL = "equal: the rebuilt file is the published one, byte for byte"
_DIFFERENT = "DIFFERENT: the rebuilt file is not the published one"
_NEXT_WITH_IMAGE = (
    "What to do: the first sentence tells most. If it names a version or a file of the sources, the image was built",
    "from another revision, or with other options (--option). If it names a time, an order or an owner, the build",
    "depends on where it runs: tell the maintainers, with this text.",
)
_STABLE = (
    "A second build, in another folder, gave the same bytes as the first: the build is stable here, but it is not",
    "what was published.",
    "What to do: get the published image and give it as --published: then the difference is named. Make sure that",
    "this is the revision, and that these are the options (--option), that the image was published with.",
)


_NO_ACTION = "No action of the logs differs. Where the files differ, the first build against the second:"


def _unstable(first: Build, second: Build, image: Path, again: Path) -> Iterator[str]:
    """Two builds of ours that differ: the action, and what differs in its output."""
    yield "A second build, in another folder, gave other bytes than the first: the build is not stable here."
    found = causes(first.log, second.log)
    names = ("the first build", "the second build")
    outputs = [(image, again)]
    if found:
        cause = found[0]
        yield f"The first action that differs: {cause.spawn.name} {cause.why}"
        if len(found) > 1:
            yield f"{len(found) - 1} more differ without another as their reason"
        if cause.outputs:
            outputs = [(first.place(cause.outputs[0]), second.place(cause.outputs[0]))]
    yield "Where its outputs differ, the first build against the second:" if found else _NO_ACTION
    for mine, other in outputs:
        if mine.is_file() and other.is_file():
            for sentence in explain(mine, other, names=names):
                yield f"  {sentence}"
    yield "What to do: tell the maintainers, with this text; nothing can be said of what was published."
