"""Actions with a planted fault each, for tests of reproducibility_test."""

load("//toolchains/python:defs.bzl", "PYTHON_ENV")

def _faulty_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".out")
    args = ctx.actions.args()
    args.add(ctx.attr.fault)
    args.add(out)
    args.add_all(ctx.files.srcs, expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = ctx.files.srcs,
        outputs = [out],
        mnemonic = ctx.attr.mnemonic,
    )
    return [DefaultInfo(files = depset([out]))]

faulty = rule(
    implementation = _faulty_impl,
    doc = "Runs faults.py: a file that is made of the sources, and of something that it should not be made of.",
    attrs = {
        "fault": attr.string(doc = "Which, as faults.py names them.", mandatory = True),
        "mnemonic": attr.string(doc = "Of the action.", default = "Faulty"),
        "srcs": attr.label_list(doc = "What it reads.", allow_files = True),
        "_tool": attr.label(default = ":faults", executable = True, cfg = "exec"),
    },
)

def _folder_impl(ctx):
    out = ctx.actions.declare_directory(ctx.label.name)
    args = ctx.actions.args()
    args.add("--folder")
    args.add_all([out], expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        outputs = [out],
        mnemonic = "Folder",
    )
    return [DefaultInfo(files = depset([out]))]

folder = rule(
    implementation = _folder_impl,
    doc = "A folder of 16 files, made without any fault.",
    attrs = {"_tool": attr.label(default = ":faults", executable = True, cfg = "exec")},
)

def _link_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".link")
    ctx.actions.symlink(output = out, target_file = ctx.file.src)
    return [DefaultInfo(files = depset([out]))]

link = rule(
    implementation = _link_impl,
    doc = "A link to a file.",
    attrs = {"src": attr.label(doc = "The file.", allow_single_file = True)},
)
