import lzma

import pytest
import zstandard

from sysimage import kernel_modules, tree
from sysimage.errors import UserError
from sysimage.tree import Tree

DM = "kernel/drivers/md"
DEP = f"""\
{DM}/dm-mod.ko.xz:
{DM}/dm-bufio.ko.xz: {DM}/dm-mod.ko.xz
kernel/lib/reed_solomon/reed_solomon.ko.xz:
{DM}/dm-verity.ko.xz: {DM}/dm-mod.ko.xz kernel/lib/reed_solomon/reed_solomon.ko.xz {DM}/dm-bufio.ko.xz
kernel/broken.ko.xz: kernel/gone.ko.xz
""".encode()
BUILTIN = b"kernel/fs/ext4/ext4.ko\nkernel/drivers/virtio/virtio_pci.ko\n"


def order(*wanted: str) -> list[str]:
    return kernel_modules.parse_dependencies(DEP, BUILTIN).order(wanted)


def test_everything_comes_after_what_it_needs() -> None:
    found = [path.rpartition("/")[2] for path in order("dm-verity")]
    assert found == ["dm-mod.ko.xz", "dm-bufio.ko.xz", "reed_solomon.ko.xz", "dm-verity.ko.xz"]


def test_nothing_comes_twice_and_builtins_not_at_all() -> None:
    assert order("dm_mod", "dm-mod", "ext4", "virtio_pci") == ["kernel/drivers/md/dm-mod.ko.xz"]


BAD = {
    "zfs": "the kernel has no module 'zfs' (hint: see modules.dep and modules.builtin in its package)",
    "broken": "the kernel has no module 'gone', which 'broken' needs "
    "(hint: see modules.dep and modules.builtin in its package)",
}


@pytest.mark.parametrize("name", BAD)
def test_unknown_modules(name: str) -> None:
    with pytest.raises(UserError) as caught:
        order(name)
    assert str(caught.value) == BAD[name]


def test_circles_and_long_chains() -> None:
    circle = kernel_modules.parse_dependencies(b"a.ko: b.ko\nb.ko: c.ko\nc.ko: b.ko\n", b"")
    with pytest.raises(UserError) as caught:
        circle.order(["a"])
    assert str(caught.value) == "modules.dep goes in a circle: 'b' needs itself, by way of 'c'"
    chain = b"".join(b"m%d.ko: m%d.ko\n" % (number, number + 1) for number in range(5000)) + b"m5000.ko:\n"
    assert kernel_modules.parse_dependencies(chain, b"").order(["m0"])[:2] == ["m5000.ko", "m4999.ko"]


def test_names_that_are_not_utf_8() -> None:
    assert kernel_modules.parse_dependencies(b"\xff.ko:\n", b"").order(["\udcff"]) == ["\udcff.ko"]


def test_malformed_index() -> None:
    with pytest.raises(UserError, match=r"^modules.dep has a line without a colon: 'kernel/a.ko'$"):
        kernel_modules.parse_dependencies(b"kernel/a.ko\n", b"")


def test_names_as_the_kernel_has_them() -> None:
    assert kernel_modules.module_name("kernel/drivers/md/dm-mod.ko.xz") == "dm_mod"
    assert kernel_modules.module_name("a/b.ko.zst") == "b"
    assert kernel_modules.module_name("dm-verity") == "dm_verity"


def test_release_is_the_one_kernel() -> None:
    content = Tree()
    content.make_directories("usr/lib/modules/6.12.1+deb13-cloud-amd64")
    assert kernel_modules.release(content) == "6.12.1+deb13-cloud-amd64"
    content.make_directories("usr/lib/modules/6.13.0")
    with pytest.raises(UserError) as caught:
        kernel_modules.release(content)
    assert caught.value.message == (
        "/usr/lib/modules must have the modules of one kernel; it has 6.12.1+deb13-cloud-amd64, 6.13.0"
    )


def test_no_kernel() -> None:
    content = Tree()
    content.put("etc/hostname", tree.file(b""))
    with pytest.raises(UserError, match=r"^/usr/lib/modules must have the modules of one kernel; it has none"):
        kernel_modules.release(content)


def test_decompression_by_suffix() -> None:
    assert kernel_modules.decompress("a.ko", b"plain") == b"plain"
    assert kernel_modules.decompress("a.ko.xz", lzma.compress(b"xz")) == b"xz"
    assert kernel_modules.decompress("a.ko.zst", zstandard.compress(b"zstd")) == b"zstd"
    for suffix in ("xz", "zst"):
        with pytest.raises(UserError, match=f"^/a.ko.{suffix} cannot be decompressed: "):
            kernel_modules.decompress(f"a.ko.{suffix}", b"damaged")
