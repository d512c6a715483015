"""ext4: a root filesystem as an ext4 image, planned, not written."""

load("//toolchains/private:checks.bzl", "check_not_negative", "check_size", "check_uuid", "refuse")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":plan_image.bzl", "add_tree", "plan_image")
load(":sources.bzl", "DEFAULT_EPOCH")

_RULE = "ext4_image"

# Bytes of s_volume_name in the superblock.
_MAX_LABEL = 16

_BLOCK = 4096

def _check(attr):
    if attr.fs_size:
        check_size(_RULE, "fs_size", attr.fs_size, _BLOCK)
        if attr.reserve:
            refuse(_RULE, "reserve", "be left out when fs_size is given", attr.reserve, "the size says how much stays free")
    elif not attr.src:
        refuse(_RULE, "fs_size", "be given for a filesystem without src", "neither")
    check_not_negative(_RULE, "reserve", attr.reserve)
    check_not_negative(_RULE, "epoch", attr.epoch)
    if len(attr.fs_label) > _MAX_LABEL:
        refuse(
            _RULE,
            "fs_label",
            "have at most {} bytes".format(_MAX_LABEL),
            "\"{}\", which has {}".format(attr.fs_label, len(attr.fs_label)),
            "use \"{}\"".format(attr.fs_label[:_MAX_LABEL]),
        )
    check_uuid(_RULE, "uuid", attr.uuid)
    if attr.hash_seed:
        check_uuid(_RULE, "hash_seed", attr.hash_seed)

def _ext4_image_impl(ctx):
    _check(ctx.attr)
    args = ctx.actions.args()
    inputs, sources = add_tree(args, ctx.attr.src)
    if ctx.attr.fs_size:
        args.add("--size", ctx.attr.fs_size)
    if ctx.file.file_contexts:
        args.add("--file_contexts", ctx.file.file_contexts)
        inputs.append(ctx.file.file_contexts)
    if ctx.attr.journal:
        args.add("--journal")
    args.add("--reserve", ctx.attr.reserve)
    args.add("--label", ctx.attr.fs_label)
    args.add("--uuid", ctx.attr.uuid)
    args.add("--hash_seed", ctx.attr.hash_seed or ctx.attr.uuid)
    args.add("--epoch", ctx.attr.epoch)
    return plan_image(
        ctx,
        args,
        inputs = depset(inputs),
        sources = sources,
        format = "ext4",
        mnemonic = "Ext4Plan",
        progress_message = "Planning ext4 %{label}",
    )

ext4_image = rule(
    implementation = _ext4_image_impl,
    doc = """\
Plans an ext4 filesystem.

The output is an extent map: metadata are its literals, file contents stay where
they are. The cost follows the content, whatever the size.

```starlark
ext4_image(
    name = "root",
    src = ":rootfs",
    fs_label = "root",
    uuid = "0f0c4d27-9f0b-4f39-a1b2-2f0a3a1f7d11",
)
```
""",
    attrs = {
        "epoch": attr.int(doc = "Creation time in seconds since 1970.", default = DEFAULT_EPOCH),
        "file_contexts": attr.label(doc = "SELinux file_contexts file; every inode gets the label it says.", allow_single_file = True),
        "fs_label": attr.string(doc = "Volume label, at most 16 bytes. Nothing here mounts by label, but `lsblk` shows it."),
        "hash_seed": attr.string(doc = "UUID that seeds the hashes of directory indexes; the default is `uuid`."),
        "journal": attr.bool(doc = "Whether to have a journal. A filesystem that is only read needs none; one that is written loses data in a crash without it."),
        "reserve": attr.int(doc = "Bytes to leave free beyond the content, for a filesystem that will be written; not together with `fs_size`."),
        "fs_size": attr.string(doc = "Size in bytes, a multiple of 4096. Left out: as large as content and reserve need, which is best for a partition that is only read, because its hash tree and its update are as small as can be."),
        "src": attr.label(doc = "The tree to put in; none makes an empty filesystem.", providers = [RootfsInfo]),
        "uuid": attr.string(doc = "UUID of the filesystem, from `uuidgen`. It is fixed: a random one would be other bytes in each build.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:ext4_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo],
)
