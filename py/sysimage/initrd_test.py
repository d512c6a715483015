import lzma

import pytest

from sysimage import initrd, tree
from sysimage.elf_testing import make
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import NANOSECONDS, NodeType, Tree

NOTHING = Sources({})
EPOCH = 1754697600
RELEASE = "usr/lib/modules/6.12.0"


def programs() -> Tree:
    content = Tree()
    content.put("usr/bin/busybox", tree.file(make([], ""), 0o755))
    content.put("usr/sbin/dmsetup", tree.file(make(["libc.so.6"]), 0o755))
    content.put("usr/lib/x86_64-linux-gnu/libc.so.6", tree.file(make([], "")))
    content.put("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", tree.file(make([], "")))
    content.put("usr/share/data/x.txt", tree.file(b"x"))
    return content


def kernel() -> Tree:
    content = Tree()
    content.put(f"{RELEASE}/kernel/dm-mod.ko.xz", tree.file(lzma.compress(b"module one")))
    content.put(f"{RELEASE}/kernel/dm-verity.ko.xz", tree.file(lzma.compress(b"module two")))
    content.put(f"{RELEASE}/modules.builtin", tree.file(b"kernel/fs/ext4/ext4.ko\n"))
    content.put(
        f"{RELEASE}/modules.dep", tree.file(b"kernel/dm-mod.ko.xz:\nkernel/dm-verity.ko.xz: kernel/dm-mod.ko.xz\n")
    )
    return content


def compose(packages: Tree, modules: Tree, names: list[str]) -> Tree:
    return initrd.compose(
        programs=packages,
        program_paths=["usr/sbin/dmsetup"],
        applets=["sh", "mount"],
        kernel=modules,
        modules=names,
        sources=NOTHING,
        init=b"#!/bin/sh\n",
        epoch=EPOCH,
        files=["usr/share/data/*"],
    )


def test_what_is_in_it() -> None:
    content = compose(programs(), kernel(), ["dm-verity", "ext4"])
    assert [path for path, node in content.walk() if node.type is not NodeType.DIRECTORY] == [
        "bin/busybox",
        "bin/mount",
        "bin/sh",
        "dev/console",
        "dev/null",
        "init",
        "lib64/ld-linux-x86-64.so.2",
        "modules/dm_mod.ko",
        "modules/dm_verity.ko",
        "modules/order",
        "sbin/dmsetup",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/share/data/x.txt",
    ]
    assert content.read("modules/order", NOTHING) == b"dm_mod.ko\ndm_verity.ko\n"
    assert content.read("modules/dm_verity.ko", NOTHING) == b"module two"
    assert (content["init"].mode, content["bin/busybox"].mode) == (0o755, 0o755)
    assert content["bin/sh"].target == "busybox"


def test_everything_has_one_time() -> None:
    content = compose(programs(), kernel(), ["dm-verity"])
    assert {node.mtime for path, node in content.walk() if not path.startswith("usr/share")} == {EPOCH * NANOSECONDS}


def test_packed_and_unpacked() -> None:
    content = compose(programs(), kernel(), ["dm-verity"])
    packed = initrd.pack(content, NOTHING)
    assert packed == initrd.pack(content, NOTHING)
    found = initrd.unpack(packed)
    assert {path: node for path, node in found.walk() if path} == {path: node for path, node in content.walk() if path}


def test_index_is_needed() -> None:
    modules = kernel()
    modules.remove(f"{RELEASE}/modules.dep")
    with pytest.raises(UserError) as caught:
        compose(programs(), modules, [])
    assert str(caught.value) == (
        f"/{RELEASE} has no modules.dep (hint: give the module index (depmod's output) as one of the kernel's trees)"
    )


def test_missing_program() -> None:
    packages = programs()
    packages.remove("usr/bin/busybox")
    with pytest.raises(UserError, match=r"^the packages of the initrd have no file /usr/bin/busybox$"):
        compose(packages, kernel(), [])


def test_what_is_no_initrd() -> None:
    with pytest.raises(UserError, match=r"^the initrd is not a zstd stream: "):
        initrd.unpack(b"something else entirely")
