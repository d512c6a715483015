"""What a nested Bazel fetches, as files."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")

def _nested_inputs_impl(ctx):
    debs = depset([deb for packages in ctx.attr.packages for deb in packages[DebSetInfo].debs])
    manifest = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(manifest, json.encode_indent({
        "debs": [deb.short_path for deb in debs.to_list()],
        "sources": ctx.file._index.short_path,
        "wheels": [wheel.short_path for wheel in ctx.files.wheels],
    }))
    files = [manifest, ctx.file._index] + ctx.files._sources + ctx.files.wheels
    return [DefaultInfo(
        files = depset([manifest]),
        runfiles = ctx.runfiles(files, transitive_files = debs),
    )]

nested_inputs = rule(
    implementation = _nested_inputs_impl,
    doc = "The sources of the workspace, and what its repositories would fetch; the output says where in the runfiles each is.",
    attrs = {
        "packages": attr.label_list(doc = "Sets of .debs that the nested build needs.", providers = [DebSetInfo]),
        "wheels": attr.label_list(doc = "Wheels that the nested build needs.", allow_files = [".whl"]),
        "_index": attr.label(default = "@workspace_sources//:files.json", allow_single_file = True),
        "_sources": attr.label(default = "@workspace_sources//:files"),
    },
)
