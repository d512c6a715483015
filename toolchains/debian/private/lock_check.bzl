"""Package lists against their lock, at build time."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")

def _lock_check_impl(ctx):
    checked = ctx.actions.declare_file(ctx.label.name + ".checked")
    args = ctx.actions.args()
    args.add("--check")
    args.add("--lock", ctx.file.lock)
    args.add("--checked_out", checked)
    args.add("--mended_by", ctx.attr.mended_by)
    for entry in ctx.attr.sets:
        args.add("--set", ctx.expand_location(entry, ctx.attr.lists))
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = ctx.files.lists + [ctx.file.lock],
        outputs = [checked],
        env = PYTHON_ENV,
        mnemonic = "PackageLockCheck",
        progress_message = "Comparing package lists with %{label}",
    )
    return [
        DefaultInfo(files = depset([checked])),
        OutputGroupInfo(_validation = depset([checked])),
    ]

lock_check = rule(
    implementation = _lock_check_impl,
    doc = "Fails when the package lists ask for something else than the lock has. Made by `debian_lock`.",
    attrs = {
        "lists": attr.label_list(doc = "The package lists.", allow_files = True),
        "lock": attr.label(doc = "The lock file.", allow_single_file = [".json"], mandatory = True),
        "mended_by": attr.string(doc = "The command that refreshes the lock; the error shows it."),
        "sets": attr.string_list(doc = "NAME[:BASE]=LIST[,LIST...], each LIST as `$(execpath ...)` or @minimal."),
        "_tool": attr.label(default = "//py/tools:lock_packages", executable = True, cfg = "exec"),
    },
)

def _checked_deb_set_impl(ctx):
    info = ctx.attr.packages[DebSetInfo]
    return [
        DefaultInfo(files = depset(info.debs)),
        OutputGroupInfo(_validation = depset(ctx.files.check)),
        info,
    ]

checked_deb_set = rule(
    implementation = _checked_deb_set_impl,
    doc = """\
A set of a lock, given out only together with the check that its lists and the lock agree.

The check is a validation action: it runs beside the build of whatever uses the set, and fails it. Made by `debian_lock`.
""",
    attrs = {
        "check": attr.label(doc = "The lock's `lock_check`.", mandatory = True),
        "packages": attr.label(doc = "The set.", mandatory = True, providers = [DebSetInfo]),
    },
    provides = [DebSetInfo],
)
