"""A root filesystem as a container image."""

load("//toolchains/private:checks.bzl", "check_name", "check_not_negative", "only_has", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "add_sources")

_RULE = "oci_image"

# What engines take in names, without a registry's host and path.
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789._-"
_TAG = _NAME + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

def _check(attr):
    check_name(_RULE, "out", attr.out.name, [".tar"])
    check_not_negative(_RULE, "epoch", attr.epoch)
    name, separator, tag = attr.image_name.partition(":")
    if not separator or not name or not tag or not only_has(name, _NAME) or not only_has(tag, _TAG):
        refuse(_RULE, "image_name", "be of the form NAME:TAG, the name in lower case", quote(attr.image_name))
    src = attr.src[RootfsInfo]
    if not src.layers or not src.config:
        refuse(
            _RULE,
            "src",
            "be made of layers",
            "none in \"{}\"".format(attr.src.label.name),
            "name a rootfs_layer, or a file_tree whose base is one",
        )

def _oci_image_impl(ctx):
    _check(ctx.attr)
    src = ctx.attr.src[RootfsInfo]
    out = ctx.outputs.out
    digest = ctx.actions.declare_file(ctx.label.name + ".digest")
    args = ctx.actions.args()
    args.add_all(src.layers, before_each = "--layer")
    args.add("--config", src.config)
    trees = []
    if src.tree != src.layers_tree:
        trees = [src.tree, src.layers_tree]
        args.add("--tree", src.tree)
        args.add("--layers_tree", src.layers_tree)
        add_sources(args, src.sources)
    args.add("--name", ctx.attr.image_name)
    args.add("--epoch", ctx.attr.epoch)
    args.add("--out", out)
    args.add("--digest_out", digest)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = depset(src.layers + [src.config] + trees, transitive = [src.sources] if trees else []),
        outputs = [out, digest],
        mnemonic = "OciImage",
        progress_message = "Writing %{output}",
    )
    return [
        DefaultInfo(files = depset([out])),
        OutputGroupInfo(digest = depset([digest])),
    ]

oci_image = rule(
    implementation = _oci_image_impl,
    doc = """\
Writes a root filesystem as a container image: an OCI layout in a tar, which engines load.

The layers are those that the tree was made of, compressed as they are, and one more with what came late (`file_tree`):
the container has the same tree as a disk that is made of it. `docker load` (from version 23) and `podman load` take the
archive; for skopeo and buildah it is `oci-archive:` or `docker-archive:`. The output group `digest` has the file
`<name>.digest` with the digest that names the image.

```starlark
oci_image(
    name = "container",
    src = ":root_files",
    out = "container-img.tar",
    image_name = "example:dev",
)
```
""",
    attrs = {
        "epoch": attr.int(doc = "Time at which the image says it was made, seconds since 1970.", default = DEFAULT_EPOCH),
        "image_name": attr.string(doc = "`NAME:TAG` under which engines load it.", mandatory = True),
        "out": attr.output(doc = "Name of the archive, ending in `.tar`.", mandatory = True),
        "src": attr.label(doc = "What the container has: a `rootfs_layer`, or a `file_tree` on one.", mandatory = True, providers = [RootfsInfo]),
        "_tool": attr.label(default = "//py/tools:oci_image", executable = True, cfg = "exec"),
    },
)
