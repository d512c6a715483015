"""Kernel command lines of the systems that are virtual machines with slots in partitions: GuestOS and Boundary-guestOS."""

load("//ic-os:variant.bzl", "NO_CREDENTIALS")

# Of both slots. $boot_state is GRUB's; whatever goes wrong in the kernel ends in a restart, so that GRUB can fall back. The identity
# of the machine lies in the config partition.
_BOTH = " ".join([
    "dfinity.boot_state=$boot_state",
    "machine_id=PARTUUID=a5ba3816-beaa-d74d-993e-cfa5aa6ba1f6:machine-id",
    "console=ttyS0",
    "panic=10",
    "oops=panic",
])

# A line for each slot, by the GUID of its root partition.
GUEST_KERNEL_ARGUMENTS = {
    "A": "root=PARTUUID=7c0a626e-e5ea-e543-b5c5-300eb8304db7 dfinity.system=A " + _BOTH,
    "B": "root=PARTUUID=a78bc3a8-376c-054a-96e7-3904b915d0c5 dfinity.system=B " + _BOTH,
}

# Under SEV-SNP a guest trusts its processor and not its host: the time comes from the processor's counter instead of the host's clock
# page (no-kvmclock), credentials of the host are not taken, and the kernel says what of SEV it found.
SEV_GUEST_ARGUMENTS = ["no-kvmclock", "sev=debug", NO_CREDENTIALS]
