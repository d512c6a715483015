"""Stand-ins for what takes long to make; nothing here is ever built."""

load("//toolchains/debian:defs.bzl", "DebSetInfo")

def _package_set_impl(ctx):
    return [
        DefaultInfo(files = depset(ctx.files.debs)),
        DebSetInfo(debs = ctx.files.debs, names = [deb.basename.removesuffix(".deb") for deb in ctx.files.debs]),
    ]

package_set = rule(
    implementation = _package_set_impl,
    doc = "Files as if they were locked packages.",
    attrs = {"debs": attr.label_list(doc = "The .debs, by name.", allow_files = [".deb"])},
    provides = [DebSetInfo],
)
