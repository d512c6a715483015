"""Turns extent maps into a file: a raw sparse image, a stream, or a tar of sparse members.

materialise --map=disk.map.json --source=KEY=FILE ... --raw_out=disk.img
materialise --member=disk.img=disk.map.json --source=... --tar_out=disk-img.tar.zst --zstd --sha256_out=...
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage import extents, materialise, sparse_tar
from sysimage.errors import UserError
from sysimage.extents import ExtentMap, Sources
from tools.main import parse_sources, refuse_arguments, run

_MAP = flags.DEFINE_string("map", None, "Extent map to write with --raw_out or --stream_out.")
_MEMBER = flags.DEFINE_multi_string(
    "member", [], "NAME=MAP: one member of the tar, in order. May be repeated. Its holes are left out."
)
_DENSE_MEMBER = flags.DEFINE_multi_string("dense_member", [], "NAME of a member whose holes are stored as zeros.")
_FILE_MEMBER = flags.DEFINE_multi_string(
    "file_member", [], "NAME=FILE: a member that is a plain file; these come after the others. May be repeated."
)
_SOURCE = flags.DEFINE_multi_string("source", [], "KEY=FILE: a file that the maps take bytes from. May be repeated.")
_RAW_OUT = flags.DEFINE_string("raw_out", None, "Where the raw sparse image goes.")
_STREAM_OUT = flags.DEFINE_string("stream_out", None, "Where the image goes with its holes as zeros.")
_TAR_OUT = flags.DEFINE_string("tar_out", None, "Where the tar goes.")
_ZSTD = flags.DEFINE_boolean("zstd", False, "Compress what --stream_out or --tar_out writes.")
_SHA256_OUT = flags.DEFINE_string("sha256_out", None, "Where the line for sha256sum goes, of the stream or tar.")

_FILE_KEY = "member file "  # before the name of a --file_member, as source key


def _name_and_path(flag: str, word: str) -> tuple[str, str]:
    name, separator, path = word.partition("=")
    if not separator or not name or not path:
        raise UserError(f"--{flag} {word!r} is not of the form NAME=FILE")
    return name, path


def _members(sources: Sources) -> list[sparse_tar.Member]:
    members = []
    dense = set(_DENSE_MEMBER.value)
    for word in _MEMBER.value:
        name, path = _name_and_path("member", word)
        members.append(sparse_tar.Member(name, extents.load(path), sparse=name not in dense))
    unknown = sorted(dense - {member.name for member in members})
    if unknown:
        raise UserError(f"--dense_member {unknown[0]!r} is not among the --member names")
    for word in _FILE_MEMBER.value:
        name, path = _name_and_path("file_member", word)
        if not Path(path).is_file():
            raise UserError(f"--file_member {name!r}: there is no file {path}")
        sources.add(_FILE_KEY + name, path)
        members.append(sparse_tar.Member(name, ExtentMap.of_slice(_FILE_KEY + name, 0, Path(path).stat().st_size)))
    return members


def main(argv: Sequence[str]) -> None:
    """Writes the one output that the flags name."""
    refuse_arguments(argv)
    outputs = [flag.name for flag in (_RAW_OUT, _STREAM_OUT, _TAR_OUT) if flag.value]
    if len(outputs) != 1:
        raise UserError("give exactly one of --raw_out, --stream_out and --tar_out")
    if _RAW_OUT.value and (_ZSTD.value or _SHA256_OUT.value):
        raise UserError("--zstd and --sha256_out go with --stream_out and --tar_out only")
    with parse_sources(_SOURCE.value) as sources:
        if _TAR_OUT.value:
            _write_tar(_TAR_OUT.value, sources)
        elif not _MAP.value:
            raise UserError(f"--{outputs[0]} needs --map")
        elif _RAW_OUT.value:
            materialise.write_raw(extents.load(_MAP.value), sources, _RAW_OUT.value)
        elif _STREAM_OUT.value:
            image = extents.load(_MAP.value)
            with materialise.open_output(_STREAM_OUT.value, _ZSTD.value, _SHA256_OUT.value) as sink:
                materialise.write_stream(image, sources, sink)


def _write_tar(path: str, sources: Sources) -> None:
    members = _members(sources)
    if not members:
        raise UserError("--tar_out without members", hint="add --member NAME=MAP")
    with materialise.open_output(path, _ZSTD.value, _SHA256_OUT.value) as sink:
        sparse_tar.write(members, sources, sink)


if __name__ == "__main__":
    run(main)
