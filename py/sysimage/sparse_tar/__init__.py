"""Tar archives with sparse members, in the old GNU format: written from maps, read as maps, judged.

GNU tar, bsdtar and Python's tarfile all read this format and recreate the holes; of
the newer ones (pax sparse 0.0, 0.1, 1.0) not every reader knows each.
"""

from sysimage.sparse_tar.reader import Seekable, StoredMember, inspect, read
from sysimage.sparse_tar.verify import verify
from sysimage.sparse_tar.writer import Member, archive_size, headers, plan, write

__all__ = [
    "Member",
    "Seekable",
    "StoredMember",
    "archive_size",
    "headers",
    "inspect",
    "plan",
    "read",
    "verify",
    "write",
]
