"""The A/B state machine of the boot loader as a table: ic-os/bootloader/README.md draws it.

GRUB walks it on every operating system; a host does that in its place for a guest that is started without boot loader.
"""

from dataclasses import dataclass

from sysimage import grubenv


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table, for one slot: what grubenv says, what is done, what grubenv says then."""

    alternative: str | None
    cycle: str | None
    slot: str
    state: str
    saved: dict[str, str] | None  # None: nothing is written

    @property
    def environment(self) -> bytes:
        """The environment block that it begins with."""
        variables = {"boot_alternative": self.alternative, "boot_cycle": self.cycle}
        return grubenv.make({name: value for name, value in variables.items() if value is not None})

    @property
    def after(self) -> dict[str, str]:
        """What stands in the environment block then."""
        return grubenv.parse(self.environment) if self.saved is None else self.saved

    def __str__(self) -> str:
        return f"{self.alternative}-{self.cycle}"


ROWS = [
    Row(None, None, "A", "install", {"boot_alternative": "A", "boot_cycle": "stable"}),
    Row("B", None, "B", "install", {"boot_alternative": "B", "boot_cycle": "stable"}),
    Row("A", "install", "A", "install", {"boot_alternative": "A", "boot_cycle": "stable"}),
    Row("B", "install", "B", "install", {"boot_alternative": "B", "boot_cycle": "stable"}),
    Row("A", "first_boot", "A", "upgrade", {"boot_alternative": "A", "boot_cycle": "failsafe_check"}),
    Row("B", "first_boot", "B", "upgrade", {"boot_alternative": "B", "boot_cycle": "failsafe_check"}),
    Row("A", "failsafe_check", "B", "failsafe", {"boot_alternative": "B", "boot_cycle": "stable"}),
    Row("B", "failsafe_check", "A", "failsafe", {"boot_alternative": "A", "boot_cycle": "stable"}),
    Row("A", "stable", "A", "stable", None),
    Row("B", "stable", "B", "stable", None),
    Row(None, "stable", "A", "stable", None),
    Row("B", "nonsense", "B", "stable", None),
]
