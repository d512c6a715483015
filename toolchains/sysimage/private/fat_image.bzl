"""FAT: what firmware and boot loaders read."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "declare_map")

def _fat_image_impl(ctx):
    args = ctx.actions.args()
    inputs = []
    sources = depset()
    if ctx.attr.src:
        rootfs = ctx.attr.src[RootfsInfo]
        args.add("--tree", rootfs.tree)
        inputs.append(rootfs.tree)
        sources = rootfs.sources
    args.add("--size", ctx.attr.fs_size)
    args.add("--label", ctx.attr.fs_label)
    args.add("--volume_id", ctx.attr.volume_id)
    if ctx.attr.fat_bits:
        args.add("--fat_bits", ctx.attr.fat_bits)
    map, literals = declare_map(ctx, args)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [map, literals],
        mnemonic = "FatPlan",
        progress_message = "Planning FAT %{label}",
    )
    return [
        DefaultInfo(files = depset([map, literals])),
        ImageInfo(map = map, sources = depset([literals], transitive = [sources]), format = "fat"),
    ]

fat_image = rule(
    implementation = _fat_image_impl,
    doc = """\
Plans a FAT filesystem.

```starlark
fat_image(
    name = "esp",
    src = ":esp_files",
    fs_size = "104857600",
    fs_label = "ESP",
    volume_id = "1c0ffee1",
)
```
""",
    attrs = {
        "fat_bits": attr.int(doc = "16 or 32; 0: by the size, as the FAT specification has it.", values = [0, 16, 32]),
        "fs_label": attr.string(doc = "Volume label, at most 11 characters."),
        "fs_size": attr.string(doc = "Size in bytes.", mandatory = True),
        "src": attr.label(doc = "The tree to put in; none makes an empty filesystem.", providers = [RootfsInfo]),
        "volume_id": attr.string(doc = "Volume id, 8 hexadecimal digits.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:fat_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo],
)
