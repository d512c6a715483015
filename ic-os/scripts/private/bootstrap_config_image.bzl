"""The bootstrap medium of a GuestOS, made by build-bootstrap-config-image, which checks every value."""

# Refusals of all rules of this repository have one form.
load("//toolchains/private:checks.bzl", "check_name", "check_one_file", "check_unique", "quote", "refuse")  # buildifier: disable=bzl-visibility
load("//toolchains/python:defs.bzl", "PYTHON_ENV")

_RULE = "bootstrap_config_image"

_ACCOUNTS = ["admin", "backup", "readonly", "root"]

# Attributes that are handed to the tool as they are: name to what they are for.
_TEXTS = {
    "domain": "Domain in which names without a dot are looked up.",
    "hostname": "Host name by RFC 1123, at most 64 characters.",
    "ipv4_address": "IPv4 address with its prefix length, `192.0.2.2/24`; left out: there is none.",
    "ipv4_gateway": "IPv4 router; goes with `ipv4_address`.",
    "ipv6_address": "IPv6 address with its prefix length, `2001:db8::2/64`; left out: made of what the router advertises.",
    "ipv6_gateway": "IPv6 router; goes with `ipv6_address`.",
    "malicious_behavior": "JSON object for the malicious replica of dev-malicious; for tests only.",
    "socks_proxy": "URL of a SOCKS proxy, `socks5://HOST:PORT`; for tests only.",
}

# Lists: the option of the tool that takes each of them, and what they are for.
_LISTS = {
    "bitcoind_addr": ("bitcoind_addr", "`HOST:PORT` of bitcoind; for tests only."),
    "elasticsearch_hosts": ("elasticsearch_hosts", "`HOST:PORT` of servers that take the logs."),
    "elasticsearch_tags": ("elasticsearch_tags", "Tags of the logs."),
    "name_servers": ("name_servers", "DNS servers, IPv6 or IPv4."),
    "nns_urls": ("nns_url", "URLs of nodes of the NNS."),
}

_SECONDS = {
    "backup_purging_interval_secs": "How often old backups go, in seconds; -1: left out.",
    "backup_retention_time_secs": "How long backups are kept, in seconds; -1: left out.",
}

_FILES = {
    "ic_crypto": "Folder with the keys of the node, for `/var/lib/ic/crypto`.",
    "ic_registry_local_store": "Folder with the registry's local store, for `/var/lib/ic/data`.",
    "nns_public_key": "Public key of the NNS, PEM.",
    "node_operator_private_key": "Private key of the node operator, PEM.",
}

_PAIRS = [("ipv6_address", "ipv6_gateway"), ("ipv4_address", "ipv4_gateway")]

def _check(attr):
    check_name(_RULE, "out", attr.out.name, [".img"])
    for pair in _PAIRS:
        for has, lacks in [pair, reversed(pair)]:
            if getattr(attr, has) and not getattr(attr, lacks):
                refuse(_RULE, lacks, "be given together with {}".format(has), "nothing", "give both, or neither")
    for name in _LISTS:
        check_unique(_RULE, name, getattr(attr, name))
    for name in _SECONDS:
        if getattr(attr, name) < -1:
            refuse(_RULE, name, "be a number of seconds, or -1", getattr(attr, name))
    seen = []
    for account in attr.accounts_ssh_authorized_keys.values():
        if account not in _ACCOUNTS:
            refuse(_RULE, "accounts_ssh_authorized_keys", "be for one of {}".format(", ".join(_ACCOUNTS)), quote(account))
        if account in seen:
            refuse(_RULE, "accounts_ssh_authorized_keys", "have one file for each account", quote(account) + " twice")
        seen.append(account)

def _bootstrap_config_image_impl(ctx):
    _check(ctx.attr)
    image = ctx.outputs.out
    args = ctx.actions.args()
    args.add(image)
    inputs = []
    for name in _TEXTS:
        if getattr(ctx.attr, name):
            args.add(getattr(ctx.attr, name), format = "--{}=%s".format(name))
    for name, (option, _) in _LISTS.items():
        args.add_all(getattr(ctx.attr, name), format_each = "--{}=%s".format(option))
    for name in _SECONDS:
        if getattr(ctx.attr, name) >= 0:
            args.add(getattr(ctx.attr, name), format = "--{}=%s".format(name))
    for name in _FILES:
        file = getattr(ctx.file, name)
        if file:
            args.add("--" + name, file.path)
            inputs.append(file)
    for target, account in ctx.attr.accounts_ssh_authorized_keys.items():
        # A target without files is for keys that somebody may have, or not (a label flag, say).
        if target[DefaultInfo].files:
            file = check_one_file(_RULE, "accounts_ssh_authorized_keys", target)
            args.add(file, format = "--accounts_ssh_authorized_keys={}=%s".format(account))
            inputs.append(file)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [image],
        mnemonic = "BootstrapConfig",
        progress_message = "Making bootstrap medium %{label}",
    )
    return [DefaultInfo(files = depset([image]))]

bootstrap_config_image = rule(
    implementation = _bootstrap_config_image_impl,
    doc = """\
Makes the medium that configures a GuestOS at its first boot.

It is a FAT volume with the label `CONFIG` that holds `ic-bootstrap.tar`. The tool checks every value and refuses with the reason what
is malformed; the same attributes give the same bytes.

```starlark
bootstrap_config_image(
    name = "bootstrap",
    out = "bootstrap.img",
    accounts_ssh_authorized_keys = {"id_ed25519.pub": "admin"},
    hostname = "guest-1",
    ipv6_address = "2001:db8::2/64",
    ipv6_gateway = "2001:db8::1",
    name_servers = ["2001:db8::53"],
)
```
""",
    attrs = {
        "accounts_ssh_authorized_keys": attr.label_keyed_string_dict(
            doc = "File with public ssh keys to the account that they open: admin, backup, readonly, root (root in dev variants only). A target without files adds no key.",
            allow_files = True,
        ),
        "out": attr.output(doc = "Name of the image; ends in `.img`.", mandatory = True),
        "_tool": attr.label(default = "//ic-os/scripts:build-bootstrap-config-image", executable = True, cfg = "exec"),
    } | {
        name: attr.string(doc = doc)
        for name, doc in _TEXTS.items()
    } | {
        name: attr.string_list(doc = doc)
        for name, (_, doc) in _LISTS.items()
    } | {
        name: attr.int(doc = doc, default = -1)
        for name, doc in _SECONDS.items()
    } | {
        name: attr.label(doc = doc, allow_single_file = True)
        for name, doc in _FILES.items()
    },
)
