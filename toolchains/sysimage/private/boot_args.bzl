"""Kernel command lines, with what a verity root needs to be opened."""

load("//toolchains/private:checks.bzl", "check_name", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:verity_info.bzl", "VerityInfo")

_RULE = "boot_args"

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# They would end the line, or a word of it, in the file that GRUB reads.
_NOT_PLAIN = ["\n", "\r", "\t", "\"", "'", "\\", "`"]

def _check(attr):
    check_name(_RULE, "out", attr.out)
    if not attr.slots:
        refuse(_RULE, "slots", "name at least one slot", "none")
    for slot, line in attr.slots.items():
        if len(slot) != 1 or slot not in _LETTERS:
            refuse(_RULE, "slots", "have slots of one capital letter", quote(slot), "A and B")
        for character in _NOT_PLAIN:
            if character in line:
                refuse(_RULE, "slots[{}]".format(quote(slot)), "be one line without quotes, backslashes and tabs", repr(line))

def _boot_args_impl(ctx):
    _check(ctx.attr)
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
    slots = {"A": "root=PARTUUID=7e59c5a2-8f15-5501-a8aa-56582281c53c console=ttyS0 panic=10"},
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
