"""Where two files differ, in words: images, archives, file systems, plans of the build, texts, any bytes."""

from sysimage.explanation.explain import differing_volumes, explain

__all__ = ["differing_volumes", "explain"]
