"""Native programs that run straight out of locked packages, installed nowhere."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/private:checks.bzl", "check_path", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:locked_tool_info.bzl", "LockedToolInfo")

_RULE = "locked_tool"

def _check(attr):
    if not attr.programs and not attr.files:
        refuse(_RULE, "programs", "name at least one program when there are no files", "neither")
    for attribute, paths in [("files", attr.files), ("programs", attr.programs)]:
        for path in paths:
            check_path(_RULE, attribute, path)
    for library in attr.libraries:
        if "/" in library or ".so" not in library:
            refuse(_RULE, "libraries", "be sonames", quote(library), "like \"libzstd.so.1\", without a folder")

def _locked_tool_impl(ctx):
    _check(ctx.attr)
    folder = ctx.actions.declare_directory(ctx.label.name)
    packages = ctx.attr.packages[DebSetInfo]
    args = ctx.actions.args()
    args.add_all(packages.debs, before_each = "--deb")
    args.add_all(ctx.attr.programs, before_each = "--program")
    args.add_all(ctx.attr.files, before_each = "--file")
    args.add_all(ctx.attr.libraries, before_each = "--library")
    args.add_all([folder], before_each = "--out", expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = packages.debs,
        outputs = [folder],
        env = PYTHON_ENV,
        mnemonic = "UnpackTool",
        progress_message = "Unpacking %{label}",
    )
    return [
        DefaultInfo(files = depset([folder]), runfiles = ctx.runfiles([folder])),
        LockedToolInfo(folder = folder),
    ]

locked_tool = rule(
    implementation = _locked_tool_impl,
    doc = """\
Unpacks native programs of locked packages, with the libraries they are linked with, into a folder.

Only what is needed gets in, without any symbolic link, so the folder can be the input of any action,
local or remote, and of tests.

```starlark
locked_tool(
    name = "kmod",
    packages = "@debian_tools//:kmod",
    programs = ["usr/bin/kmod"],
)
```
""",
    attrs = {
        "files": attr.string_list(doc = "Patterns of data files in the packages (`usr/share/qemu/*.rom`, `usr/lib/grub/**`); they keep their paths."),
        "libraries": attr.string_list(doc = "Sonames of libraries that the programs load at run time, which their headers do not mention."),
        "packages": attr.label(doc = "The packages, with all they depend on.", providers = [DebSetInfo], mandatory = True),
        "programs": attr.string_list(doc = "Paths of programs in the packages."),
        "_tool": attr.label(default = "//py/tools:unpack_tool", executable = True, cfg = "exec"),
    },
    provides = [LockedToolInfo],
)
