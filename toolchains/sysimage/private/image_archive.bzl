"""The one place where an image's bytes are put together."""

load("//toolchains/private:checks.bzl", "check_name", "check_one_file", "check_path", "check_unique", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":sources.bzl", "add_sources")

_RULE = "image_archive"

# Bytes of a name in a tar header.
_MAX_MEMBER = 100

def _check(attr):
    check_name(_RULE, "out", attr.out.name, [".tar.zst"])
    check_name(_RULE, "checksum", attr.checksum.name, [".sha256"])
    if not attr.members:
        refuse(_RULE, "members", "name at least one image or file", "none")
    check_unique(_RULE, "members", attr.members.values())
    for member in attr.members.values():
        check_path(_RULE, "members", member)
        if len(member) > _MAX_MEMBER or "=" in member:
            refuse(_RULE, "members", "have names of at most {} bytes, without \"=\"".format(_MAX_MEMBER), quote(member))

    images = [member for image, member in attr.members.items() if ImageInfo in image]
    check_unique(_RULE, "dense", attr.dense)
    for member in attr.dense:
        if member not in images:
            refuse(
                _RULE,
                "dense",
                "name members that are images",
                quote(member),
                "there are {}".format(", ".join([quote(each) for each in images])) if images else "there are none",
            )

def _image_archive_impl(ctx):
    _check(ctx.attr)
    archive = ctx.outputs.out
    checksum = ctx.outputs.checksum
    args = ctx.actions.args()
    inputs = []
    sources = []
    for image, member in ctx.attr.members.items():
        format = member.replace("%", "%%") + "=%s"
        if ImageInfo in image:
            info = image[ImageInfo]
            args.add("--member", info.map, format = format)
            inputs.append(info.map)
            sources.append(info.sources)
        else:
            file = check_one_file(_RULE, "members[{}]".format(quote(member)), image)
            args.add("--file_member", file, format = format)
            inputs.append(file)
    args.add_all(ctx.attr.dense, before_each = "--dense_member")
    all_sources = depset(transitive = sources)
    add_sources(args, all_sources)
    args.add("--tar_out", archive)
    args.add("--zstd")
    args.add("--sha256_out", checksum)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = depset(inputs, transitive = [all_sources]),
        outputs = [archive, checksum],
        mnemonic = "ImageArchive",
        progress_message = "Writing %{output}",
    )
    return [DefaultInfo(files = depset([archive, checksum]))]

image_archive = rule(
    implementation = _image_archive_impl,
    doc = """\
Writes images as members of a zstd-compressed tar, with its checksum beside it.

Members are sparse (old GNU format), owner 0:0, mtime 0, in the order given, single files after images. Holes are neither read nor written,
except those of `dense` members, which are zeros in the archive: such a member can be unpacked into a pipe.

```starlark
image_archive(
    name = "disk-img",
    out = "disk-img.tar.zst",
    checksum = "disk-img.tar.zst.sha256",
    members = {":disk": "disk.img"},
)
```

What an upgrade of a slot takes, streamed from the archive into the slot's partitions:

```starlark
image_archive(
    name = "update-img",
    out = "update-img.tar.zst",
    checksum = "update-img.tar.zst.sha256",
    dense = [
        "boot.img",
        "root.img",
    ],
    members = {
        ":boot": "boot.img",
        ":root_verity": "root.img",
        ":version": "VERSION.TXT",
    },
)
```
""",
    attrs = {
        "checksum": attr.output(doc = "Name of the file with the archive's sha256, as sha256sum writes it.", mandatory = True),
        "dense": attr.string_list(doc = "Names of members, images, whose holes are stored as zeros."),
        "members": attr.label_keyed_string_dict(
            doc = "Image, or single file, to member name; images in their order, then the files.",
            allow_files = True,
            mandatory = True,
        ),
        "out": attr.output(doc = "Name of the archive, ending in `.tar.zst`.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:materialise", executable = True, cfg = "exec"),
    },
)
