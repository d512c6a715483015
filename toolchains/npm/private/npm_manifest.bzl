"""What files of a folder are made of."""

load("//toolchains/npm:providers.bzl", "NpmBundleInfo")
load("//toolchains/private:checks.bzl", "check_name", "only_has", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")

_RULE = "npm_bundle_manifest"
_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

def _npm_bundle_manifest_impl(ctx):
    name = ctx.attr.out or ctx.label.name + ".json"
    check_name(_RULE, "out", name, [".json"])
    if not ctx.attr.origin or not only_has(ctx.attr.origin, _WORD):
        refuse(_RULE, "origin", "be one word", quote(ctx.attr.origin))
    files = {}
    for file in ctx.files.srcs:
        if file.basename in files or file.basename == name.rpartition("/")[2]:
            refuse(_RULE, "srcs", "have each name only once", quote(file.basename) + " twice")
        files[file.basename] = file
    if not files:
        refuse(_RULE, "srcs", "name at least one file", "none")
    manifest = ctx.actions.declare_file(name)
    lists = [src[NpmBundleInfo].packages for src in ctx.attr.srcs if NpmBundleInfo in src]

    args = ctx.actions.args()
    args.add(ctx.attr.origin, format = "--origin=%s")
    args.add_all([files[name] for name in sorted(files)], format_each = "--file=%s")
    args.add_all(lists, format_each = "--packages=%s")
    args.add(manifest, format = "--manifest_out=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = files.values() + lists,
        mnemonic = "NpmManifest",
        outputs = [manifest],
        progress_message = "Listing what is in %{label}",
    )
    return [DefaultInfo(files = depset([manifest]), runfiles = ctx.runfiles([manifest]))]

npm_bundle_manifest = rule(
    implementation = _npm_bundle_manifest_impl,
    doc = """\
What built files are made of, as JSON for whoever gets them.

```starlark
npm_bundle_manifest(
    name = "manifest",
    srcs = [
        "page.html",
        ":digest",
    ],
    origin = "source",
)
```

It has `origin`, `sha256` (of each file, by its base name) and `packages` (name, version and integrity of each package of
which something is in a bundle), compact and sorted, so that the same files have the same manifest.
""",
    attrs = {
        "origin": attr.string(doc = "What the files were built from, in one word of yours.", mandatory = True),
        "out": attr.string(doc = "Name of the file; left out: NAME.json. It may lie in a folder."),
        "srcs": attr.label_list(doc = "Files, and bundles (npm_bundle) with their source maps.", allow_files = True, mandatory = True),
        "_tool": attr.label(
            cfg = "exec",
            default = "//py/tools:npm_manifest",
            executable = True,
        ),
    },
)
