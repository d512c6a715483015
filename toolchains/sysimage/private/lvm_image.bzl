"""A volume group on one physical volume: volumes by name, placed by extents."""

load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":places.bzl", "check_places", "plan_places", "refuse_format")

_RULE = "lvm_image"

# lvm(8): the longest name of a volume.
_MAX_NAME = 127

def _lvm_image_impl(ctx):
    check_places(_RULE, "volume", ctx.attr.volumes, ctx.attr.empty, _MAX_NAME)
    refuse_format(_RULE, "volume", ctx.attr.volumes, ["gpt"], "a whole disk")
    refuse_format(_RULE, "volume", ctx.attr.volumes, ["lvm2"], "a physical volume")
    return plan_places(ctx, "volume", ctx.attr.volumes, "lvm2", "LvmPlan")

lvm_image = rule(
    implementation = _lvm_image_impl,
    doc = """\
Makes an LVM2 physical volume with one volume group, and places images in its logical volumes.

The layout is data, a JSON file:

```json
{
  "vg": "system",
  "vg_uuid": "cPQ2JI-3yg4-lPVF-g4aY-ofDq-sE1t-VhcIzb",
  "pv_uuid": "RZSUtV-VdGz-fKCe-zQxe-yqvd-nHCS-dQ1FPc",
  "size": 2097152,
  "pe_start": 2048,
  "extent_size": 8192,
  "creation_time": 1754697600,
  "volumes": [
    {"name": "root", "uuid": "ZaPyvb-yOSw-ixku-W7Rl-VQp2-xaEe-R4ZQTt", "start": 0, "extents": 128}
  ]
}
```

`size` (of the physical volume), `pe_start` (where extent 0 begins) and `extent_size` are in sectors of 512 bytes, `start` and
`extents` of a volume in extents. A UUID has the form of LVM's own, 32 letters and digits that no other group has. The metadata
area lies between byte 4096 and `pe_start`, as `pvcreate` makes it, so LVM can change the group afterwards. Its text names no
machine (`creation_host` is `localhost` unless the layout has another) and no time but `creation_time`. Volumes that overlap
or have one name or UUID are errors. Every volume is either filled or declared empty, by exact name. As a partition of a
`disk_image` the image is what the running system finds as `/dev/system/root`.

```starlark
lvm_image(
    name = "volumes",
    empty = ["data"],
    layout = "volumes.json",
    volumes = {
        ":boot": "boot",
        ":root_verity": "root",
    },
)
```
""",
    attrs = {
        "empty": attr.string_list(doc = "Names of volumes without content: they are holes, which cost nothing."),
        "layout": attr.label(doc = "The layout, JSON as above.", allow_single_file = [".json"], mandatory = True),
        "volumes": attr.label_keyed_string_dict(doc = "Image to the name of the volume that it fills. It may be smaller than the volume, never larger.", providers = [ImageInfo]),
        "_tool": attr.label(default = "//py/tools:lvm_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo],
)
