"""Where two files differ, in words: images, archives, file systems, plans of the build, texts, any bytes."""

from sysimage.explanation.explain import explain, picture

__all__ = ["explain", "picture"]
