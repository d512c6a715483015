"""One operating system image, from its description.

What the systems have in common stands here, what tells them apart is data: a description per operating system
(`//ic-os/<os>:defs.bzl`) and one per variant in it. There is no mechanism here; the rules do the work.
"""

load("//toolchains/debian:defs.bzl", "deb_set", "debian_lock", "lock_set")
load("//toolchains/reproducibility:defs.bzl", "reproducibility_test")
load(
    "//toolchains/sysimage:boot.bzl",
    "boot_args",
    "boot_files",
    "initrd_image",
    "module_index",
)
load(
    "//toolchains/sysimage:defs.bzl",
    "disk_image",
    "dockerfile_test",
    "ext4_image",
    "fat_image",
    "file_tree",
    "image_archive",
    "image_inspect",
    "image_test",
    "install_test",
    "lvm_image",
    "oci_image",
    "rootfs_layer",
    "verity_image",
    "version_file",
)
load("//toolchains/vm:defs.bzl", "vm_launch")

# Of the version of an image that upgrades are tested with.
_TEST = "-test"

_ACCOUNTS = "//ic-os:accounts.conf"

def _packages(os):
    """The packages of an operating system: their lock, the layers made of them, and the kernel among them.

    Args:
        os: the operating system.
    """
    debian_lock(
        name = "lock",
        hub = "@{}_packages".format(os.name.replace("-", "_")),
        lock = "packages.lock.json",
        scripts = "//toolchains/debian/scripts:table",
        sets = [lock_set(
            "essential",
            minimal = True,
        )] + [
            lock_set(
                name,
                base = packages.base or "essential",
                lists = [packages.list],
            )
            for name, packages in os.package_sets.items()
        ],
        visibility = ["//visibility:public"],
    )

    # Each lies on that of the set's base, so that a set costs what it adds.
    for name, packages in os.package_sets.items():
        rootfs_layer(
            name = "base_" + name,
            accounts = _ACCOUNTS,
            base = ":base_" + packages.base if packages.base else None,
            build_args = {"PACKAGE_FILES": packages.list.removeprefix("rootfs/")},
            context = [packages.list],
            context_roots = ["ic-os/{}/rootfs".format(os.name)],
            dockerfile = "rootfs/Dockerfile.base",
            packages = ":lock_" + name,
            visibility = ["//visibility:public"],
        )

    # Against a real install of the same packages: all that any variant has, so what production has among them.
    largest = os.package_sets.keys()[-1]
    install_test(
        name = "install_test",
        accounts = _ACCOUNTS,
        base = ":base_" + largest,
        packages = ":lock_" + largest,
        reviewed = "install-differences.txt",
    )

    # Apart from the rest, so that the index of its modules need not wait for the base layer.
    deb_set(
        name = "kernel",
        only = ["linux-image-*"],
        packages = [":lock_common"],
    )
    module_index(
        name = "modules",
        packages = ":kernel",
        visibility = ["//visibility:public"],
    )

def _inputs(os):
    """What BUILD files and users hand to the variants of an operating system: files of its roots, and programs.

    Args:
        os: the operating system.
    """
    native.exports_files([
        "dockerfile-differences.txt",
        "dpkg-verify.txt",
        "layout.txt",
        "partitions.json",
        "reviewed.txt",
        "rootfs/Dockerfile",
        "rootfs/Dockerfile.base",
    ])

    # What COPY may take beside what all systems have (//ic-os/rootfs): what all variants have, and each one's own.
    native.filegroup(
        name = "rootfs",
        srcs = native.glob([
            "rootfs/etc/**",
            "rootfs/opt/**",
        ]),
        visibility = ["//visibility:public"],
    )
    for build_type in {details.build_type: None for details in os.variants.values()}:
        native.filegroup(
            name = "rootfs_" + build_type,
            srcs = native.glob(
                ["rootfs/variants/{}/**".format(build_type)],
                allow_empty = True,
            ),
            visibility = ["//visibility:public"],
        )

    # `--//ic-os/<os>:<program>=//some:file` gives one. Each is one file; until it is given, a stand-in takes its place.
    for program in os.programs:
        native.label_flag(
            name = program,
            build_setting_default = "//ic-os/guestos/payload:stand-in.sh",
            visibility = ["//visibility:public"],
        )

