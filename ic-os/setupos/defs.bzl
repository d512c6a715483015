"""What SetupOS is, and what tells its variants apart: data for `icos_build`, and the partitions that a variant has of its own."""

load("@bazel_skylib//rules:expand_template.bzl", "expand_template")
load("//ic-os:variant.bzl", "NO_CREDENTIALS", "package_set", "variant")
load("//ic-os/setupos/configure:defs.bzl", "configured_image")
load("//toolchains/sysimage:defs.bzl", "ext4_image", "fat_image", "file_tree")

_MIB = 1024 * 1024

# The root is named by its partition's GUID, since nobody knows what name the stick gets. The stick may be slow to appear behind hubs
# and a management controller's virtual USB. A screen and the serial line show the same; the last one is /dev/console. When the kernel
# fails it stands still, for somebody to read why: a restart would only come here again.
_KERNEL_ARGUMENTS = " ".join([
    "root=PARTUUID=7c0a626e-e5ea-e543-b5c5-300eb8304db7",
    "rootwait=120",
    "dfinity.system=A",
    "dfinity.boot_state=$boot_state",
    "console=tty0",
    "console=ttyS0,115200",
    "oops=panic",
])

# Files of HostOS that check a configuration: what passes here passes there.
_CHECKS = {
    "//ic-os/hostos:rootfs/opt/ic/" + path: "opt/ic/" + path
    for path in [
        "bin/deterministic-address.sh",
        "bin/host-config.sh",
        "bin/list-ports.sh",
        "share/deployment.jq",
        "share/host-config.awk",
        "share/ssh-keys.awk",
    ]
}

# That the checks of a machine may be skipped (/config/skip-checks).
_LENIENT = {"//ic-os/setupos:checks-may-be-skipped": "opt/ic/share/checks-may-be-skipped"}

SETUPOS = struct(
    name = "setupos",
    # GiB of the stick of a machine that is launched: as small as the image allows.
    disk_gib = 4,
    empty_partitions = [],
    # A stick, on a USB controller or a management controller's virtual one, which may show itself as a CD; disks of a server, and of a
    # virtual machine; dm-verity for the root, and first of all the processor's own sha256 for it.
    initrd_modules = [
        "sha256-ssse3",
        "crc32c-intel",
        "xhci_pci",
        "ehci_pci",
        "usb-storage",
        "uas",
        "sd_mod",
        "sr_mod",
        "nvme",
        "ahci",
        "virtio_pci",
        "virtio_blk",
        "virtio_scsi",
        "dm-verity",
        "ext4",
    ],
    initrd_programs = ["usr/sbin/dmsetup"],
    kernel_arguments = {"A": _KERNEL_ARGUMENTS},
    # The machine that is launched: a server without a system, as far as an emulator is one.
    launch_arguments = ["--usb", "--empty_nvme_gib=128", "--memory=6144"],
    launch_medium = None,
    launch_ports = {},
    # Of production, and of a developer.
    package_sets = {
        "common": package_set("rootfs/packages.common"),
        "dev": package_set("rootfs/packages.dev", base = "common"),
    },
    # Inputs besides programs: label to path in the root.
    payload = _CHECKS,
    # The installer, and the files of HostOS that it runs with.
    payload_trees = ["//ic-os/setupos/installer:tree"],
    # No programs that are inputs: nothing of a node runs here.
    programs = [],
    # Groups of files in //ic-os/rootfs that not all systems have.
    shared_files = ["closed_firewall"],
    sizes = {
        "esp": str(100 * _MIB),
        "grub": str(100 * _MIB),
    },
    # One boot and one root partition, which nothing upgrades.
    slots = False,
    upgrades = False,
    # UUID version 5 in the namespace of the disk's GUID, of "setupos/<name>".
    uuids = {
        "boot": "59dc9ddf-c025-53b3-b07c-e8f85f0ae619",
        "data": "ad3172c3-1f83-5d5e-811f-9b278478f567",
        "root": "8434e392-d014-5178-a8de-16d5d04f034b",
        "verity": "61c5b1c7-9f5c-534b-a40a-e7a424a1d0b3",
    },
    # Partitions that each variant has of its own (`setupos_partitions`): target in its package to name.
    variant_partitions = {
        ":config": "config",
        ":data": "data",
    },
    variants = {
        "dev": variant(
            build_type = "dev",
            launch_image = "launch-img.tar.zst",
            login = "console",
            packages = "dev",
            password = "root",
            payload = _LENIENT,
            reviewed = ["//ic-os/setupos:reviewed-dev.txt"],
        ),
        # Installs the systems of SEV-SNP; is no guest itself, and so nothing else than dev.
        "dev-sev": variant(
            build_type = "dev",
            launch_image = "launch-img.tar.zst",
            login = "console",
            packages = "dev",
            password = "root",
            payload = _LENIENT,
            reviewed = ["//ic-os/setupos:reviewed-dev.txt"],
            rootfs_of = "dev",
        ),
        "prod": variant(
            build_type = "prod",
            judged = True,
            kernel_arguments = [NO_CREDENTIALS],
            login = "none",
            packages = "common",
        ),
    },
    # sha256 of "setupos/" and the GUID of the root partition, in lower case, which is GuestOS's too: a salt of this operating system's
    # own.
    verity_salt = "c7460fc481168b1fd0477066652f2fc5e7884d8dde4c8366a8f2cfbfbe87d793",
    # Files that come from elsewhere, whose content the manifest leaves out (image_test).
    volatile = [
        "data:{}-os.img.tar.zst{}".format(child, suffix)
        for child in ["guest", "host"]
        for suffix in ["", ".sha256"]
    ],
    # Everything is a partition of the disk.
    volume_group = None,
    volume_ids = {
        "config": "1c05e503",
        "esp": "1c05e501",
        "grub": "1c05e502",
    },
)

