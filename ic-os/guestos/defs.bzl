"""What GuestOS is, and what tells its variants apart: data for `icos_build`."""

load("//ic-os:guest.bzl", "GUEST_KERNEL_ARGUMENTS", "SEV_GUEST_ARGUMENTS")
load("//ic-os:variant.bzl", "NO_CREDENTIALS", "package_set", "variant")

_MIB = 1024 * 1024

GUESTOS = struct(
    name = "guestos",
    # GiB of the disk in the field: behind the image there is room for the store.
    disk_gib = 50,
    empty_partitions = ["A_var", "B_boot", "B_root", "B_var"],
    # virtio for a guest of HostOS; dm-verity for its root, and first of all the processor's own sha256 for it.
    initrd_modules = ["sha256-ssse3", "crc32c-intel", "virtio_pci", "virtio_blk", "dm-verity", "ext4"],
    initrd_programs = ["usr/sbin/dmsetup"],
    kernel_arguments = GUEST_KERNEL_ARGUMENTS,
    # The machine that is launched: as it is without flags.
    launch_arguments = [],
    # What a launched machine is configured by, unless another medium is given.
    launch_medium = "//ic-os/guestos:dev_bootstrap.img",
    # The status of the replica; ssh is there without being named.
    launch_ports = {8080: 8080},
    # Of production, of a developer, and of a developer under SEV-SNP.
    package_sets = {
        "common": package_set("rootfs/packages.common"),
        "dev": package_set("rootfs/packages.dev", base = "common"),
        "sev": package_set("rootfs/packages.sev", base = "dev"),
    },
    # Inputs besides programs: label to path in the root.
    payload = {},
    # Inputs that are trees of files.
    payload_trees = [],
    # Programs that are inputs (docs/payload.md): each is a label flag of this package, and goes to /opt/ic/bin under its name.
    programs = [
        "crypto_csp",
        "ic_btc_adapter",
        "ic_https_outcalls_adapter",
        "node_exporter",
        "orchestrator",
        "replica",
    ],
    # Groups of files in //ic-os/rootfs that not all systems have.
    shared_files = ["guests", "installed", "upgrades"],
    sizes = {
        "config": str(100 * _MIB),
        "esp": str(100 * _MIB),
        "grub": str(100 * _MIB),
    },
    # Two slots: A, which the image fills, and B.
    slots = True,
    # Slots are upgraded, one while the other runs (docs/upgrade.md).
    upgrades = True,
    # UUID version 5 in the namespace of the disk's GUID, of "guestos/<name>".
    uuids = {
        "boot": "1b965011-716a-545c-89b1-513ed5e87f43",
        "config": "ea94c3bf-28f5-5e83-ab7d-7c708ae65a03",
        "root": "f72dd124-5765-56fb-b042-904e189d1460",
        "verity": "e2e0111b-5061-51df-b121-c6bd95c62929",
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
        # dev with another replica.
        "dev-malicious": variant(
            build_type = "dev",
            login = "console",
            packages = "dev",
            password = "root",
            payload_overrides = {"//ic-os/guestos:replica": "//ic-os/guestos:malicious_replica"},
            rootfs_of = "dev",
            testonly = True,
        ),
        "dev-sev": variant(
            build_type = "dev",
            login = "console",
            kernel_arguments = SEV_GUEST_ARGUMENTS,
            packages = "sev",
            password = "root",
            shared_files = ["sev_guests"],
        ),
        "prod": variant(
            build_type = "prod",
            judged = True,
            kernel_arguments = [NO_CREDENTIALS],
            login = "none",
            packages = "common",
        ),
    },
    # sha256 of the GUID of the A_root partition, in lower case: a salt of this operating system's own.
    verity_salt = "ac1055ae0d73cf72ed9a002ba5d6d209ce82e31c52e8936ad73381f84bcf6e32",
    # Files that come from elsewhere, whose content the manifest leaves out (image_test).
    volatile = [],
    # Slots are partitions of the disk.
    volume_group = None,
    volume_ids = {
        "esp": "1c05e591",
        "grub": "1c05e592",
    },
)
