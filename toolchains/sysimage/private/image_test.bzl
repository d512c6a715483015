"""What an image promises, held against what was reviewed."""

load("//toolchains/python:defs.bzl", "py_binary", "pytest_test")

def image_test(name, image, checksum, golden, dpkg_verify, size = "medium", **kwargs):
    """Tests a disk image with one verity-protected Debian root filesystem.

    Its properties (partitions, accounts, special modes, units, packages) must be those of the golden file; our verifiers and foreign
    judges (sgdisk, sfdisk, e2fsck, fsck.fat, veritysetup, dpkg) must be content; nothing of a machine may be in it.

    `bazel run :<name>_update` writes the golden file anew, for the change to be reviewed.

    ```starlark
    image_test(
        name = "image_test",
        checksum = ":disk-img.tar.zst.sha256",
        dpkg_verify = "dpkg-verify.txt",
        golden = "properties.txt",
        image = ":disk-img.tar.zst",
    )
    ```

    Args:
        name: name of the target.
        image: the image, a tar under zstd.
        checksum: its checksum, as sha256sum writes it.
        golden: the reviewed properties.
        dpkg_verify: what `dpkg --verify` reports of the root, reviewed; lines that begin with `#` are comments.
        size: size of the test.
        **kwargs: as for py_test.
    """
    pytest_test(
        name = name,
        size = size,
        srcs = [Label("//toolchains/sysimage/testing:image_test.py")],
        data = [image, checksum, golden, dpkg_verify],
        env = {
            "CHECKSUM": "$(rootpath {})".format(checksum),
            "DPKG_VERIFY": "$(rootpath {})".format(dpkg_verify),
            "GOLDEN": "$(rootpath {})".format(golden),
            "IMAGE": "$(rootpath {})".format(image),
            "UPDATE": "bazel run //{}:{}_update".format(native.package_name(), name),
        },
        deps = [
            Label("//py/sysimage:extents"),
            Label("//py/sysimage:materialise"),
            Label("//py/sysimage:properties"),
            Label("//py/sysimage:tree"),
            Label("//py/sysimage/inspection"),
        ],
        **kwargs
    )
    py_binary(
        name = name + "_update",
        srcs = [Label("//py/tools:image_properties.py")],
        main = Label("//py/tools:image_properties.py"),
        args = [
            "--image=$(rootpath {})".format(image),
            "--golden=$(rootpath {})".format(golden),
        ],
        data = [image, golden],
        deps = [Label("//py/tools:image_properties")],
    )