def setupos_partitions(name, variant):
    """Declares the partitions that a variant has of its own.

    | target | what it is |
    |---|---|
    | `:config` | FAT32 "CONFIG", which whoever installs a machine fills in (ImageInfo) |
    | `launch-img.tar.zst` | what `:launch` starts, but in production: the image, and all checks that a virtual machine fails skipped |
    | `:data` | the images of HostOS and GuestOS of the same variant, and what they are configured with (ImageInfo) |

    Args:
        name: "partitions".
        variant: the variant, the name of its package.
    """
    if name != "partitions" or variant not in SETUPOS.variants:
        fail("setupos_partitions: name must be \"partitions\", and variant one of {}; got \"{}\" and \"{}\"".format(
            ", ".join(SETUPOS.variants),
            name,
            variant,
        ))
    inputs = "//ic-os/setupos/inputs:{}/{{}}".format(SETUPOS.variants[variant].build_type)
    config = {
        inputs.format("admin"): "ssh_authorized_keys/admin",
        inputs.format("config.ini"): "config.ini",
    }
    if variant != "prod":
        config[inputs.format("worthless_node_operator_private_key.pem")] = "node_operator_private_key.pem"
    file_tree(
        name = "config_files",
        files = config,
    )
    fat_image(
        name = "config",
        src = ":config_files",
        fat_bits = 32,
        fs_label = "CONFIG",
        fs_size = str(50 * _MIB),
        volume_id = SETUPOS.volume_ids["config"],
    )

    # As they come out of their builds: here they are only named, and the archive of the disk takes them as they are.
    images = {}
    for child in ["guest", "host"]:
        archive = "//ic-os/{}os/envs/{}:disk-img.tar.zst".format(child, variant)
        carried = child + "-os.img.tar.zst"

        # The checksum is the child's own; the name beside it is the one that its image has here.
        expand_template(
            name = child + "_checksum",
            out = carried + ".sha256",
            substitutions = {"disk-img.tar.zst": carried},
            template = archive + ".sha256",
        )
        images |= {
            archive: carried,
            ":" + child + "_checksum": carried + ".sha256",
        }
    file_tree(
        name = "data_files",
        files = images | {
            inputs.format(file): file
            for file in ["deployment.json", "nns_public_key.pem"]
        },
    )
    ext4_image(
        name = "data",
        src = ":data_files",
        fs_label = "data",
        uuid = SETUPOS.uuids["data"],
    )

    if variant != "prod":
        configured_image(
            name = "launch-img",
            out = "launch-img.tar.zst",
            image = "disk-img.tar.zst",
            skip_checks = [
                "cpu",
                "disks",
                "memory",
                "network",
            ],
            # On request: nobody wants it beside the image.
            tags = ["manual"],
        )
