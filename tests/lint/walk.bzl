"""The files of a workspace, for repositories that are made of them."""

# Made by tools, in whatever folder.
_IGNORED = [".git", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"]

def walk(root, ignored = []):
    """All files below a folder of the workspace, less what tools made.

    Args:
        root: a path.
        ignored: paths relative to it to leave out, with all below.

    Returns:
        A list of (path relative to root, path).
    """
    files = []
    folders = [("", root)]
    for _ in range(1000000):
        if not folders:
            return files
        relative, folder = folders.pop()
        for entry in folder.readdir(watch = "yes"):
            name = entry.basename
            if name in _IGNORED or name.startswith("bazel-") or relative + name in ignored:
                continue
            if entry.is_dir:
                folders.append((relative + name + "/", entry))
            else:
                files.append((relative + name, entry))
    return fail("the workspace has too many folders")
