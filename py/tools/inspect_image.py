"""Shows what is on an image, or verifies everything that is found on it.

  inspect_image --image=disk-img.tar.zst --show=boot:version.txt --largest_packages=10
  inspect_image verify --image=disk.img
  inspect_image --map=disk.map.json --source=KEY=FILE ... --json

Exit status: 0; 1 if something is wrong with the image; 2 if it cannot be looked at.
"""

import dataclasses
import json
from collections.abc import Sequence

from absl import flags

from sysimage.errors import UserError
from sysimage.inspection import format_image, look, to_json
from tools.image_input import open_input
from tools.main import run

_IMAGE = flags.DEFINE_string("image", None, "The image: a raw file, or a tar with it, either as it is or under zstd.")
_MEMBER = flags.DEFINE_string("member", "", "Which member of the tar; left out: the first.")
_MAP = flags.DEFINE_string("map", None, "The image as an extent map, instead of --image.")
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: a file that the map takes bytes from. May be repeated.")
_SHOW = flags.DEFINE_multi_string("show", [], "VOLUME:PATH: a text file to print. May be repeated.")
_LARGEST_FILES = flags.DEFINE_integer("largest_files", 0, "How many of the largest files to list.", lower_bound=0)
_LARGEST_PACKAGES = flags.DEFINE_integer(
    "largest_packages", 0, "How many of the largest packages to list.", lower_bound=0
)
_ROOT_HASH = flags.DEFINE_multi_string(
    "root_hash",
    [],
    "VOLUME=HEX: the root hash that a volume must have; left out: the one its tree has. May be repeated.",
)
_JSON = flags.DEFINE_boolean("json", False, "Print JSON.")

_VERBS = ("inspect", "verify")


def parse_root_hashes(words: Sequence[str]) -> dict[str, bytes]:
    """`VOLUME=HEX` words.

    Raises:
        UserError: a word is of another form, or the hash is not 32 bytes.
    """
    hashes = {}
    for word in words:
        name, _, text = word.rpartition("=")
        try:
            root_hash = bytes.fromhex(text)
        except ValueError:
            root_hash = b""
        if not name or len(root_hash) != 32:
            raise UserError(f"--root_hash {word!r} is not of the form VOLUME=64 hex digits")
        hashes[name] = root_hash
    return hashes


def main(argv: Sequence[str]) -> int:
    """Does what the verb and the flags say."""
    verb, *rest = argv[1:] or ["inspect"]
    if verb not in _VERBS or rest:
        raise UserError(f"unexpected argument {(rest or [verb])[0]!r}", hint=f"verbs are {' and '.join(_VERBS)}")
    of_archive: list[str] = []
    judged = of_archive if verb == "verify" else None
    with open_input(_IMAGE.value, _MAP.value, _SOURCE.value, _MEMBER.value, judged) as reader:
        image = look(reader, parse_root_hashes(_ROOT_HASH.value), verify=verb == "verify")
        image = dataclasses.replace(image, findings=(*of_archive, *image.findings))
        extras = (_SHOW.value, _LARGEST_FILES.value, _LARGEST_PACKAGES.value)
        findings = image.all_findings()
        if _JSON.value:
            print(json.dumps(to_json(image, *extras), indent=2))
        elif verb == "inspect":
            print(format_image(image, _IMAGE.value or _MAP.value or "", *extras), end="")
        else:
            print("\n".join(findings) if findings else f"{_IMAGE.value or _MAP.value}: nothing is wrong")
    return 1 if findings else 0


if __name__ == "__main__":
    run(main)
