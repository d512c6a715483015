"""FAT: what firmware and boot loaders read."""

load("//toolchains/private:checks.bzl", "check_size", "is_hex", "only_has", "quote", "refuse")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":plan_image.bzl", "add_tree", "plan_image")

_RULE = "fat_image"

_SECTOR = 512

# Bytes of BS_VolLab, and what it can hold (FAT specification 1.03, "Directory Structure").
_MAX_LABEL = 11
_LABEL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$%'-_@~`!(){}^#& "

_VOLUME_ID_DIGITS = 8

def _check(attr):
    check_size(_RULE, "fs_size", attr.fs_size, _SECTOR)
    label = attr.fs_label
    if len(label) > _MAX_LABEL:
        refuse(
            _RULE,
            "fs_label",
            "have at most {} characters".format(_MAX_LABEL),
            "\"{}\", which has {}".format(label, len(label)),
            "use \"{}\"".format(label[:_MAX_LABEL].upper()),
        )
    if not only_has(label, _LABEL_CHARACTERS) or label != label.strip():
        better = label.upper().strip()
        refuse(
            _RULE,
            "fs_label",
            "have capital letters, digits, $%'-_@~`!(){}^#& and inner blanks only",
            quote(label),
            "use \"{}\"".format(better) if only_has(better, _LABEL_CHARACTERS) else "",
        )
    if len(attr.volume_id) != _VOLUME_ID_DIGITS or not is_hex(attr.volume_id):
        refuse(_RULE, "volume_id", "be {} hexadecimal digits".format(_VOLUME_ID_DIGITS), quote(attr.volume_id), "without \"0x\" and \"-\"")

def _fat_image_impl(ctx):
    _check(ctx.attr)
    args = ctx.actions.args()
    inputs, sources = add_tree(args, ctx.attr.src)
    args.add("--size", ctx.attr.fs_size)
    args.add("--label", ctx.attr.fs_label)
    args.add("--volume_id", ctx.attr.volume_id)
    if ctx.attr.fat_bits:
        args.add("--fat_bits", ctx.attr.fat_bits)
    return plan_image(
        ctx,
        args,
        inputs = depset(inputs),
        sources = sources,
        format = "fat",
        mnemonic = "FatPlan",
        progress_message = "Planning FAT %{label}",
    )

fat_image = rule(
    implementation = _fat_image_impl,
    doc = """\
Plans a FAT filesystem.

For what firmware and boot loaders read. Owners, modes and links have no place in it; a tree with symbolic links or device nodes is refused, and so are
files of 4 GiB and names that differ only in case.

```starlark
fat_image(
    name = "esp",
    src = ":esp_files",
    fs_label = "ESP",
    fs_size = "41943040",
    volume_id = "1c0ffee1",
)
```
""",
    attrs = {
        "fat_bits": attr.int(doc = "16 or 32; 0: by the size, as the FAT specification has it. UEFI reads both; FAT16 holds up to 2 GiB.", values = [0, 16, 32]),
        "fs_label": attr.string(doc = "Volume label, at most 11 characters: capital letters, digits, inner blanks, $%'-_@~`!(){}^#&."),
        "fs_size": attr.string(doc = "Size in bytes, a multiple of 512.", mandatory = True),
        "src": attr.label(doc = "The tree to put in; none makes an empty filesystem.", providers = [RootfsInfo]),
        "volume_id": attr.string(doc = "Volume id, 8 hexadecimal digits. It is fixed: one made of the time would be other bytes in each build.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:fat_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo],
)
