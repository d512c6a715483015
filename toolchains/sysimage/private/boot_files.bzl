"""What a machine that loads its kernel itself needs of a disk image."""

load("//toolchains/private:checks.bzl", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":sources.bzl", "add_sources")

_RULE = "boot_files"

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

def _check(attr):
    if attr.image[ImageInfo].format != "gpt":
        refuse(_RULE, "image", "be a disk", "the format {}".format(quote(attr.image[ImageInfo].format)), "name a disk_image")
    if len(attr.slot) != 1 or attr.slot not in _LETTERS:
        refuse(_RULE, "slot", "be one capital letter", quote(attr.slot), "A or B")
    for name, value in attr.variables.items():
        if not name or not value or "=" in name:
            refuse(_RULE, "variables", "have a name and a value each", repr({name: value}))

def _boot_files_impl(ctx):
    _check(ctx.attr)
    image = ctx.attr.image[ImageInfo]
    folder = ctx.actions.declare_directory(ctx.label.name)
    args = ctx.actions.args()
    args.add("--map", image.map)
    add_sources(args, image.sources)
    args.add("--partition", ctx.attr.partition)
    args.add("--slot", ctx.attr.slot)
    args.add_all(["{}={}".format(name, value) for name, value in ctx.attr.variables.items()], before_each = "--variable")
    args.add_all([folder], before_each = "--out", expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = depset([image.map], transitive = [image.sources]),
        outputs = [folder],
        mnemonic = "BootFiles",
        progress_message = "Taking kernel and initrd out of %{label}",
    )
    return [DefaultInfo(files = depset([folder]))]

boot_files = rule(
    implementation = _boot_files_impl,
    doc = """\
Takes kernel, initrd and command line of a slot out of a disk image, for a machine that loads them itself.

A folder comes out, with `vmlinuz` and `initrd.img` of the boot partition byte for byte, and `cmdline`: the line that `boot_args` has
for the slot, with the values of the boot loader's variables. QEMU takes them as `-kernel`, `-initrd` and `-append`. So a launch that
measures what is loaded (SEV-SNP with `kernel-hashes=on`) has a fixed command line, and with its root hash the whole root.

No boot loader runs then, so nothing chooses a slot: whoever starts the machine does.
`bazel run //py/tools:boot_files -- --image=disk-img.tar.zst ...` does the same with any finished image.

```starlark
boot_files(
    name = "direct_boot",
    image = ":disk",
    partition = "boot",
    slot = "A",
)
```
""",
    attrs = {
        "image": attr.label(doc = "The disk.", mandatory = True, providers = [ImageInfo]),
        "partition": attr.string(doc = "The slot's boot partition, or `PARTITION/VOLUME` where it is a logical volume.", mandatory = True),
        "slot": attr.string(doc = "Whose command line: one capital letter.", mandatory = True),
        "variables": attr.string_dict(doc = "Variable of the boot loader in the command line to its value; each must be there, and none more."),
        "_tool": attr.label(default = "//py/tools:boot_files", executable = True, cfg = "exec"),
    },
)
