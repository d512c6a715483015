"""Plans a dm-verity image: the given one with superblock and hash tree behind it."""

import json
from collections.abc import Sequence
from uuid import UUID

from absl import flags

from sysimage import extents, verity
from sysimage.errors import UserError
from sysimage.files import write_text
from tools.main import parse_sources, refuse_arguments, run

_MAP = flags.DEFINE_string("map", None, "Extent map of the image to protect.", required=True)
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: a file that the map takes bytes from. May be repeated.")
_SALT = flags.DEFINE_string("salt", None, "Salt, 0 to 256 bytes in hex.", required=True)
_UUID = flags.DEFINE_string("uuid", None, "UUID for the superblock.", required=True)
_MAP_OUT = flags.DEFINE_string("map_out", None, "Where the map of data, superblock and tree goes.", required=True)
_LITERALS_OUT = flags.DEFINE_string("literals_out", None, "Where the bytes of superblock and tree go.", required=True)
_LITERALS_KEY = flags.DEFINE_string("literals_key", None, "Source key of the literals.", required=True)
_ROOT_HASH_OUT = flags.DEFINE_string("root_hash_out", None, "Where the root hash goes, in hex.", required=True)
_PARAMETERS_OUT = flags.DEFINE_string("parameters_out", None, "Where all parameters go, as JSON.")


def parse_salt(text: str) -> bytes:
    """The bytes of a salt in hex.

    Raises:
        UserError: it is not hex, or too long.
    """
    try:
        salt = bytes.fromhex(text)
    except ValueError:
        salt = None
    if salt is None or len(salt) > verity.SALT_MAX:
        raise UserError(f"the verity salt must be 0 to {verity.SALT_MAX} bytes of hex; got {text!r}")
    return salt


def parse_uuid(text: str) -> UUID:
    """A UUID. Raises UserError if it is none."""
    try:
        return UUID(text)
    except ValueError as error:
        raise UserError(f"the verity UUID is {text!r}, which is not a UUID") from error


def main(argv: Sequence[str]) -> None:
    """Plans the image that the flags describe."""
    refuse_arguments(argv)
    salt, uuid = parse_salt(_SALT.value), parse_uuid(_UUID.value)
    with parse_sources(_SOURCE.value) as sources:
        image = verity.plan(extents.load(_MAP.value), sources, salt, uuid)
    extents.save(image.map, _MAP_OUT.value, _LITERALS_OUT.value, _LITERALS_KEY.value)
    write_text(_ROOT_HASH_OUT.value, image.root_hash.hex() + "\n")
    if _PARAMETERS_OUT.value:
        write_text(_PARAMETERS_OUT.value, json.dumps(image.parameters(), indent=2) + "\n")


if __name__ == "__main__":
    run(main)
