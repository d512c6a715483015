"""A whole disk: partitions by name, on a GUID partition table."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":sources.bzl", "declare_map")

def _disk_image_impl(ctx):
    args = ctx.actions.args()
    args.add("--layout", ctx.file.layout)
    inputs = [ctx.file.layout]
    sources = []
    for image, name in ctx.attr.partitions.items():
        info = image[ImageInfo]
        args.add("--partition", info.map, format = name + "=%s")
        inputs.append(info.map)
        sources.append(info.sources)
    args.add_all(ctx.attr.empty, before_each = "--empty")
    map, literals = declare_map(ctx, args)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [map, literals],
        mnemonic = "GptPlan",
        progress_message = "Laying out %{label}",
    )
    return [
        DefaultInfo(files = depset([map, literals])),
        ImageInfo(map = map, sources = depset([literals], transitive = sources), format = "gpt"),
    ]

disk_image = rule(
    implementation = _disk_image_impl,
    doc = """\
Places partition images on a disk.

The layout is data: a JSON file with disk size, disk GUID and for each partition its name, start and
size in sectors, type and GUID. Every partition is either filled or declared empty, by exact name.

```starlark
disk_image(
    name = "disk",
    layout = "partitions.json",
    partitions = {
        ":esp": "esp",
        ":root_verity": "A_root",
    },
    empty = ["A_var"],
)
```
""",
    attrs = {
        "empty": attr.string_list(doc = "Partitions that have no content."),
        "layout": attr.label(doc = "The layout, JSON.", allow_single_file = [".json"], mandatory = True),
        "partitions": attr.label_keyed_string_dict(doc = "Image to partition name.", providers = [ImageInfo]),
        "_tool": attr.label(default = "//py/tools:gpt_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo],
)
