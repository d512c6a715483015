"""Other files in a finished disk image."""

load("//toolchains/private:checks.bzl", "check_mode", "check_name", "check_not_negative", "check_one_file", "check_path", "check_unique", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load(":sources.bzl", "DEFAULT_EPOCH")

_RULE = "image_edit"

def _check_place(attribute, word):
    partition, separator, path = word.partition(":")
    if not partition or not separator or not path or "=" in word:
        refuse(_RULE, attribute, "be of the form PARTITION:PATH, without \"=\"", quote(word))
    check_path(_RULE, attribute, path)

def _check(attr):
    check_name(_RULE, "out", attr.out.name, [".tar.zst"])
    check_not_negative(_RULE, "epoch", attr.epoch)
    places = attr.files.values()
    if not places and not attr.remove:
        refuse(_RULE, "files", "name at least one file, or `remove` one", "none")
    check_unique(_RULE, "files", places)
    for word in places:
        _check_place("files", word)
    check_unique(_RULE, "remove", attr.remove)
    for word in attr.remove:
        _check_place("remove", word)
        if word in places:
            refuse(_RULE, "remove", "name no file of `files`", quote(word))
    for word, mode in attr.modes.items():
        if word not in places:
            refuse(_RULE, "modes", "name places of `files`", quote(word))
        check_mode(_RULE, "modes[{}]".format(quote(word)), mode)

def _image_edit_impl(ctx):
    _check(ctx.attr)
    archive = ctx.outputs.out
    checksum = ctx.actions.declare_file(archive.basename + ".sha256", sibling = archive)
    inputs = [ctx.file.image]
    args = ctx.actions.args()
    args.add("--image", ctx.file.image)
    args.add("--output", archive)
    for target, place in ctx.attr.files.items():
        file = check_one_file(_RULE, "files[{}]".format(quote(place)), target)
        args.add("--file", file, format = place.replace("%", "%%") + "=%s")
        inputs.append(file)
    for place, mode in ctx.attr.modes.items():
        args.add("--mode={}={}".format(place, mode))
    args.add_all(ctx.attr.remove, before_each = "--remove")
    args.add("--epoch", ctx.attr.epoch)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [archive, checksum],
        mnemonic = "ImageEdit",
        progress_message = "Changing %{output}",
    )
    return [DefaultInfo(files = depset([archive, checksum]))]

image_edit = rule(
    implementation = _image_edit_impl,
    doc = """\
A finished disk image with other files in its FAT and ext4 partitions, and its checksum (`<out>.sha256`) beside it.

Nothing is mounted. Pieces of the archive in which nothing changes are copied as they are, compressed: a small change of a large image costs about
what copying it does. What an edit can change and what it refuses is in docs/editing.md.

```starlark
image_edit(
    name = "changed",
    out = "changed.tar.zst",
    files = {
        "accounts.conf": "grub:notes/accounts.conf",
        "grub.cfg": "grub:grub.cfg",
    },
    image = ":disk-img.tar.zst",
    remove = ["grub:old.cfg"],
)
```
""",
    attrs = {
        "epoch": attr.int(doc = "Modification time of what is written, seconds since 1970.", default = DEFAULT_EPOCH),
        "files": attr.label_keyed_string_dict(
            doc = "File to its place in the image, `PARTITION:PATH`; one that is there already keeps its mode and owner.",
            allow_files = True,
        ),
        "image": attr.label(doc = "The image: the one member of a tar under zstd.", allow_single_file = [".zst"], mandatory = True),
        "modes": attr.string_dict(doc = "Place in `files` to octal mode, where a file is new and its mode not 0644."),
        "out": attr.output(doc = "Name of the archive, ending in `.tar.zst`.", mandatory = True),
        "remove": attr.string_list(doc = "Places of files, `PARTITION:PATH`, that are to be away, if they are there."),
        "_tool": attr.label(default = "//py/tools:edit_image", executable = True, cfg = "exec"),
    },
)
