"""Says where two files differ: disk images however they are packed, archives, file systems, or anything else.

  compare_images ours/disk-img.tar.zst theirs/disk-img.tar.zst
  compare_images --limit=100 before.tar after.tar

Disks are drawn to scale, with the partitions that differ marked; then come sentences, the most telling first.

Exit status: 0 if the files are the same bytes; 1 if they differ; 2 if one cannot be read.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.errors import UserError
from sysimage.explanation import explain, picture
from tools.main import run

_LIMIT = flags.DEFINE_integer("limit", 20, "How many differences to list; the others are counted.", lower_bound=1)


def given_path(word: str) -> Path:
    """A path as the user wrote it, also under `bazel run`, which starts programs elsewhere."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."), word)


def main(argv: Sequence[str]) -> int:
    """Compares what the arguments name."""
    words = argv[1:]
    if len(words) != 2:
        raise UserError(f"two files are compared, not {len(words)}", hint="compare_images FILE OTHER_FILE")
    ours, theirs = map(given_path, words)
    sentences = explain(ours, theirs, names=(words[0], words[1]), limit=_LIMIT.value)
    if not sentences:
        print(f"{words[0]} and {words[1]} are the same bytes")
        return 0
    print(f"{words[0]} and {words[1]} differ:")
    drawing = picture(ours, theirs)
    if drawing:
        print(f"\n{drawing}")
    print("\n".join(sentences))
    return 1


if __name__ == "__main__":
    run(main)
