"""File capabilities: what `security.capability` holds, as getcap(8) writes it.

The value is `struct vfs_ns_cap_data` of linux/capability.h: a little-endian 32-bit magic (revision in the top byte, bit
0 the effective flag), then pairs of permitted and inheritable bits, 32 capabilities each; revision 3 has a root uid
behind.
"""

import struct

XATTR = "security.capability"
_EFFECTIVE = 0x000001
_SIZES = {1: 12, 2: 20, 3: 24}  # bytes by revision
# By number: linux/capability.h.
_NAMES = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
]


def capability_text(value: bytes) -> str:
    """The capabilities in words, such as `cap_net_raw+ep`; a value that is none of the format as hexadecimal digits."""
    magic = int.from_bytes(value[:4], "little")
    revision = magic >> 24
    if _SIZES.get(revision) != len(value):
        return f"damaged:{value.hex()}"
    words = struct.unpack_from(f"<{4 if revision > 1 else 2}I", value, 4)
    permitted = words[0] | (words[2] << 32 if revision > 1 else 0)
    inheritable = words[1] | (words[3] << 32 if revision > 1 else 0)
    groups: dict[str, list[str]] = {}
    for number in range(64):
        flags = "e" if magic & _EFFECTIVE and (permitted | inheritable) >> number & 1 else ""
        flags += "i" if inheritable >> number & 1 else ""
        flags += "p" if permitted >> number & 1 else ""
        if flags:
            name = f"cap_{_NAMES[number]}" if number < len(_NAMES) else str(number)
            groups.setdefault(flags, []).append(name)
    text = " ".join(f"{','.join(names)}+{flags}" for flags, names in groups.items()) or "none"
    if revision == 3:
        text += f" rootid={int.from_bytes(value[20:24], 'little')}"
    return text
