"""Moments of the first boot at which the power can go, and what the disk has then."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of the first boot: when this appears on the console, or at random after it.

    var and store: labels of the LUKS volumes that the disk must have at that moment, None: no matter which.
    """

    mark: str
    random: bool = False
    var: str | None = None
    store: str | None = None


MOMENTS = {
    "partitioning": Moment("Starting .*systemd-repart.service", var=""),
    "somewhere before the key": Moment("Finished .*systemd-repart.service", random=True),
    "key": Moment("setup-storage: making the key", var="", store=""),
    "formatting var": Moment("setup-storage: formatting var"),
    "filling var": Moment("setup-storage: filling var", var="new", store=""),
    "formatting store": Moment("setup-storage: formatting store", var="var"),
    "filling store": Moment("setup-storage: filling store", var="var", store="new"),
    "somewhere in the store": Moment("setup-storage: filling store", random=True, var="var"),
    "killed": Moment("setup-storage: store is complete", var="var"),
}
