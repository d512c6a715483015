"""What the kernel must be told to open a dm-verity device."""

load("//toolchains/private:fields.bzl", "check_file")

DOC = """\
Parameters of a dm-verity image.

The root hash reaches the kernel command line through this provider: nothing
downstream parses the output of a tool.
"""

FIELDS = {
    "parameters": "File: JSON with root_hash, salt, uuid, data_blocks, hash_start (in blocks), block sizes.",
    "root_hash": "File: the root hash, hexadecimal, one line.",
}

def _init(*, root_hash, parameters):
    check_file("VerityInfo", "root_hash", root_hash)
    check_file("VerityInfo", "parameters", parameters, "json")
    return {"parameters": parameters, "root_hash": root_hash}

VerityInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
