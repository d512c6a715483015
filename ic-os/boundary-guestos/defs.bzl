"""What Boundary-guestOS is, and what tells its variants apart: data for `icos_build`."""

load("//ic-os:guest.bzl", "GUEST_KERNEL_ARGUMENTS", "SEV_GUEST_ARGUMENTS")
load("//ic-os:variant.bzl", "NO_CREDENTIALS", "package_set", "variant")

_MIB = 1024 * 1024

def _worker(origin):
    """What nginx serves: the page and the service worker, by who built it."""
    return {
        "//typescript/service-worker:{}/{}".format(origin, file): "opt/ic/share/www/" + file
        for file in ["index.html", "install-worker.js", "service-worker.json", "sw.js"]
    }

# Built from this repository, and of packages that npm published.
_SOURCE = _worker("source")
_NPM = _worker("npm")

BOUNDARY_GUESTOS = struct(
    name = "boundary-guestos",
    # GiB of the disk in the field.
    disk_gib = 50,
    empty_partitions = ["A_var", "B_boot", "B_root", "B_var"],
    # virtio for a guest; dm-verity for its root, and first of all the processor's own sha256 for it.
    initrd_modules = ["sha256-ssse3", "crc32c-intel", "virtio_pci", "virtio_blk", "dm-verity", "ext4"],
    initrd_programs = ["usr/sbin/dmsetup"],
    kernel_arguments = GUEST_KERNEL_ARGUMENTS,
    # The machine that is launched: as it is without flags.
    launch_arguments = [],
    # What a launched machine is configured by, unless another medium is given.
    launch_medium = "//ic-os/boundary-guestos:dev_bootstrap.img",
    # The gateway; ssh is there without being named.
    launch_ports = {8443: 443},
    # A developer's tools and those of a guest under SEV-SNP, each for itself and together.
    package_sets = {
        "common": package_set("rootfs/packages.common"),
        "dev": package_set("rootfs/packages.dev", base = "common"),
        "sev": package_set("rootfs/packages.sev", base = "common"),
        "dev-sev": package_set("rootfs/packages.sev", base = "dev"),
    },
    # Inputs besides programs: label to path in the root. Each variant has its service worker.
    payload = {},
    # Inputs that are trees of files.
    payload_trees = [],
    # Programs that are inputs (docs/payload.md of GuestOS): each is a label flag of this package, and goes to /opt/ic/bin under its
    # name.
    programs = ["node_exporter"],
    # Groups of files in //ic-os/rootfs that not all systems have.
    shared_files = ["closed_firewall", "guests", "installed"],
    sizes = {
        "config": str(200 * _MIB),
        "esp": str(100 * _MIB),
        "grub": str(100 * _MIB),
    },
    # Two slots: A, which the image fills, and B.
    slots = True,
    # The disk has two slots, as GuestOS's; nothing upgrades them.
    upgrades = False,
    # UUID version 5 in the namespace of the disk's GUID, of "boundary-guestos/<name>".
    uuids = {
        "boot": "7f2712bb-49ee-5a5b-9f22-fe24bddc3453",
        "config": "3a4fe1cd-0b1f-5b9d-8e2f-65cf9fe749e0",
        "root": "4a972395-1244-54ab-9210-d8e9f21b33b0",
        "verity": "3b98365d-0b4a-5d8c-bac8-214642f7aa2a",
    },
    # Partitions of a variant alone: none, the image has one configuration for all, which is empty.
    variant_partitions = {},
    variants = {
        "dev": variant(
            build_type = "dev",
            login = "console",
            packages = "dev",
            password = "root",
            payload = _SOURCE,
        ),
        "dev-sev": variant(
            build_type = "dev",
            login = "console",
            kernel_arguments = SEV_GUEST_ARGUMENTS,
            packages = "dev-sev",
            password = "root",
            payload = _SOURCE,
            shared_files = ["sev_guests"],
        ),
        "prod": variant(
            build_type = "prod",
            judged = True,
            kernel_arguments = [NO_CREDENTIALS],
            login = "none",
            packages = "common",
            payload = _NPM,
        ),
        "prod-sev": variant(
            build_type = "prod",
            kernel_arguments = SEV_GUEST_ARGUMENTS,
            login = "none",
            packages = "sev",
            payload = _NPM,
            shared_files = ["sev_guests"],
        ),
    },
    # sha256 of "boundary-guestos/" and the GUID of the A_root partition, in lower case, which is GuestOS's too: a salt of this
    # operating system's own.
    verity_salt = "ab099df6aebff074ce767f551b8546daaf7d0d31a3c6327643014aea6091369c",
    # Files that come from elsewhere, whose content the manifest leaves out (image_test).
    volatile = [],
    # Slots are partitions of the disk.
    volume_group = None,
    volume_ids = {
        "esp": "1c05e5b1",
        "grub": "1c05e5b2",
    },
)
