"""GRUB for UEFI."""

load("//toolchains/private:checks.bzl", "check_name", "check_unique", "only_has", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:locked_tool_info.bzl", "LockedToolInfo")

_RULE = "grub_image"

# Entries of a GUID partition table as everybody makes it.
_MAX_PARTITION = 128

_MODULE_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"

def _check(attr):
    if attr.partition < 1 or attr.partition > _MAX_PARTITION:
        refuse(_RULE, "partition", "be a partition's number, 1 to {}".format(_MAX_PARTITION), attr.partition)
    check_name(_RULE, "out", attr.out, [".efi"])
    check_unique(_RULE, "modules", attr.modules)
    for module in attr.modules:
        if not module or not only_has(module, _MODULE_CHARACTERS):
            refuse(_RULE, "modules", "be names of GRUB's modules", quote(module), "without folder and \".mod\"")

def _grub_image_impl(ctx):
    _check(ctx.attr)
    out = ctx.actions.declare_file(ctx.attr.out)
    grub = ctx.attr.grub[LockedToolInfo]
    args = ctx.actions.args()
    args.add_all([grub.folder], before_each = "--tool", expand_directories = False)
    args.add("--partition", ctx.attr.partition)
    args.add_all(ctx.attr.modules, before_each = "--module")
    args.add("--out", out)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = [grub.folder],
        outputs = [out],
        env = PYTHON_ENV,
        mnemonic = "GrubImage",
        progress_message = "Making boot loader %{label}",
    )
    return [DefaultInfo(files = depset([out]))]

grub_image = rule(
    implementation = _grub_image_impl,
    doc = """\
Makes GRUB as an EFI program that holds all its modules.

It reads `grub.cfg` from one partition of the disk that it was loaded from, by number, and searches
for nothing. If that fails it says so and restarts the machine; there is no prompt.

```starlark
grub_image(
    name = "efi",
    out = "BOOTX64.EFI",
    partition = 2,
)
```
""",
    attrs = {
        "grub": attr.label(doc = "Unpacked GRUB.", default = "//toolchains/sysimage/tools:grub", providers = [LockedToolInfo], cfg = "exec"),
        "modules": attr.string_list(doc = "GRUB's modules; left out: what grub.cfg needs to boot Linux from FAT, ext4 and LVM."),
        "out": attr.string(doc = "Name of the file.", default = "BOOTX64.EFI"),
        "partition": attr.int(doc = "Number, from 1, of the partition with grub.cfg.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:grub_image", executable = True, cfg = "exec"),
    },
)
