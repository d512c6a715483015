"""How sources of maps and trees are named on a command line.

A source is known by the short path of its file: the same in every output base,
configuration directory and worker, so it can stand inside a map.
"""

def source_key(file):
    """The key of a file as a source of maps and trees.

    Args:
        file: a File.

    Returns:
        A string without machine- or configuration-specific parts.
    """
    return file.short_path

def _pair(file):
    return "{}={}".format(file.short_path, file.path)

def add_sources(args, sources):
    """Names all sources on a command line, as `--source KEY=FILE`.

    Args:
        args: the Args to add to.
        sources: depset of Files.
    """
    args.add_all(sources, map_each = _pair, before_each = "--source")

# One time for everything the builders make themselves, seconds since 1970:
# 2025-08-09 00:00 UTC, the day Debian 13 came out. A number, never a clock.
DEFAULT_EPOCH = 1754697600
