"""Command-line programs, one a verb; the mechanism is in `sysimage`."""
