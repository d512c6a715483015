"""All checks that a reviewed row can name."""

from sysimage.properties import login, references, unexpected

JUDGED = ("systemd-verify",)
ALL = (*unexpected.CHECKS, *references.CHECKS, *login.CHECKS, *JUDGED)
