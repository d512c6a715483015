"""Trees made of single files, and of parts of other trees."""

load(
    "//toolchains/private:checks.bzl",
    "check_mode",
    "check_not_negative",
    "check_one_file",
    "check_path",
    "check_unique",
    "quote",
    "refuse",
)
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "add_sources", "source_key")

_RULE = "file_tree"

def _check(attr):
    check_not_negative(_RULE, "epoch", attr.epoch)
    paths = attr.files.values()
    check_unique(_RULE, "files", paths)
    for path in paths:
        check_path(_RULE, "files", path)
        if "=" in path:
            refuse(_RULE, "files", "have paths without \"=\"", quote(path))
    for path, mode in attr.modes.items():
        if path not in paths:
            refuse(
                _RULE,
                "modes",
                "name paths of `files`",
                quote(path),
                "there are {}".format(", ".join([quote(each) for each in paths])) if paths else "`files` is empty",
            )
        check_mode(_RULE, "modes[{}]".format(quote(path)), mode)
    for word in attr.directories:
        path, separator, mode = word.partition(":")
        check_path(_RULE, "directories", path)
        if separator:
            check_mode(_RULE, "directories[{}]".format(quote(path)), mode)
    for words in attr.picks.values():
        for word in words.split(" "):
            destination, separator, pattern = word.partition(":")
            if not separator or not pattern or "=" in word:
                refuse(_RULE, "picks", "be words of the form DEST:PATTERN, without \"=\"", quote(word), "DEST may be empty for the root of the tree")
            if destination:
                check_path(_RULE, "picks", destination)
    if attr.remove and not attr.base:
        refuse(_RULE, "remove", "be left out when there is no base to take from", attr.remove)

def _file_tree_impl(ctx):
    _check(ctx.attr)
    args = ctx.actions.args()
    tree = ctx.actions.declare_file(ctx.label.name + ".tree")
    trees = []
    files = []
    sources = []
    layers = []
    layers_tree = None
    config = None
    if ctx.attr.base:
        base = ctx.attr.base[RootfsInfo]
        args.add("--base", base.tree)
        trees.append(base.tree)
        sources.append(base.sources)
        layers = base.layers
        layers_tree = base.layers_tree
        config = base.config
    args.add_all(ctx.attr.remove, before_each = "--remove")
    for target, paths in ctx.attr.picks.items():
        info = target[RootfsInfo]
        for pick in paths.split(" "):
            args.add("--pick", info.tree, format = pick.replace("%", "%%") + "=%s")
        trees.append(info.tree)
        sources.append(info.sources)
    for target in ctx.attr.overlays:
        info = target[RootfsInfo]
        args.add("--overlay", info.tree)
        trees.append(info.tree)
        sources.append(info.sources)
    for target, path in ctx.attr.files.items():
        file = check_one_file(_RULE, "files[{}]".format(quote(path)), target)
        mode = ctx.attr.modes.get(path, "0644")
        args.add("--file", "{}={}={}".format(path, mode, source_key(file)))
        files.append(file)
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
            layers_tree = layers_tree,
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
    directories = ["efi:0700"],
    files = {
        ":boot_args": "boot_args",
        ":initrd": "initrd.img",
        ":version": "version.txt",
    },
    modes = {"initrd.img": "0600"},
    picks = {":rootfs": "vmlinuz:boot/vmlinuz-*"},
)
```
""",
    attrs = {
        "base": attr.label(doc = "Tree to start from; left out: an empty one.", providers = [RootfsInfo]),
        "directories": attr.string_list(doc = "Directories to make, as `PATH` or `PATH:MODE` (0755)."),
        "epoch": attr.int(doc = "Modification time of what is added, seconds since 1970.", default = DEFAULT_EPOCH),
        "files": attr.label_keyed_string_dict(doc = "Single file to its path in the tree.", allow_files = True),
        "modes": attr.string_dict(doc = "Path in `files` to octal mode, where it is not 0644. The mode of the file in the work tree counts for nothing."),
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
