"""The one place where an image's bytes are put together."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":sources.bzl", "add_sources")

def _image_archive_impl(ctx):
    archive = ctx.outputs.out
    checksum = ctx.outputs.checksum
    args = ctx.actions.args()
    inputs = []
    sources = []
    for image, member in ctx.attr.members.items():
        if ImageInfo in image:
            info = image[ImageInfo]
            args.add("--member", info.map, format = member + "=%s")
            inputs.append(info.map)
            sources.append(info.sources)
        else:
            files = image[DefaultInfo].files.to_list()
            if len(files) != 1:
                fail("image_archive: member \"{}\" must be an image or one file; {} has {} files".format(member, image.label, len(files)))
            args.add("--file_member", files[0], format = member + "=%s")
            inputs.append(files[0])
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

Members are sparse (old GNU format), owner 0:0, mtime 0, in the order given, single files after images. Holes are neither read nor written.

```starlark
image_archive(
    name = "disk-img",
    out = "disk-img.tar.zst",
    checksum = "disk-img.tar.zst.sha256",
    members = {":disk": "disk.img"},
)
```
""",
    attrs = {
        "checksum": attr.output(doc = "Name of the file with the archive's sha256, as sha256sum writes it.", mandatory = True),
        "members": attr.label_keyed_string_dict(
            doc = "Image, or single file, to member name; images in their order, then the files.",
            allow_files = True,
            mandatory = True,
        ),
        "out": attr.output(doc = "Name of the archive, ending in `.tar.zst`.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:materialise", executable = True, cfg = "exec"),
    },
)
