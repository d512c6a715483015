"""A container image, loaded by a real engine."""

load("//toolchains/private:checks.bzl", "refuse")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load("//toolchains/vm:defs.bzl", "vm_test")
load(":engine.bzl", "ENGINE_FILES")
load(":sources.bzl", "DEFAULT_EPOCH", "source_key")

_RULE = "container_test"

def _check(attr):
    if not attr.commands:
        refuse(_RULE, "commands", "have at least one command to run in the container", "none")
    for command, pattern in attr.commands.items():
        if not command or not pattern:
            refuse(_RULE, "commands", "have a command and a pattern of what it prints each", repr({command: pattern}))

def _container_subject_impl(ctx):
    _check(ctx.attr)
    src = ctx.attr.src[RootfsInfo]
    sources = src.sources.to_list()
    subject = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(subject, json.encode_indent({
        "archive": ctx.file.image.short_path,
        "commands": ctx.attr.commands,
        "epoch": DEFAULT_EPOCH,
        "sources": {source_key(file): file.short_path for file in sources},
        "tree": src.tree.short_path,
    }) + "\n")
    return [DefaultInfo(files = depset([subject]), runfiles = ctx.runfiles([subject, ctx.file.image, src.tree] + sources))]

container_subject = rule(
    implementation = _container_subject_impl,
    doc = "Names the files that a `container_test` works on, for its program to read.",
    attrs = {
        "commands": attr.string_dict(doc = "Command to pattern."),
        "image": attr.label(doc = "The archive.", allow_single_file = [".tar"], mandatory = True),
        "src": attr.label(doc = "The tree that it must have.", mandatory = True, providers = [RootfsInfo]),
    },
)

def container_test(name, image, src, commands, seconds = 900, size = "large", **kwargs):
    """Tests that a container engine loads an image, that the image has a tree to the last attribute, and that it runs.

    buildah runs as root in an emulated machine (see docs/oracles.md). It loads the archive as `docker load` reads it (manifest.json)
    and as an OCI layout (index.json), which must be one image. The container's files are compared with the tree entry by entry: type, mode,
    owner, link target, hard links, device numbers, extended attributes, content. Then a shell in it runs commands.

    ```starlark
    container_test(
        name = "container_test",
        src = ":root_files",
        commands = {"cat /etc/version": "0\\\\.0\\\\.0-unstamped"},
        image = ":container-img.tar",
    )
    ```

    Args:
        name: name of the target.
        image: the archive, as `oci_image` makes it.
        src: the tree that it must have (RootfsInfo).
        commands: command to the pattern (Python's `re`) that all it prints must match; its exit status must be 0.
        seconds: how long the machine may take.
        size: size of the test; a minute or two for an image of 300 MB.
        **kwargs: as for py_test.
    """
    container_subject(
        name = name + "_subject",
        testonly = True,
        commands = commands,
        image = image,
        src = src,
        tags = ["manual"],
    )
    vm_test(
        name = name,
        size = size,
        srcs = [Label("//toolchains/sysimage/testing:container_test.py")],
        cpus = 1,
        env = {"SECONDS": str(seconds)},
        files = ENGINE_FILES | {"SUBJECT": name + "_subject"},
        deps = [
            Label("//py/sysimage:extents"),
            Label("//py/sysimage:oci"),
            Label("//py/sysimage:tree"),
            Label("//py/sysimage/difference"),
            Label("//py/sysimage/engine"),
        ],
        **kwargs
    )