def icos_shared(name, os):
    """Declares what all variants of an operating system have in common, in the package //ic-os/<os>.

    | target | what it is |
    |---|---|
    | `:lock` | `bazel run`: refreshes packages.lock.json; `:lock_<set>` are the locked packages (DebSetInfo) |
    | `:base_<set>` | base layer: the packages of a set (RootfsInfo) |
    | `:install_test` | the largest of them against a real install |
    | `:rootfs`, `:rootfs_<build type>` | the files that the configuration layer copies |
    | `:<program>` | label flag: a program that is an input |
    | `:initrd` | the initrd, of the one kernel |
    | `:esp`, `:grub` | the partitions of the boot loader (ImageInfo) |
    | `:config` | where a system keeps its configuration, empty: the partition, or the volume where slots are volumes (ImageInfo) |

    Args:
        name: the name of the operating system, and of its package.
        os: the operating system, a struct as `GUESTOS` in //ic-os/guestos:defs.bzl.
    """
    if name != os.name:
        fail("icos_shared: name must be that of the operating system, \"{}\"; got \"{}\"".format(os.name, name))
    _packages(os)
    _inputs(os)
    initrd_image(
        name = "initrd",
        out = "initrd.img",
        kernel = [
            ":base_common",
            ":modules",
        ],
        modules = os.initrd_modules,
        paths = os.initrd_programs,
        visibility = ["//visibility:public"],
    )
    file_tree(
        name = "esp_files",
        files = {"//ic-os/bootloader:efi": "EFI/BOOT/BOOTX64.EFI"},
    )
    fat_image(
        name = "esp",
        src = ":esp_files",
        fs_label = "ESP",
        fs_size = os.sizes["esp"],
        visibility = ["//visibility:public"],
        volume_id = os.volume_ids["esp"],
    )
    file_tree(
        name = "grub_files",
        files = {
            "//ic-os/bootloader:grub.cfg": "grub.cfg",
            "//ic-os/bootloader:grubenv": "grubenv",
            "//ic-os/bootloader:slots/{}.cfg".format(os.name): "slots.cfg",
        },
    )
    fat_image(
        name = "grub",
        src = ":grub_files",
        fs_label = "GRUB",
        fs_size = os.sizes["grub"],
        visibility = ["//visibility:public"],
        volume_id = os.volume_ids["grub"],
    )
    if "config" in os.sizes:
        ext4_image(
            name = "config",
            fs_label = "config",
            journal = True,
            fs_size = os.sizes["config"],
            uuid = os.uuids["config"],
            visibility = ["//visibility:public"],
        )

def _slot(os, details, suffix = ""):
    """What a slot, or a system without slots, holds: the version that is in it, its root and its boot partition.

    Args:
        os: the operating system.
        details: the variant.
        suffix: of the version, and so of all names.
    """
    shared = "//ic-os/{}:{{}}".format(os.name)
    payload = {shared.format(program): "opt/ic/bin/" + program for program in os.programs}
    if os.upgrades:
        payload["//ic-os/scripts:manageboot.sh"] = "opt/ic/bin/manageboot.sh"
    payload = payload | os.payload | details.payload
    payload = {details.payload_overrides.get(label, label): path for label, path in payload.items()}
    version = ":version" + suffix
    version_file(
        name = "version" + suffix,
        testonly = details.testonly,
        out = "version{}.txt".format(suffix),
        suffix = suffix,
        visibility = ["//visibility:public"],
    )

    # The layers, and last what changes most often.
    file_tree(
        name = "root_files" + suffix,
        testonly = details.testonly,
        base = ":rootfs",
        files = {version: "opt/ic/share/version.txt"} | payload,
        modes = {path: "0755" for path in payload.values() if "/bin/" in path},
        overlays = [shared.format("modules")] + os.payload_trees,
        visibility = ["//visibility:public"],
    )
    ext4_image(
        name = "root_ext4" + suffix,
        testonly = details.testonly,
        src = ":root_files" + suffix,
        fs_label = "root",
        uuid = os.uuids["root"],
    )
    verity_image(
        name = "root" + suffix,
        testonly = details.testonly,
        src = ":root_ext4" + suffix,
        salt = os.verity_salt,
        uuid = os.uuids["verity"],
        visibility = ["//visibility:public"],
    )

    # The boot partition: what a slot needs before its root is there.
    boot_args(
        name = "boot_args" + suffix,
        testonly = details.testonly,
        out = "boot_args" + suffix,
        slots = {
            slot: " ".join([line] + details.kernel_arguments)
            for slot, line in os.kernel_arguments.items()
        },
        verity = ":root" + suffix,
    )
    file_tree(
        name = "boot_files" + suffix,
        testonly = details.testonly,
        # Where partitions are mounted in a system whose boot partition lies on /boot.
        directories = ["config", "efi", "grub"] if os.slots else [],
        files = {
            ":boot_args" + suffix: "boot_args",
            shared.format("initrd"): "initrd.img",
            version: "version.txt",
        },
        picks = {shared.format("base_common"): "vmlinuz:boot/vmlinuz-*"},
    )
    ext4_image(
        name = "boot" + suffix,
        testonly = details.testonly,
        src = ":boot_files" + suffix,
        fs_label = "boot",
        uuid = os.uuids["boot"],
        visibility = ["//visibility:public"],
    )

