"""A whole disk: partitions by name, on a GUID partition table."""

load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":places.bzl", "check_places", "plan_places", "refuse_format")

_RULE = "disk_image"

# UEFI 2.10, 5.3.3: the name of a partition has 36 UTF-16 units.
_MAX_NAME = 36

def _disk_image_impl(ctx):
    check_places(_RULE, "partition", ctx.attr.partitions, ctx.attr.empty, _MAX_NAME)
    refuse_format(_RULE, "partition", ctx.attr.partitions, ["gpt"], "a whole disk")
    return plan_places(ctx, "partition", ctx.attr.partitions, "gpt", "GptPlan")

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
