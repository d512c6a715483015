"""Looking into a finished image of any kind: what is on it, whether it is sound, how it is filled."""

from sysimage.inspection.look import Image, Volume, look
from sysimage.inspection.opening import open_image
from sysimage.inspection.report import format_image, to_json

__all__ = ["Image", "Volume", "format_image", "look", "open_image", "to_json"]
