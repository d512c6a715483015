"""Layers that we compose of Dockerfiles, held against what a container engine builds of them."""

load("//toolchains/private:checks.bzl", "refuse")
load("//toolchains/sysimage/providers:dockerfile_info.bzl", "DockerfileInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load("//toolchains/vm:defs.bzl", "vm_test")
load(":engine.bzl", "ENGINE_FILES")
load(":sources.bzl", "source_key")

_RULE = "dockerfile_test"

def _dockerfile_subject_impl(ctx):
    base = ctx.attr.layers[0][DockerfileInfo].base
    epoch = ctx.attr.layers[0][DockerfileInfo].epoch
    if not base:
        refuse(_RULE, "layers", "have a base, which FROM stands for", "none for \"{}\"".format(ctx.attr.layers[0].label.name))
    files = [base.tree]
    sources = [base.sources]
    layers = []
    for target in ctx.attr.layers:
        recipe = target[DockerfileInfo]
        made = target[RootfsInfo]
        if not recipe.base or recipe.base.tree != base.tree:
            refuse(_RULE, "layers", "be on one base", "another one for \"{}\"".format(target.label.name), "write a test for each base")
        if recipe.epoch != epoch:
            refuse(_RULE, "layers", "be of one epoch", "{} and {}".format(epoch, recipe.epoch))
        layers.append({
            "build_args": recipe.build_args,
            "config": made.config.short_path,
            "context": {path: file.short_path for path, file in recipe.context.items()},
            "dockerfile": recipe.dockerfile.short_path,
            "label": str(target.label),
            "modes": recipe.modes,
            "name": target.label.name,
            "tree": made.tree.short_path,
        })
        files += [made.config, made.tree, recipe.dockerfile] + recipe.context.values()
        sources.append(made.sources)
    if base.config:
        files.append(base.config)
    all_sources = depset(transitive = sources).to_list()
    subject = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(subject, json.encode_indent({
        "base": base.tree.short_path,
        "base_config": base.config.short_path if base.config else "",
        "epoch": epoch,
        "layers": layers,
        "sources": {source_key(file): file.short_path for file in all_sources},
    }) + "\n")
    return [DefaultInfo(files = depset([subject]), runfiles = ctx.runfiles([subject] + files + all_sources))]

dockerfile_subject = rule(
    implementation = _dockerfile_subject_impl,
    doc = "Names the files that a `dockerfile_test` works on, for its program to read.",
    attrs = {
        "layers": attr.label_list(doc = "What was composed.", mandatory = True, allow_empty = False, providers = [[DockerfileInfo, RootfsInfo]]),
    },
)

def dockerfile_test(name, layers, reviewed, seconds = 900, size = "large", **kwargs):
    """Tests layers against what a container engine builds of the same Dockerfiles on the same base.

    buildah runs as root in an emulated machine (see docs/oracles.md), which starts once for all layers. Each tree is compared entry by
    entry: type, mode, owner by name and number, link target, hard links, device numbers, extended attributes, content;
    and the image configuration. Every difference must stand in the reviewed list with its reason, and every row of the list must
    explain a difference.

    ```starlark
    dockerfile_test(
        name = "dockerfile_test",
        layers = [":configured"],
        reviewed = "dockerfile-differences.txt",
    )
    ```

    Args:
        name: name of the target.
        layers: `rootfs_layer` targets, all on one base; Dockerfile, context, modes and build arguments are theirs. An engine takes
            half a minute for the first, and some seconds for each RUN.
        reviewed: the list of reviewed differences: rows of path pattern, kind, reason; for all layers.
        seconds: how long the machine may take.
        size: size of the test.
        **kwargs: as for py_test.
    """
    dockerfile_subject(
        name = name + "_subject",
        testonly = True,
        layers = layers,
        tags = ["manual"],
    )
    vm_test(
        name = name,
        size = size,
        srcs = [Label("//toolchains/sysimage/testing:dockerfile_test.py")],
        cpus = 1,
        data = [reviewed],
        env = {
            "REVIEWED": "$(rootpath {})".format(reviewed),
            "SECONDS": str(seconds),
        },
        files = ENGINE_FILES | {"SUBJECT": name + "_subject"},
        deps = [
            Label("//py/sysimage:errors"),
            Label("//py/sysimage:extents"),
            Label("//py/sysimage:tree"),
            Label("//py/sysimage/difference"),
            Label("//py/sysimage/dockerfile"),
            Label("//py/sysimage/engine"),
        ],
        **kwargs
    )
