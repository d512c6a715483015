"""File capabilities in words, as getcap writes them."""

import struct

import pytest

from sysimage.properties.capabilities import capability_text


def value(revision: int, effective: bool, permitted: int, inheritable: int = 0, root: int | None = None) -> bytes:
    words = [permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF, permitted >> 32, inheritable >> 32]
    data = struct.pack("<5I", revision << 24 | effective, *words)
    return data if root is None else data + struct.pack("<I", root)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (value(2, True, 1 << 13), "cap_net_raw+ep"),
        (value(2, False, 1 << 10 | 1 << 12), "cap_net_bind_service,cap_net_admin+p"),
        (value(2, True, 1 << 39, 1 << 21), "cap_sys_admin+ei cap_bpf+ep"),
        (value(3, True, 1 << 40, root=1000), "cap_checkpoint_restore+ep rootid=1000"),
        (value(2, True, 1 << 50), "50+ep"),
        (struct.pack("<3I", 1 << 24 | 1, 1, 0), "cap_chown+ep"),
        (value(2, False, 0), "none"),
        (b"\1\0\0\2", "damaged:01000002"),
    ],
)
def test_capabilities(data: bytes, text: str) -> None:
    assert capability_text(data) == text