def icos_build(name, os):
    """Declares a variant of an operating system in the package that calls it.

    | target | what it is |
    |---|---|
    | `disk-img.tar.zst` (+ `.sha256`) | the disk image |
    | `update-img.tar.zst` (+ `.sha256`) | where the system has upgrades: what one writes into the other slot: boot.img, root.img, VERSION.TXT |
    | `update-img-test.tar.zst` (+ `.sha256`) | likewise: the same system under another version, `<version>-test`, for tests of upgrades |
    | `version.txt` | the version |
    | `:container` | the root filesystem as a container image, `container-img.tar`, which engines load as `<os>:<name>` |
    | `:rootfs` | configuration layer on the base layer (RootfsInfo) |
    | `:root` | root filesystem with its hash tree (ImageInfo, VerityInfo) |
    | `:boot` | boot partition: kernel, initrd, command lines, version (ImageInfo) |
    | `:direct_boot` | vmlinuz, initrd.img and cmdline of slot A, for a launch without boot loader |
    | `:root-test`, `:boot-test` | likewise, of `update-img-test.tar.zst` |
    | `:disk` | the disk as a map (ImageInfo) |
    | `:volumes` | where slots are volumes: the partition that they lie in (ImageInfo) |
    | `:inspect` | `bazel run`: draws what is on the disk image; `-- verify` checks it |
    | `:dockerfile_test` | the configuration layer against what a container engine builds of the same Dockerfile, where the variant is `judged` |
    | `:image_test` | all that the image promises (docs/properties.md); `:image_test_update` writes `properties.txt`, `manifest.mtree` and `sizes.txt` |
    | `:size_report` | `bazel run`: draws how the image uses `budget.json`, and by which packages |
    | `:launch` | `bazel run`: boots the disk image in QEMU, console in the terminal |
    | `:reproducibility_test` | the disk image built twice from nothing, in environments that have nothing in common, where the variant is `judged` |

    Args:
        name: the variant, one of `os.variants`.
        os: the operating system, a struct as `GUESTOS` in //ic-os/guestos:defs.bzl.
    """
    if name not in os.variants:
        fail("icos_build: {} has no variant \"{}\"; there are {}".format(os.name, name, ", ".join(os.variants)))
    details = os.variants[name]
    shared = "//ic-os/{}:{{}}".format(os.name)

    # The root filesystem: base layer (packages), and configuration layer.
    if details.rootfs_of:
        native.alias(
            name = "rootfs",
            testonly = details.testonly,
            actual = "//ic-os/{}/envs/{}:rootfs".format(os.name, details.rootfs_of),
            visibility = ["//visibility:public"],
        )
    else:
        rootfs_layer(
            name = "rootfs",
            testonly = details.testonly,
            accounts = _ACCOUNTS,
            base = shared.format("base_" + details.packages),
            build_args = {"BUILD_TYPE": details.build_type},
            context = [
                root + suffix
                for root in ["//ic-os/rootfs:rootfs", shared.format("rootfs")]
                for suffix in ["", "_" + details.build_type]
            ] + [
                "//ic-os/rootfs:" + group
                for group in os.shared_files + details.shared_files
            ],
            context_roots = [
                "ic-os/rootfs",
                "ic-os/{}/rootfs".format(os.name),
            ],
            dockerfile = shared.format("rootfs/Dockerfile"),
            modes = {"opt/ic/bin/*": "0755"},
            visibility = ["//visibility:public"],
        )
    _slot(os, details)
    if os.upgrades:
        _slot(os, details, suffix = _TEST)

    # Slots and configuration are partitions, or volumes in one partition. A system without slots has partitions of its own.
    a_boot, a_root = ["A_boot", "A_root"] if os.slots else ["boot", "root"]
    slot = {
        ":boot": a_boot,
        ":root": a_root,
    } | (os.variant_partitions or {shared.format("config"): "config"})
    group = os.volume_group
    if group:
        lvm_image(
            name = "volumes",
            testonly = details.testonly,
            empty = group.empty,
            layout = shared.format("volumes.json"),
            visibility = ["//visibility:public"],
            volumes = slot,
        )
        a_boot, a_root = [group.partition + "/" + name for name in [a_boot, a_root]]
    disk_image(
        name = "disk",
        testonly = details.testonly,
        empty = os.empty_partitions,
        layout = shared.format("partitions.json"),
        partitions = {
            shared.format("esp"): "esp",
            shared.format("grub"): "grub",
        } | ({":volumes": group.partition} if group else slot),
        visibility = ["//visibility:public"],
    )
    image_archive(
        name = "disk-img",
        testonly = details.testonly,
        checksum = "disk-img.tar.zst.sha256",
        out = "disk-img.tar.zst",
        members = {":disk": "disk.img"},
        visibility = ["//visibility:public"],
    )

    updates = {"update-img": "", "update-img-test": _TEST} if os.upgrades else {}
    for update, suffix in updates.items():
        image_archive(
            name = update,
            testonly = details.testonly,
            checksum = update + ".tar.zst.sha256",
            out = update + ".tar.zst",
            # An upgrade streams them into the partitions of a slot.
            dense = [
                "boot.img",
                "root.img",
            ],
            members = {
                ":boot" + suffix: "boot.img",
                ":root" + suffix: "root.img",
                ":version" + suffix: "VERSION.TXT",
            },
            visibility = ["//visibility:public"],
        )

    # For a launch without boot loader, which a measured one is: slot A, in the state of every day.
    boot_files(
        name = "direct_boot",
        testonly = details.testonly,
        image = ":disk",
        partition = a_boot,
        slot = "A",
        variables = {"boot_state": "stable"},
        visibility = ["//visibility:public"],
    )
    oci_image(
        name = "container",
        testonly = details.testonly,
        out = "container-img.tar",
        src = ":root_files",
        image_name = "{}:{}".format(os.name, name),
        visibility = ["//visibility:public"],
    )

    # To look at what came out.
    media = [os.launch_medium] if os.launch_medium else []
    image_inspect(
        name = "inspect",
        testonly = details.testonly,
        image = "disk-img.tar.zst",
        largest_packages = 10,
        show = [
            a_boot + ":boot_args",
            a_boot + ":version.txt",
        ],
    )
    vm_launch(
        name = "launch",
        testonly = details.testonly,
        args = [
            "--disk_gib={}".format(os.disk_gib),
        ] + os.launch_arguments + [
            "--default_medium=$(rootpath {})".format(medium)
            for medium in media
        ] + [
            "--forward={}:{}".format(here, there)
            for here, there in os.launch_ports.items()
        ],
        data = media,
        image = details.launch_image,
    )
    image_test(
        name = "image_test",
        artifacts = ["update-img.tar.zst"] if os.upgrades else [],
        budget = "budget.json",
        checksum = "disk-img.tar.zst.sha256",
        dpkg_verify = shared.format("dpkg-verify.txt"),
        golden = "properties.txt",
        image = "disk-img.tar.zst",
        # The same once more, written from the contract.
        layout = shared.format("layout.txt"),
        login = details.login,
        manifest = "manifest.mtree",
        password = details.password,
        reviewed = [shared.format("reviewed.txt")] + details.reviewed,
        sizes = "sizes.txt",
        # What a stamp or the root hash changes.
        volatile = [
            a_boot + ":boot_args",
            a_boot + ":version.txt",
            a_root + ":opt/ic/share/version.txt",
        ] + os.volatile,
    )
    native.alias(
        name = "size_report",
        testonly = True,
        actual = ":image_test_size_report",
    )
    if details.judged:
        dockerfile_test(
            name = "dockerfile_test",
            layers = [":rootfs"],
            reviewed = shared.format("dockerfile-differences.txt"),
        )
        reproducibility_test(
            name = "reproducibility_test",
            # Whatever an image of one system carries of others is judged there; here all of it would be built twice again.
            tags = ["manual"] if os.variant_partitions else [],
            target = ":disk-img",
        )
