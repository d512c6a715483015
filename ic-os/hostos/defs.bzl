"""What HostOS is, and what tells its variants apart: data for `icos_build`."""

load("//ic-os:variant.bzl", "NO_CREDENTIALS", "package_set", "variant")

_MIB = 1024 * 1024

# Of both slots. $boot_state is GRUB's; whatever goes wrong in the kernel ends in a restart, so that GRUB can fall back. The identity
# of the machine lies in the volume config. A screen and the serial line show the same; the last one is /dev/console.
_KERNEL_ARGUMENTS = " ".join([
    "dfinity.boot_state=$boot_state",
    "machine_id=/dev/hostlvm/config:machine-id",
    "console=tty0",
    "console=ttyS0,115200",
    "panic=10",
    "oops=panic",
])

HOSTOS = struct(
    name = "hostos",
    # GiB of the disk of a machine that is launched: as small as the image allows.
    disk_gib = 101,
    empty_partitions = [],
    # Disks of a server, and of a virtual machine that tests it; dm-verity for the root, and first of all the processor's own
    # sha256 for it. Never a USB stick's: what hangs there is no disk of this system.
    initrd_modules = ["sha256-ssse3", "crc32c-intel", "nvme", "ahci", "sd_mod", "virtio_pci", "virtio_blk", "dm-verity", "ext4"],
    initrd_programs = ["usr/sbin/dmsetup", "usr/sbin/lvm"],
    kernel_arguments = {
        slot: "root=/dev/hostlvm/{0}_root dfinity.system={0} {1}".format(slot, _KERNEL_ARGUMENTS)
        for slot in ["A", "B"]
    },
    # The machine that is launched: as it is without flags.
    launch_arguments = [],
    # A machine is configured by its volume config, not by a medium.
    launch_medium = None,
    # Metrics of the host; ssh is there without being named.
    launch_ports = {9100: 9100},
    # Of production, of a developer, and of a developer under SEV-SNP.
    package_sets = {
        "common": package_set("rootfs/packages.common"),
        "dev": package_set("rootfs/packages.dev", base = "common"),
        "sev": package_set("rootfs/packages.sev", base = "dev"),
    },
    # Inputs besides programs: label to path in the root.
    payload = {"//ic-os/hostos:sev_firmware": "opt/ic/share/sev-firmware.fd"},
    # Inputs that are trees of files.
    payload_trees = [],
    # Programs that are inputs (docs/payload.md of GuestOS): each is a label flag of this package, and goes to /opt/ic/bin under its
    # name.
    programs = [
        "node_exporter",
        "vsock_agent",
    ],
    # Groups of files in //ic-os/rootfs that not all systems have.
    shared_files = ["closed_firewall", "installed", "upgrades"],
    sizes = {
        "config": str(100 * _MIB),
        "esp": str(100 * _MIB),
        "grub": str(100 * _MIB),
    },
    # Two slots: A, which the image fills, and B.
    slots = True,
    # Slots are upgraded, one while the other runs (docs/upgrade.md).
    upgrades = True,
    # UUID version 5 in the namespace of the disk's GUID, of "hostos/<name>".
    uuids = {
        "boot": "b7a15f2f-eaea-5135-92e0-0b05f0d44b0d",
        "config": "4ca616d7-4049-5f91-8b3f-f849c16089ea",
        "root": "d62e6e97-be14-58c6-9eab-330fc5ca231d",
        "verity": "3f72409c-1b3c-5f5c-8206-b21d6c0d9322",
    },
    # Partitions of a variant alone: none, the image has one configuration for all, which is empty.
    variant_partitions = {},
    variants = {
        "dev": variant(
            build_type = "dev",
            login = "console",
            packages = "dev",
            password = "root",
        ),
        # Its guest runs under SEV-SNP.
        "dev-sev": variant(
            build_type = "dev-sev",
            login = "console",
            packages = "sev",
            password = "root",
        ),
        "prod": variant(
            build_type = "prod",
            judged = True,
            kernel_arguments = [NO_CREDENTIALS],
            login = "none",
            packages = "common",
        ),
    },
    # sha256 of the UUID of the volume A_root: a salt of this operating system's own.
    verity_salt = "fdd5defdb6364af72f94aa8dcaedd3c468187beb121ef0424e78d26e39d73dbc",
    # Files that come from elsewhere, whose content the manifest leaves out (image_test).
    volatile = [],
    # Slots and configuration are volumes of a group, in one partition of the disk.
    volume_group = struct(
        empty = ["A_var", "B_boot", "B_root", "B_var", "guestos"],
        partition = "hostlvm",
    ),
    volume_ids = {
        "esp": "1c05e581",
        "grub": "1c05e582",
    },
)
