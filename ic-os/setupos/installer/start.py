#!/usr/bin/python3 -IB
"""Installs this machine: /opt/ic/bin/setupos, started by setupos.service."""

import sys

# The package belongs to this image, and to nobody else's search path.
sys.path.insert(0, "/opt/ic/lib")

from setupos.installation import Installation
from setupos.machine import Machine

if __name__ == "__main__":
    sys.exit(0 if Installation(Machine()).run() else 1)
