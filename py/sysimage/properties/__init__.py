"""What an image promises: read out of a finished image, and held against what was reviewed."""

from sysimage.properties.findings import Finding, Row, load_rows, unexcused
from sysimage.properties.lines import properties
from sysimage.properties.system import System, root_system

__all__ = ["Finding", "Row", "System", "load_rows", "properties", "root_system", "unexcused"]
