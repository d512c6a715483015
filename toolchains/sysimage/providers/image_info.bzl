"""An image between actions: a map, never the bytes."""

load("//toolchains/private:fields.bzl", "check_depset", "check_file")

DOC = """\
An image as an extent map: a filesystem, a partition's content or a whole disk.

The map says for each byte range where it comes from; what it does not mention is
a hole. The literals that its writer made are one of the sources.
"""

FIELDS = {
    "format": "string: what lies in it: `ext4`, `fat`, `gpt`, `lvm2`, `verity`.",
    "map": "File: the extent map, JSON (py/sysimage/extents.py).",
    "sources": "depset of Files: all that the map takes slices of; the key of each is its short_path.",
}

_FORMATS = ["ext4", "fat", "gpt", "lvm2", "verity"]

def _init(*, map, sources, format):
    if format not in _FORMATS:
        fail("ImageInfo: format must be one of {}; got \"{}\"".format(", ".join(_FORMATS), format))
    check_file("ImageInfo", "map", map, "json")
    check_depset("ImageInfo", "sources", sources)
    return {"format": format, "map": map, "sources": sources}

ImageInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
