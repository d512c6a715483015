"""What HostOS is, and what tells its variants apart: data for `icos_build`."""

load("//ic-os:variant.bzl", "NO_CREDENTIALS", "variant")

_MIB = 1024 * 1024

# Programs that are inputs (docs/payload.md of GuestOS): each is a label flag of this package, and goes to /opt/ic/bin under its
# name.
_PROGRAMS = [
    "node_exporter",
    "vsock_agent",
]

def _variant(**details):
    return variant("hostos", **details)

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
    accounts = "//ic-os:accounts.conf",
    # Where esp, grub and config are mounted below /boot.
    boot_mount_points = ["config", "efi", "grub"],
    # GiB of the disk of a machine that is launched: as small as the image allows.
    disk_gib = 101,
    dockerfile = "//ic-os/hostos:rootfs/Dockerfile",
    dockerfile_differences = "//ic-os/hostos:dockerfile-differences.txt",
    dpkg_verify = "//ic-os/hostos:dpkg-verify.txt",
    empty_partitions = [],
    # Disks of a server, and of a virtual machine that tests it; dm-verity for the root, and first of all the processor's own
    # sha256 for it. Never a USB stick's: what hangs there is no disk of this system.
    initrd_modules = ["sha256-ssse3", "crc32c-intel", "nvme", "ahci", "sd_mod", "virtio_pci", "virtio_blk", "dm-verity", "ext4"],
    initrd_programs = ["usr/sbin/dmsetup", "usr/sbin/lvm"],
    kernel_arguments = {
        slot: "root=/dev/hostlvm/{0}_root dfinity.system={0} {1}".format(slot, _KERNEL_ARGUMENTS)
        for slot in ["A", "B"]
    },
    # A machine is configured by its volume config, not by a medium.
    launch_medium = None,
    # Metrics of the host; ssh is there without being named.
    launch_ports = [9100],
    layout = "//ic-os/hostos:partitions.json",
    # The same once more, with the volumes, written from the contract: what the image is tested against.
    layout_contract = "//ic-os/hostos:layout.txt",
    modes = {
        "opt/ic/bin/*": "0755",
    },
    # One kernel for all variants: its packages, and the index of its modules.
    kernel = "//ic-os/hostos:base_common",
    modules = "//ic-os/hostos:modules",
    # Inputs, and programs that several systems have: label to their path in the root. Programs are executable.
    payload = {"//ic-os/hostos:" + name: "opt/ic/bin/" + name for name in _PROGRAMS} | {
        "//ic-os/hostos:sev_firmware": "opt/ic/share/sev-firmware.fd",
        "//ic-os/scripts:manageboot.sh": "opt/ic/bin/manageboot.sh",
    },
    programs = _PROGRAMS,
    reviewed = ["//ic-os/hostos:reviewed.txt"],
    sizes = {
        "config": str(100 * _MIB),
        "esp": str(100 * _MIB),
        "grub": str(100 * _MIB),
    },
    # UUID version 5 in the namespace of the disk's GUID, of "hostos/<name>".
    uuids = {
        "boot": "b7a15f2f-eaea-5135-92e0-0b05f0d44b0d",
        "config": "4ca616d7-4049-5f91-8b3f-f849c16089ea",
        "root": "d62e6e97-be14-58c6-9eab-330fc5ca231d",
        "verity": "3f72409c-1b3c-5f5c-8206-b21d6c0d9322",
    },
    variants = {
        "dev": _variant(
            build_type = "dev",
            login = "console",
            packages = "dev",
            password = "root",
        ),
        # Its guest runs under SEV-SNP.
        "dev-sev": _variant(
            build_type = "dev-sev",
            login = "console",
            packages = "sev",
            password = "root",
        ),
        "prod": _variant(
            build_type = "prod",
            judged = True,
            kernel_arguments = [NO_CREDENTIALS],
            login = "none",
            packages = "common",
        ),
    },
    # sha256 of the UUID of the volume A_root: a salt of this operating system's own.
    verity_salt = "fdd5defdb6364af72f94aa8dcaedd3c468187beb121ef0424e78d26e39d73dbc",
    # Slots and configuration are volumes of a group, in one partition of the disk.
    volume_group = struct(
        empty = ["A_var", "B_boot", "B_root", "B_var", "guestos"],
        layout = "//ic-os/hostos:volumes.json",
        partition = "hostlvm",
    ),
    volume_ids = {
        "esp": "1c05e581",
        "grub": "1c05e582",
    },
)
