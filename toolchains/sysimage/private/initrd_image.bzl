"""The initrd: a small first root in memory that opens the real one."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/private:checks.bzl", "check_name", "check_not_negative", "check_path", "check_unique", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "add_sources")

_RULE = "initrd_image"

# What toolchains/sysimage/initrd/verity-init.sh uses.
_VERITY_APPLETS = ["cat", "cut", "dd", "grep", "insmod", "mount", "sed", "sh", "sleep", "switch_root", "tr", "umount", "xxd"]

def _check(attr):
    if attr.out:
        check_name(_RULE, "out", attr.out)
    check_not_negative(_RULE, "epoch", attr.epoch)
    if attr.modules and not attr.kernel and not attr.kernel_packages:
        refuse(_RULE, "modules", "be left out when neither kernel nor kernel_packages says where they are", attr.modules)
    check_unique(_RULE, "modules", attr.modules)
    for module in attr.modules:
        if not module or "/" in module or module.endswith(".ko") or ".ko." in module:
            name = module.rpartition("/")[2].partition(".ko")[0]
            refuse(_RULE, "modules", "be names of kernel modules", quote(module), "use \"{}\"".format(name) if name else "")
    check_unique(_RULE, "applets", attr.applets)
    for applet in attr.applets:
        if not applet or "/" in applet:
            refuse(_RULE, "applets", "be names of busybox's commands", quote(applet))
    for attribute, paths in [("files", attr.files), ("paths", attr.paths)]:
        for path in paths:
            check_path(_RULE, attribute, path)

def _initrd_image_impl(ctx):
    _check(ctx.attr)
    out = ctx.actions.declare_file(ctx.attr.out or ctx.label.name + ".img")
    programs = ctx.attr.programs[DebSetInfo]
    args = ctx.actions.args()
    args.add_all(programs.debs, before_each = "--deb")
    args.add_all(ctx.attr.paths, before_each = "--program")
    args.add_all(ctx.attr.applets, before_each = "--applet")
    args.add_all(ctx.attr.files, before_each = "--file")
    inputs = [ctx.file.init] + programs.debs
    if ctx.attr.kernel_packages:
        kernel = ctx.attr.kernel_packages[DebSetInfo]
        args.add_all(kernel.debs, before_each = "--kernel_deb")
        inputs += kernel.debs
    trees = [target[RootfsInfo] for target in ctx.attr.kernel]
    args.add_all([info.tree for info in trees], before_each = "--kernel_tree")
    sources = depset(transitive = [info.sources for info in trees])
    add_sources(args, sources)
    args.add_all(ctx.attr.modules, before_each = "--module")
    args.add("--init", ctx.file.init)
    args.add("--epoch", ctx.attr.epoch)
    args.add("--out", out)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = depset(inputs + [info.tree for info in trees], transitive = [sources]),
        outputs = [out],
        env = PYTHON_ENV,
        mnemonic = "InitrdImage",
        progress_message = "Making initrd %{label}",
    )
    return [DefaultInfo(files = depset([out]))]

initrd_image = rule(
    implementation = _initrd_image_impl,
    doc = """\
Makes an initrd: busybox, a few programs with their libraries, kernel modules in loading order, and an init script.

The default init opens the dm-verity device that the kernel command line names, mounts it read-only and starts
the system on it; if it cannot, it says why and panics. With `machine_id=` on that line it provides `/etc/machine-id`, which a root
that is never written cannot keep, out of another partition (the script says how). A zstd-compressed cpio archive, the same bytes every time.

```starlark
initrd_image(
    name = "initrd",
    kernel = [
        ":rootfs",
        ":modules",
    ],
    modules = [
        "virtio_blk",
        "dm-verity",
    ],
)
```
""",
    attrs = {
        "applets": attr.string_list(doc = "Commands of busybox that `init` uses.", default = _VERITY_APPLETS),
        "epoch": attr.int(doc = "Modification time of everything, seconds since 1970.", default = DEFAULT_EPOCH),
        "files": attr.string_list(doc = "Patterns of other files in `programs`; they keep their paths."),
        "init": attr.label(doc = "What the kernel starts.", allow_single_file = True, default = "//toolchains/sysimage/initrd:verity-init.sh"),
        "kernel": attr.label_list(doc = "Trees with one kernel's modules and their index, laid over each other.", providers = [RootfsInfo]),
        "kernel_packages": attr.label(doc = "Kernel packages; `kernel` is laid over what is in them.", providers = [DebSetInfo]),
        "modules": attr.string_list(doc = "Modules to load, by name; what they need comes before them, what is built in is left out."),
        "out": attr.string(doc = "Name of the file; the default is the target's name with `.img`."),
        "paths": attr.string_list(doc = "Paths in `programs` of what goes to /sbin.", default = ["usr/sbin/dmsetup"]),
        "programs": attr.label(doc = "Packages with busybox and the programs.", default = "@debian_tools//:initrd", providers = [DebSetInfo]),
        "_tool": attr.label(default = "//py/tools:initrd_image", executable = True, cfg = "exec"),
    },
)
