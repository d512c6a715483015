"""A configured image as a target: its values are checked when it is built."""

load("//toolchains/private:checks.bzl", "check_name", "check_one_file", "check_unique", "quote", "refuse")  # buildifier: disable=bzl-visibility
load("//toolchains/python:defs.bzl", "PYTHON_ENV")

_RULE = "configured_image"
_ACCOUNTS = ["admin", "backup", "readonly"]
_CHECKS = ["cpu", "memory", "disks", "network"]
_REMOVABLE = ["node_operator_private_key.pem"] + ["ssh_authorized_keys/" + account for account in _ACCOUNTS]
_FILES = {
    "config": "`config.ini`: the network of the node.",
    "deployment": "`deployment.json`: what nodes of a deployment have in common.",
    "nns_public_key": "Public key of the NNS, PEM.",
    "node_operator_private_key": "Private key of the node operator, PEM.",
}

def _check(attr):
    check_name(_RULE, "out", attr.out.name, [".tar.zst"])
    check_unique(_RULE, "ssh_authorized_keys", attr.ssh_authorized_keys.values())
    for account in attr.ssh_authorized_keys.values():
        if account not in _ACCOUNTS:
            refuse(_RULE, "ssh_authorized_keys", "be for one of {}".format(", ".join(_ACCOUNTS)), quote(account))
    check_unique(_RULE, "skip_checks", attr.skip_checks)
    for check in attr.skip_checks:
        if check not in _CHECKS:
            refuse(_RULE, "skip_checks", "be of {}".format(", ".join(_CHECKS)), quote(check))
    check_unique(_RULE, "remove", attr.remove)
    for file in attr.remove:
        if file not in _REMOVABLE:
            refuse(_RULE, "remove", "be of {}".format(", ".join(_REMOVABLE)), quote(file))

def _configured_image_impl(ctx):
    _check(ctx.attr)
    archive = ctx.outputs.out
    checksum = ctx.actions.declare_file(archive.basename + ".sha256", sibling = archive)
    inputs = [ctx.file.image]
    args = ctx.actions.args()
    args.add("--image", ctx.file.image)
    args.add("--output", archive)
    for name in _FILES:
        file = getattr(ctx.file, name)
        if file:
            args.add("--" + name, file)
            inputs.append(file)
    for target, account in ctx.attr.ssh_authorized_keys.items():
        file = check_one_file(_RULE, "ssh_authorized_keys", target)
        args.add("--ssh_authorized_keys", file, format = account + "=%s")
        inputs.append(file)
    for key, value in ctx.attr.settings.items():
        args.add("--set={}={}".format(key, value))
    if ctx.attr.skip_checks:
        args.add_joined("--skip_checks", ctx.attr.skip_checks, join_with = ",")
    args.add_all(ctx.attr.remove, before_each = "--remove")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [archive, checksum],
        mnemonic = "ConfigureImage",
        progress_message = "Configuring %{output}",
    )
    return [DefaultInfo(files = depset([archive, checksum]))]

configured_image = rule(
    implementation = _configured_image_impl,
    doc = """\
An image of SetupOS with a configuration of its own, and its checksum beside it.

`//ic-os/setupos:configure` makes it, which refuses with the reason what the installed host would refuse. What no attribute names stays as it
is in the image; pieces of the archive that are left alone are copied as they are.

```starlark
configured_image(
    name = "stick",
    out = "stick.tar.zst",
    image = "//ic-os/setupos/envs/dev:disk-img.tar.zst",
    settings = {
        "ipv6_gateway": "2001:db8:0:1::1",
        "ipv6_prefix": "2001:db8:0:1",
    },
    skip_checks = ["memory"],
    ssh_authorized_keys = {"id_ed25519.pub": "admin"},
)
```
""",
    attrs = {
        "image": attr.label(doc = "The image, `disk-img.tar.zst` as it is built.", allow_single_file = [".zst"], mandatory = True),
        "out": attr.output(doc = "Name of the archive, ending in `.tar.zst`.", mandatory = True),
        "remove": attr.string_list(doc = "Files to take away: {}.".format(", ".join(["`{}`".format(each) for each in _REMOVABLE]))),
        "settings": attr.string_dict(doc = "Keys of `config.ini` and, with a dot, of `deployment.json`, with their values; an empty one takes the key away."),
        "skip_checks": attr.string_list(doc = "Checks of the machine to skip: {}. Not in prod.".format(", ".join(_CHECKS))),
        "ssh_authorized_keys": attr.label_keyed_string_dict(
            doc = "File with public ssh keys to the account that they open: {}.".format(", ".join(_ACCOUNTS)),
            allow_files = True,
        ),
        "_tool": attr.label(default = "//ic-os/setupos/configure", executable = True, cfg = "exec"),
    } | {
        name: attr.label(doc = doc, allow_single_file = True)
        for name, doc in _FILES.items()
    },
)
