"""Virtual machines for tests and for looking: QEMU out of locked packages, spoken to over its serial console."""
