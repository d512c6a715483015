"""Kernel command lines, with what a verity root needs to be opened."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:verity_info.bzl", "VerityInfo")

def _boot_args_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.out)
    args = ctx.actions.args()
    inputs = []
    for slot, line in ctx.attr.slots.items():
        args.add("--slot", "{}={}".format(slot, line))
    if ctx.attr.verity:
        parameters = ctx.attr.verity[VerityInfo].parameters
        args.add("--verity", parameters)
        inputs.append(parameters)
    args.add("--out", out)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = inputs,
        outputs = [out],
        env = PYTHON_ENV,
        mnemonic = "BootArgs",
        progress_message = "Writing kernel command lines %{label}",
    )
    return [DefaultInfo(files = depset([out]))]

boot_args = rule(
    implementation = _boot_args_impl,
    doc = """\
Writes the file with the kernel command line of each slot, in the form GRUB reads.

With `verity` each line gets `root_hash=`, `verity.data_blocks=`, `verity.hash_start=` and `verity.salt=`, which the
initrd's init opens the root with. A line may use GRUB's variables, such as `$boot_state`.

```starlark
boot_args(
    name = "boot_args",
    slots = {
        "A": "root=/dev/vda5 console=ttyS0 slot=A",
        "B": "root=/dev/vda8 console=ttyS0 slot=B",
    },
    verity = ":root_verity",
)
```
""",
    attrs = {
        "out": attr.string(doc = "Name of the file.", default = "boot_args"),
        "slots": attr.string_dict(doc = "Slot, one capital letter, to its command line.", mandatory = True),
        "verity": attr.label(doc = "The root image.", providers = [VerityInfo]),
        "_tool": attr.label(default = "//py/tools:boot_args", executable = True, cfg = "exec"),
    },
)
