"""A whole disk: partitions by name, on a GUID partition table."""

load("//toolchains/private:checks.bzl", "check_unique", "quote", "refuse")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":plan_image.bzl", "plan_image")

_RULE = "disk_image"

# UEFI 2.10, 5.3.3: the name of a partition has 36 UTF-16 units.
_MAX_NAME = 36

def _check(attr):
    names = attr.partitions.values()
    if not names:
        refuse(_RULE, "partitions", "fill at least one partition", "none")
    check_unique(_RULE, "partitions", names)
    check_unique(_RULE, "empty", attr.empty)
    for name in attr.empty:
        if name in names:
            refuse(_RULE, "empty", "not name a partition that `partitions` fills", quote(name), "take it out of one of both")
    for attribute, given in [("partitions", names), ("empty", attr.empty)]:
        for name in given:
            if not name or len(name) > _MAX_NAME or "=" in name:
                refuse(_RULE, attribute, "have names of 1 to {} characters, none of them \"=\"".format(_MAX_NAME), quote(name))
    for image, name in attr.partitions.items():
        if image[ImageInfo].format == "gpt":
            refuse(
                _RULE,
                "partitions",
                "not put a whole disk into a partition",
                "{} for {}".format(image.label, quote(name)),
                "give the filesystem that the partition is to hold",
            )

def _disk_image_impl(ctx):
    _check(ctx.attr)
    args = ctx.actions.args()
    args.add("--layout", ctx.file.layout)
    inputs = [ctx.file.layout]
    sources = []
    for image, name in ctx.attr.partitions.items():
        info = image[ImageInfo]
        args.add("--partition", info.map, format = name.replace("%", "%%") + "=%s")
        inputs.append(info.map)
        sources.append(info.sources)
    args.add_all(ctx.attr.empty, before_each = "--empty")
    return plan_image(
        ctx,
        args,
        inputs = depset(inputs),
        sources = sources,
        format = "gpt",
        mnemonic = "GptPlan",
        progress_message = "Laying out %{label}",
    )

disk_image = rule(
    implementation = _disk_image_impl,
    doc = """\
Places partition images on a disk.

The layout is data, a JSON file:

```json
{
  "disk_guid": "2064B594-FD38-5ECD-917D-E415F8F7F21B",
  "size": 2656256,
  "partitions": [
    {"name": "esp", "start": 2048, "size": 81920, "type": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "guid": "F54A0D31-BD9A-5595-9ECE-281768E05061"}
  ]
}
```

Sizes are in sectors of 512 bytes; a partition's start and size are multiples of 2048 (1 MiB). Without the disk's `size` it is as
small as its partitions allow. Partitions that overlap or have one name or GUID are errors. Every partition is either
filled or declared empty, by exact name.

```starlark
disk_image(
    name = "disk",
    empty = ["data"],
    layout = "partitions.json",
    partitions = {
        ":boot": "boot",
        ":esp": "esp",
        ":grub": "grub",
        ":root_verity": "root",
    },
)
```
""",
    attrs = {
        "empty": attr.string_list(doc = "Names of partitions without content: they are holes, which cost nothing."),
        "layout": attr.label(doc = "The layout, JSON as above.", allow_single_file = [".json"], mandatory = True),
        "partitions": attr.label_keyed_string_dict(doc = "Image to the name of the partition that it fills. It may be smaller than the partition, never larger.", providers = [ImageInfo]),
        "_tool": attr.label(default = "//py/tools:gpt_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo],
)
