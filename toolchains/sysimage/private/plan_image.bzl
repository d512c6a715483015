"""What the rules that plan images have in common: two outputs, one action, one provider."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "source_key")

def add_tree(args, src):
    """Names the tree that a filesystem is to hold, if there is one.

    Args:
        args: the planner's arguments.
        src: target with RootfsInfo, or None.

    Returns:
        Two lists: Files to read, and depsets of Files that the contents are slices of.
    """
    if not src:
        return [], []
    rootfs = src[RootfsInfo]
    args.add("--tree", rootfs.tree)
    return [rootfs.tree], [rootfs.sources]

def plan_image(ctx, args, inputs, sources, format, mnemonic, progress_message, outputs = []):
    """Runs the rule's tool, which writes a map and its literals.

    Args:
        ctx: the context of a rule whose attribute `_tool` is the planner.
        args: the planner's arguments, less its outputs.
        inputs: depset of Files that the planner reads.
        sources: list of depsets of Files that the map may take slices of, besides its literals.
        format: what the image is, as ImageInfo has it.
        mnemonic: of the action.
        progress_message: of the action.
        outputs: list of further Files that the planner writes; `args` names them.

    Returns:
        DefaultInfo and ImageInfo, in a list.
    """
    map = ctx.actions.declare_file(ctx.label.name + ".map.json")
    literals = ctx.actions.declare_file(ctx.label.name + ".literals")
    args.add("--map_out", map)
    args.add("--literals_out", literals)
    args.add("--literals_key", source_key(literals))
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [map, literals] + outputs,
        mnemonic = mnemonic,
        progress_message = progress_message,
    )
    return [
        DefaultInfo(files = depset([map, literals] + outputs)),
        ImageInfo(map = map, sources = depset([literals], transitive = sources), format = format),
    ]
