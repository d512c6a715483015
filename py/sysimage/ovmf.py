"""What OVMF, the UEFI firmware of virtual machines, says of itself in the table at its end.

Source: edk2, OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm. The table ends 32 bytes before the end of the image and is
read backwards. Each entry is its data, its length (16 bits, of the whole entry) and its GUID; the last one is the
table's own, and its length is that of all.
"""

import struct
from uuid import UUID

_TABLE = UUID("96b582de-1fb2-45f7-baea-a366c55a082d")
_KERNEL_HASHES = UUID("7255371f-3a3b-4b04-927b-1da6efa8d454")
_AFTER = 32  # bytes: the reset vector
_ENTRY = struct.Struct("<H16s")
_AREA = struct.Struct("<II")  # address and size


def table(firmware: bytes) -> dict[UUID, bytes]:
    """The entries, by GUID; empty where there is no such table, or it is damaged."""
    found: dict[UUID, bytes] = {}
    end = len(firmware) - _AFTER
    if end < _ENTRY.size:
        return {}
    length, guid = _ENTRY.unpack_from(firmware, end - _ENTRY.size)
    begin = end - length
    if UUID(bytes_le=guid) != _TABLE or begin < 0:
        return {}
    end -= _ENTRY.size
    while end > begin:
        if end - begin < _ENTRY.size:
            return {}
        length, guid = _ENTRY.unpack_from(firmware, end - _ENTRY.size)
        if not _ENTRY.size <= length <= end - begin:
            return {}
        found[UUID(bytes_le=guid)] = firmware[end - length : end - _ENTRY.size]
        end -= length
    return found


def measures_kernel(firmware: bytes) -> bool:
    """Whether it has a place for the hashes of kernel, initrd and command line, as its platform AmdSev has.

    Others have the entry as well, with the address 0.
    """
    data = table(firmware).get(_KERNEL_HASHES, b"")
    return len(data) == _AREA.size and all(_AREA.unpack(data))
