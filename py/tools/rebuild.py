"""Builds a revision again and says whether that gives the bytes that somebody published.

  rebuild --target=//some/package:image.tar.zst --published=image.tar.zst.sha256
  rebuild --target=... --revision=v1.2 --published=1f6b... (64 digits)
  rebuild --target=... --published=image.tar.zst      the image itself: differences are named

The revision is laid out in a folder of its own and built there from nothing: no action's result comes from a cache.

Exit status: 0 if the bytes are equal; 1 if they differ; 2 if that cannot be found out.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.rebuild.build import Request
from sysimage.rebuild.checkout import Repository
from sysimage.rebuild.published import parse_published
from sysimage.rebuild.verdict import check
from tools.main import refuse_arguments, run

_TARGET = flags.DEFINE_string("target", None, "Label of the file to rebuild.", required=True)
_PUBLISHED = flags.DEFINE_string(
    "published",
    None,
    "What was published: a *.sha256 or SHA256SUMS file, a bare sha256, or the file itself.",
    required=True,
)
_REVISION = flags.DEFINE_string(
    "revision", None, "Git revision; left out: the one that is checked out, if nothing is changed."
)
_REPOSITORY = flags.DEFINE_string("repository", None, "The checkout; left out: the one that this is run from.")
_OPTION = flags.DEFINE_multi_string("option", [], "Further option for `bazel build`, such as --stamp. May be repeated.")
_SCRATCH = flags.DEFINE_string("scratch", "/var/tmp", "Folder on a disk with room for a build.")
_KEEP = flags.DEFINE_boolean("keep", False, "Leave what was built, and say where it is.")


def _stop(number: int, _: object) -> None:
    """Ends the program as a signal does, but with everything removed first."""
    sys.exit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Does what the flags say."""
    refuse_arguments(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    here = Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    top = _REPOSITORY.value or os.environ.get("BUILD_WORKSPACE_DIRECTORY", ".")
    repository = Repository(Path(here, top).absolute())
    published = parse_published(_PUBLISHED.value or "", here)
    commit = repository.commit(_REVISION.value or "HEAD")
    if _REVISION.value is None:
        repository.check_clean()
    request = Request(repository, commit, _TARGET.value or "", tuple(_OPTION.value))
    verdict = check(request, published, Path(here, _SCRATCH.value), _KEEP.value)
    print("\n".join(verdict.lines))
    return 0 if verdict.equal else 1


if __name__ == "__main__":
    run(main)
