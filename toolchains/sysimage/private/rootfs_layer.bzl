"""A Dockerfile as a function on a file tree: nothing is executed."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/private:checks.bzl", "check_mode", "check_not_negative", "check_path", "check_unique", "only_has", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:dockerfile_info.bzl", "DockerfileInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "add_sources", "source_key")

_RULE = "rootfs_layer"

_WORD = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

def _check(attr):
    check_not_negative(_RULE, "epoch", attr.epoch)
    for root in attr.context_roots:
        check_path(_RULE, "context_roots", root)
        for other in attr.context_roots:
            if other.startswith(root + "/"):
                refuse(_RULE, "context_roots", "lie beside each other", "{} within {}".format(quote(other), quote(root)))
    check_unique(_RULE, "context_roots", attr.context_roots)
    for name in attr.build_args:
        if not name or not only_has(name, _WORD) or name[0].isdigit():
            refuse(_RULE, "build_args", "have names of letters, digits and \"_\" as ARG has them", quote(name))
    for path, mode in attr.modes.items():
        check_path(_RULE, "modes", path)
        check_mode(_RULE, "modes[{}]".format(quote(path)), mode)

def _context(files, roots):
    """The context that folders make together.

    Args:
        files: list of File.
        roots: folders that they are in, or [""].

    Returns:
        A dict of path in the context to File.
    """
    context = {}
    for file in files:
        found = [root for root in roots if not root or file.short_path.startswith(root + "/")]
        if not found:
            refuse(_RULE, "context", "have files under {} only".format(" or ".join([quote(root) for root in roots])), file.short_path)
        path = file.short_path.removeprefix(found[0] + "/")
        if path in context:
            refuse(_RULE, "context", "have each path once", "{} from {} and {}".format(quote(path), context[path].short_path, file.short_path))
        context[path] = file
    return context

def _rootfs_layer_impl(ctx):
    _check(ctx.attr)
    layer = ctx.actions.declare_file(ctx.label.name + ".tar.zst")
    tree = ctx.actions.declare_file(ctx.label.name + ".tree")
    config = ctx.actions.declare_file(ctx.label.name + ".config.json")
    args = ctx.actions.args()
    args.add("--dockerfile", ctx.file.dockerfile)
    inputs = [ctx.file.dockerfile]
    base_sources = depset()
    layers = []
    if ctx.attr.base:
        base = ctx.attr.base[RootfsInfo]
        args.add("--base_tree", base.tree)
        if base.config:
            args.add("--base_config", base.config)
            inputs.append(base.config)
        add_sources(args, base.sources)
        inputs.append(base.tree)
        base_sources = base.sources
        layers = base.layers
    context = _context(ctx.files.context, ctx.attr.context_roots or [ctx.label.package])
    for path, file in context.items():
        args.add("--context", file, format = path.replace("%", "%%") + "=%s")
    args.add_all(["{}={}".format(key, value) for key, value in ctx.attr.build_args.items()], before_each = "--build_arg")
    args.add_all(["{}={}".format(path, mode) for path, mode in ctx.attr.modes.items()], before_each = "--mode")
    debs = depset()
    if ctx.attr.packages:
        packages = ctx.attr.packages[DebSetInfo]
        debs = depset(packages.debs)
        args.add_all(debs, before_each = "--deb")
        args.add_all(packages.essential, before_each = "--essential")
    for flag, file in [("--accounts", ctx.file.accounts), ("--scripts", ctx.file.scripts)]:
        if file:
            args.add(flag, file)
            inputs.append(file)
    args.add("--epoch", ctx.attr.epoch)
    args.add("--layer_out", layer)
    args.add("--layer_key", source_key(layer))
    args.add("--tree_out", tree)
    args.add("--config_out", config)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = depset(inputs + ctx.files.context, transitive = [debs, base_sources]),
        outputs = [layer, tree, config],
        mnemonic = "RootfsLayer",
        progress_message = "Composing layer %{label}",
    )
    return [
        DefaultInfo(files = depset([layer, tree])),
        RootfsInfo(
            tree = tree,
            sources = depset([layer], transitive = [base_sources]),
            layers = layers + [layer],
            layers_tree = tree,
            config = config,
        ),
        DockerfileInfo(
            base = ctx.attr.base[RootfsInfo] if ctx.attr.base else None,
            build_args = ctx.attr.build_args,
            context = context,
            dockerfile = ctx.file.dockerfile,
            epoch = ctx.attr.epoch,
            modes = ctx.attr.modes,
        ),
    ]

rootfs_layer = rule(
    implementation = _rootfs_layer_impl,
    doc = """\
Builds one layer of a root filesystem from a Dockerfile, as a function on a tree.

No instruction is executed: `RUN` knows a documented vocabulary (docs/dockerfile.md), each word a function
on the tree; packages come from a lock. So the layer is the same for any user, in any sandbox. The file stays an
ordinary Dockerfile that a container engine builds too.

```starlark
rootfs_layer(
    name = "rootfs",
    accounts = "accounts.conf",
    build_args = {"HOST_NAME": "example"},
    context = glob(["rootfs/**"]),
    dockerfile = "rootfs/Dockerfile",
    packages = ":lock_system",
)
```
""",
    attrs = {
        "accounts": attr.label(doc = "The table of accounts with their fixed numbers (`g NAME GID` and `u NAME UID:GROUP` lines). An account that a package or the Dockerfile wants and the table lacks is an error.", allow_single_file = True),
        "base": attr.label(doc = "What FROM stands for; left out: nothing, so that packages begin with the essential ones.", providers = [RootfsInfo]),
        "build_args": attr.string_dict(doc = "Values of ARG, by name, as `--build-arg` of a container engine."),
        "context": attr.label_list(doc = "Files that COPY may take. A change of one of them builds the layer again, so give it no more than it copies.", allow_files = True),
        "context_roots": attr.string_list(doc = "Folders that the paths of COPY are relative to, from the repository's root: what is below them makes one context, in which each path is there once. The default is the package."),
        "dockerfile": attr.label(doc = "The Dockerfile.", allow_single_file = True, mandatory = True),
        "epoch": attr.int(doc = "Modification time of all that is made, seconds since 1970.", default = DEFAULT_EPOCH),
        "modes": attr.string_dict(doc = "Context path or pattern to octal mode. A file is 0644 otherwise: the modes of a work tree differ between machines, so they count for nothing."),
        "packages": attr.label(doc = "The locked packages that `apt-get install` may take.", providers = [DebSetInfo]),
        "scripts": attr.label(doc = "The table of maintainer scripts: what is done instead of each. A script that it does not know stops the build.", allow_single_file = True, default = "//toolchains/debian/scripts:table"),
        "_tool": attr.label(default = "//py/tools:rootfs_layer", executable = True, cfg = "exec"),
    },
    provides = [
        DockerfileInfo,
        RootfsInfo,
    ],
)
