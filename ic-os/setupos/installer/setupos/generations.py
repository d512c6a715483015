"""What the hardware of a node has to be, generation by generation."""

from dataclasses import dataclass
from typing import Final

MEMORY: Final = 547_608_330_240  # bytes; a node has more: 510 GiB, and 512 are sold


@dataclass(frozen=True, slots=True)
class Generation:
    """What machines of a generation have in common.

    processor: a regular expression for the beginning of the model name. flag: that each processor has. threads: of all
    processors; exact: not more of them either. disk: bytes that each NVMe disk has more than. disks: the same, of all
    together; 0: no matter. wants_operator_key: whether a node without a key of its operator is worth a warning.
    """

    name: str
    processor: str
    processor_name: str
    flag: str
    flag_setting: str
    threads: int
    exact: bool
    disk: int
    disks: int
    wants_operator_key: bool


SOCKETS: Final = 2
GENERATIONS: Final = (
    Generation(
        name="Gen1",
        processor=r"AMD EPYC 7302\b",
        processor_name="AMD EPYC 7302",
        flag="sev",
        flag_setting="SMEE and SEV",
        threads=64,
        exact=True,
        disk=3_200_000_000_000,
        disks=0,
        wants_operator_key=False,
    ),
    Generation(
        name="Gen2",
        processor=r"AMD EPYC 7[0-9A-Z][0-9A-Z]3\b",
        processor_name="AMD EPYC 7xx3",
        flag="sev_snp",
        flag_setting="SMEE, SEV and SEV-SNP",
        threads=64,
        exact=False,
        disk=6_400_000_000_000,
        disks=32_000_000_000_000,
        wants_operator_key=True,
    ),
)
