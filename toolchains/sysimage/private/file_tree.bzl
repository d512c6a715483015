"""Trees made of single files, and of parts of other trees."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "add_sources", "source_key")

def _file_tree_impl(ctx):
    args = ctx.actions.args()
    tree = ctx.actions.declare_file(ctx.label.name + ".tree")
    trees = []
    files = []
    sources = []
    layers = []
    config = None
    if ctx.attr.base:
        base = ctx.attr.base[RootfsInfo]
        args.add("--base", base.tree)
        trees.append(base.tree)
        sources.append(base.sources)
        layers = base.layers
        config = base.config
    args.add_all(ctx.attr.remove, before_each = "--remove")
    for target, paths in ctx.attr.picks.items():
        info = target[RootfsInfo]
        for pick in paths.split(" "):
            args.add("--pick", info.tree, format = pick + "=%s")
        trees.append(info.tree)
        sources.append(info.sources)
    for target in ctx.attr.overlays:
        info = target[RootfsInfo]
        args.add("--overlay", info.tree)
        trees.append(info.tree)
        sources.append(info.sources)
    for target, path in ctx.attr.files.items():
        found = target[DefaultInfo].files.to_list()
        if len(found) != 1:
            fail("file_tree: /{} must come from one file; {} has {}".format(path, target.label, len(found)))
        mode = ctx.attr.modes.get(path, "0644")
        args.add("--file", "{}={}={}".format(path, mode, source_key(found[0])))
        files.append(found[0])
    args.add_all(ctx.attr.directories, before_each = "--directory")
    all_files = depset(files)
    add_sources(args, all_files)
    args.add("--epoch", ctx.attr.epoch)
    args.add("--tree_out", tree)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = depset(trees, transitive = [all_files]),
        outputs = [tree],
        mnemonic = "FileTree",
        progress_message = "Composing tree %{label}",
    )
    return [
        DefaultInfo(files = depset([tree])),
        RootfsInfo(
            tree = tree,
            sources = depset(transitive = sources + [all_files]),
            layers = layers,
            config = config,
        ),
    ]

file_tree = rule(
    implementation = _file_tree_impl,
    doc = """\
Composes a tree: a base, less some paths, plus parts of other trees, whole trees, and single files.

Nothing is copied: the contents stay slices of the files they come from. This is how late inputs
(a version, a payload program) get into a root filesystem without building its layers again, and how
a boot partition takes its kernel out of a root filesystem.

```starlark
file_tree(
    name = "boot_files",
    picks = {":rootfs": "vmlinuz:boot/vmlinuz-*"},
    files = {":initrd": "initrd.img"},
    modes = {"initrd.img": "0600"},
)
```
""",
    attrs = {
        "base": attr.label(doc = "Tree to start from; left out: an empty one.", providers = [RootfsInfo]),
        "directories": attr.string_list(doc = "Directories to make, as `PATH` or `PATH:MODE` (0755)."),
        "epoch": attr.int(doc = "Modification time of what is added, seconds since 1970.", default = DEFAULT_EPOCH),
        "files": attr.label_keyed_string_dict(doc = "Single file to its path in the tree.", allow_files = True),
        "modes": attr.string_dict(doc = "Path to octal mode, for `files` other than 0644."),
        "overlays": attr.label_list(doc = "Trees laid over, in order: their files replace those of the base.", providers = [RootfsInfo]),
        "picks": attr.label_keyed_string_dict(
            doc = "Tree to `DEST:PATTERN` words: the one path in it that matches goes, with all below, to DEST.",
            providers = [RootfsInfo],
        ),
        "remove": attr.string_list(doc = "Patterns of paths of the base to leave out; each must match something."),
        "_tool": attr.label(default = "//py/tools:file_tree", executable = True, cfg = "exec"),
    },
    provides = [RootfsInfo],
)
