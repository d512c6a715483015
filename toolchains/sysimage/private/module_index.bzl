"""The index of a kernel's modules: what depmod makes."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/private:checks.bzl", "check_not_negative", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:locked_tool_info.bzl", "LockedToolInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "add_sources", "source_key")

_RULE = "module_index"

def _module_index_impl(ctx):
    if bool(ctx.attr.src) == bool(ctx.attr.packages):
        refuse(_RULE, "src", "be given, or packages, to say where the modules are", "both" if ctx.attr.src else "neither")
    check_not_negative(_RULE, "epoch", ctx.attr.epoch)
    layer = ctx.actions.declare_file(ctx.label.name + ".tar.zst")
    tree = ctx.actions.declare_file(ctx.label.name + ".tree")
    kmod = ctx.attr.kmod[LockedToolInfo]
    args = ctx.actions.args()
    inputs = [kmod.folder]
    sources = depset()
    if ctx.attr.src:
        src = ctx.attr.src[RootfsInfo]
        args.add("--tree", src.tree)
        add_sources(args, src.sources)
        inputs.append(src.tree)
        sources = src.sources
    else:
        args.add_all(ctx.attr.packages[DebSetInfo].debs, before_each = "--deb")
        inputs += ctx.attr.packages[DebSetInfo].debs
    args.add_all([kmod.folder], before_each = "--tool", expand_directories = False)
    args.add("--epoch", ctx.attr.epoch)
    args.add("--layer_out", layer)
    args.add("--layer_key", source_key(layer))
    args.add("--tree_out", tree)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = depset(inputs, transitive = [sources]),
        outputs = [layer, tree],
        env = PYTHON_ENV,
        mnemonic = "ModuleIndex",
        progress_message = "Indexing kernel modules of %{label}",
    )
    return [
        DefaultInfo(files = depset([layer, tree])),
        RootfsInfo(tree = tree, sources = depset([layer]), layers = [layer], layers_tree = tree),
    ]

module_index = rule(
    implementation = _module_index_impl,
    doc = """\
Makes `modules.dep` and its companions for the one kernel in a root filesystem, with the depmod of locked packages.

What comes out is a small tree of its own, to be laid over the root filesystem
(`file_tree(overlays = ...)`) and to be given to `initrd_image`.

```starlark
module_index(
    name = "modules",
    src = ":rootfs",
)
```
""",
    attrs = {
        "epoch": attr.int(doc = "Modification time of the files, seconds since 1970.", default = DEFAULT_EPOCH),
        "kmod": attr.label(doc = "Unpacked kmod.", default = "//toolchains/sysimage/tools:kmod", providers = [LockedToolInfo], cfg = "exec"),
        "packages": attr.label(doc = "Kernel packages, instead of `src`.", providers = [DebSetInfo]),
        "src": attr.label(doc = "The tree with the modules.", providers = [RootfsInfo]),
        "_tool": attr.label(default = "//py/tools:module_index", executable = True, cfg = "exec"),
    },
    provides = [RootfsInfo],
)
