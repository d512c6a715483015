"""What tells operating systems, and the variants of one, apart."""

# Otherwise whoever starts the machine can hand in units, passwords and ssh keys (systemd.system-credentials(7)).
NO_CREDENTIALS = "systemd.import_credentials=no"

def package_set(list, base = None):
    """A set of packages, for the description of an operating system; the last one there has all that the others have.

    Args:
        list: what it asks for, in the package of the operating system.
        base: the set that it lies on, described before it; the least that Debian has, if there is none.

    Returns:
        A struct.
    """
    return struct(
        base = base,
        list = list,
    )

def variant(
        packages,
        build_type,
        login,
        judged = False,
        kernel_arguments = [],
        launch_image = "disk-img.tar.zst",
        password = "",
        payload = {},
        payload_overrides = {},
        reviewed = [],
        rootfs_of = None,
        shared_files = [],
        testonly = False):
    """A variant, for the description of an operating system.

    Args:
        packages: its set of packages.
        build_type: the folder of its files, rootfs/variants/<build_type>, there and in //ic-os/rootfs.
        login: who may log in without a key, "none" or "console" (image_test).
        judged: whether a container engine builds its Dockerfile and its image is built twice, in tests that take minutes.
            Of variants that hardly differ one is enough: what the tests judge is made by the same rules.
        kernel_arguments: words of its kernel command line, behind those that all have.
        launch_image: what `launch` starts, an archive of its package.
        password: root's, where login is "console".
        payload: inputs that it has besides those of its operating system: label to path in the root.
        payload_overrides: program of `payload` to the one that this variant has in its place.
        reviewed: lists of what is right in it alone (image_test).
        rootfs_of: another variant with the same packages and files: its layers are taken.
        shared_files: groups of files in //ic-os/rootfs that not all variants have.
        testonly: whether it is for tests only.

    Returns:
        A struct.
    """
    return struct(
        build_type = build_type,
        judged = judged,
        kernel_arguments = kernel_arguments,
        launch_image = launch_image,
        login = login,
        packages = packages,
        password = password,
        payload = payload,
        payload_overrides = payload_overrides,
        reviewed = reviewed,
        rootfs_of = rootfs_of,
        shared_files = shared_files,
        testonly = testonly,
    )
