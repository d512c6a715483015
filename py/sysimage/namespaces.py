"""Namespaces of Linux: another user, host name, set of processors, mounts and network, without any privilege."""

import ctypes
import errno
import fcntl
import ipaddress
import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from sysimage.errors import UserError

# linux/sched.h, linux/mount.h
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_MNT_DETACH = 2

# linux/sockios.h, linux/if.h; struct ifreq is a name and a union of 24 bytes, in6_ifreq address, prefix, interface.
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_IFF_UP = 0x1
_FLAGS_REQUEST = struct.Struct("16sH22x")
_ADDRESS_REQUEST = struct.Struct("16sIi")
_ADDRESS_SECONDS = 60.0

# Where the C library reads how many processors there are.
ONLINE = "/sys/devices/system/cpu/online"

# linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id, which has no meaning for the usual ones.
ACL_DEFAULT = "system.posix_acl_default"
_ACL_VERSION = struct.pack("<I", 2)
_ACL_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NO_ID = 0xFFFFFFFF

_HINT = "this test needs user namespaces; the container has them: gitlab-ci/container/container-run.sh"


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise UserError(f"cannot {what}: {os.strerror(ctypes.get_errno())}", hint=_HINT)


def isolate(uid: int, gid: int, host_name: str = "") -> None:
    """Moves this process, which must have one thread only, into namespaces of its own.

    Args:
        uid: the user that it is from now on, for itself and its children; outside nothing changes.
        gid: its group.
        host_name: name of the machine; "": as it is.

    Raises:
        UserError: the kernel does not allow it.
    """
    _enter(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC, uid, gid)
    _check(_library().mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "have mounts of its own")
    if host_name:
        socket.sethostname(host_name)


def own_network(addresses: Iterable[str], uid: int | None = None, gid: int | None = None) -> None:
    """Moves this process, which must have one thread only, into a network that nobody else is in.

    It reaches itself at 127.0.0.1, ::1 and further addresses, at any port, and nothing else.

    Args:
        addresses: IPv6 addresses that it has besides.
        uid: the user that it is from now on; None: the one that it is.
        gid: its group; None likewise.

    Raises:
        UserError: the kernel does not allow it.
    """
    _enter(_CLONE_NEWNET, os.getuid() if uid is None else uid, os.getgid() if gid is None else gid)
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _FLAGS_REQUEST.pack(b"lo", _IFF_UP))
            for address in addresses:
                packed = ipaddress.IPv6Address(address).packed
                request = _ADDRESS_REQUEST.pack(packed, 128, socket.if_nametoindex("lo"))
                fcntl.ioctl(any_socket, _SIOCSIFADDR, request)
                _wait_for_address(address)
    except OSError as error:
        raise UserError(f"cannot have a network of its own: {error.strerror}", hint=_HINT) from error


def _wait_for_address(address: str) -> None:
    """Waits until an address can be listened at: the kernel makes it one a moment after it was added."""
    deadline = time.monotonic() + _ADDRESS_SECONDS
    while True:
        with socket.socket(socket.AF_INET6) as probe:
            try:
                return probe.bind((address, 0))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > deadline:
                    raise
        time.sleep(0.01)


def _enter(flags: int, uid: int, gid: int) -> None:
    outer_uid, outer_gid = os.getuid(), os.getgid()
    _check(_library().unshare(_CLONE_NEWUSER | flags), "make a user namespace")
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1", encoding="ascii")
    except OSError as error:
        raise UserError(f"cannot become user {uid}: {error.strerror}", hint=_HINT) from error


def mount_memory(folder: Path) -> None:
    """Mounts a file system in memory whose files have blocks of 2 MiB.

    Raises:
        UserError: the kernel does not allow it, or knows no such blocks.
    """
    _check(_library().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"huge=always,mode=0755"), f"mount {folder}")


def unmount(folder: Path) -> None:
    """Takes away what `mount_memory` mounted.

    Raises:
        UserError: nothing is mounted there.
    """
    _check(_library().umount2(os.fsencode(folder), _MNT_DETACH), f"unmount {folder}")


def show_processors(count: int, file: Path) -> None:
    """Lets programs see a number of processors; a single one is also all that they may use.

    Args:
        count: from 1 up.
        file: a file to be made, which stands for the kernel's own from now on.

    Raises:
        UserError: the kernel does not allow it.
    """
    file.write_text("0\n" if count == 1 else f"0-{count - 1}\n", encoding="ascii")
    _check(_library().mount(os.fsencode(file), ONLINE.encode(), None, _MS_BIND, None), f"replace {ONLINE}")
    if count == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def default_acl(uid: int) -> bytes:
    """The value of ACL_DEFAULT with which all that is made in a directory can be written by a user, and by no other."""
    entries = (
        (_USER_OBJ, 7, _NO_ID),
        (_USER, 7, uid),
        (_GROUP_OBJ, 5, _NO_ID),
        (_MASK, 7, _NO_ID),
        (_OTHER, 0, _NO_ID),
    )
    return _ACL_VERSION + b"".join(_ACL_ENTRY.pack(*entry) for entry in entries)


def let_inherit(folder: Path, uid: int) -> None:
    """Gives a directory the setgid bit and a default ACL.

    Raises:
        UserError: its file system has no ACLs.
    """
    try:
        folder.chmod(0o2755)
        os.setxattr(folder, ACL_DEFAULT, default_acl(uid))
    except OSError as error:
        raise UserError(f"cannot give {folder} a default ACL: {error.strerror}") from error
