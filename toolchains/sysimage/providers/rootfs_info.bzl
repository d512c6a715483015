"""A root filesystem between actions: one merged tree, and the files its contents lie in."""

load("//toolchains/private:fields.bzl", "check_depset", "check_file")

DOC = """\
A root filesystem, or any other file tree.

The tree file lists every inode with its attributes, and says for each file which
bytes of which source hold its content. So a step that changes one file writes a
new list, and copies nothing.
"""

FIELDS = {
    "config": "File or None: image configuration (environment, command, ...) as JSON.",
    "layers": "list of Files: the layers, tars compressed with zstd, base first; none for a tree that is not a container's.",
    "layers_tree": "File or None: the tree that `layers` make; `tree` has what came later as well.",
    "sources": "depset of Files: all that the contents in `tree` are slices of; the key of each is its short_path, behind `zstd:` for slices of what it decompresses to.",
    "tree": "File: the merged tree, lines of JSON (py/sysimage/tree.py).",
}

def _init(*, tree, sources, layers = [], layers_tree = None, config = None):
    check_file("RootfsInfo", "tree", tree, "tree")
    check_depset("RootfsInfo", "sources", sources)
    for layer in layers:
        check_file("RootfsInfo", "layers", layer, "zst")
    if layers_tree:
        check_file("RootfsInfo", "layers_tree", layers_tree, "tree")
    if bool(layers) != bool(layers_tree):
        fail("RootfsInfo: layers_tree must be given with layers; got {}".format("only layers" if layers else "no layers"))
    if config:
        check_file("RootfsInfo", "config", config, "json")
    return {"config": config, "layers": layers, "layers_tree": layers_tree, "sources": sources, "tree": tree}

RootfsInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
