"""Bootstrap media, made by build-bootstrap-config-image and build-boundary-bootstrap-config-image, which check every value."""

# Refusals of all rules of this repository have one form.
load("//toolchains/private:checks.bzl", "check_name", "check_one_file", "check_unique", "quote", "refuse")  # buildifier: disable=bzl-visibility
load("//toolchains/python:defs.bzl", "PYTHON_ENV")

# Attributes of both rules that are handed to the tool as they are: name to what they are for.
_NETWORK_TEXTS = {
    "domain": "Domain in which names without a dot are looked up.",
    "hostname": "Host name by RFC 1123, at most 64 characters.",
    "ipv4_address": "IPv4 address with its prefix length, `192.0.2.2/24`; left out: there is none.",
    "ipv4_gateway": "IPv4 router; goes with `ipv4_address`.",
    "ipv6_address": "IPv6 address with its prefix length, `2001:db8::2/64`; left out: made of what the router advertises.",
    "ipv6_gateway": "IPv6 router; goes with `ipv6_address`.",
}

# Lists of both: the option of the tool that takes each of them, and what they are for.
_NETWORK_LISTS = {
    "name_servers": ("name_servers", "DNS servers, IPv6 or IPv4."),
    "nns_urls": ("nns_url", "URLs of nodes of the NNS."),
}

# What the medium of a system has: `texts` and `lists` as above; `seconds`, numbers of them; `files`; `accounts` that ssh keys may be for;
# `pairs` of attributes that go together.
_GUESTOS = struct(
    rule = "bootstrap_config_image",
    accounts = ["admin", "backup", "readonly", "root"],
    texts = _NETWORK_TEXTS | {
        "malicious_behavior": "JSON object for the malicious replica of dev-malicious; for tests only.",
        "socks_proxy": "URL of a SOCKS proxy, `socks5://HOST:PORT`; for tests only.",
    },
    lists = _NETWORK_LISTS | {
        "bitcoind_addr": ("bitcoind_addr", "`HOST:PORT` of bitcoind; for tests only."),
        "elasticsearch_hosts": ("elasticsearch_hosts", "`HOST:PORT` of servers that take the logs."),
        "elasticsearch_tags": ("elasticsearch_tags", "Tags of the logs."),
    },
    seconds = {
        "backup_purging_interval_secs": "How often old backups go, in seconds; -1: left out.",
        "backup_retention_time_secs": "How long backups are kept, in seconds; -1: left out.",
    },
    files = {
        "ic_crypto": "Folder with the keys of the node, for `/var/lib/ic/crypto`.",
        "ic_registry_local_store": "Folder with the registry's local store, for `/var/lib/ic/data`.",
        "nns_public_key": "Public key of the NNS, PEM.",
        "node_operator_private_key": "Private key of the node operator, PEM.",
    },
    pairs = [("ipv6_address", "ipv6_gateway"), ("ipv4_address", "ipv4_gateway")],
)

_BOUNDARY = struct(
    rule = "boundary_bootstrap_config_image",
    accounts = ["admin", "readonly", "root"],
    texts = _NETWORK_TEXTS,
    lists = _NETWORK_LISTS | {
        "ipv4_http_ips": ("ipv4_http_ips", "IPv4 addresses or networks that may reach the gateway; neither these nor `ipv6_http_ips`: everybody may."),
        "ipv6_debug_ips": ("ipv6_debug_ips", "IPv6 addresses or networks that may reach ssh; left out: nobody may."),
        "ipv6_http_ips": ("ipv6_http_ips", "IPv6 addresses or networks that may reach the gateway; neither these nor `ipv4_http_ips`: everybody may."),
        "ipv6_monitoring_ips": ("ipv6_monitoring_ips", "IPv6 addresses or networks that may read metrics and the journal; left out: nobody may."),
        "ipv6_replica_ips": ("ipv6_replica_ips", "IPv6 addresses of the replicas that calls are forwarded to."),
    },
    seconds = {},
    files = {
        "certificate": "Chain of certificates for TLS, PEM; goes with `certificate_key`.",
        "certificate_key": "Private key of the first of them, PEM.",
        "nns_public_key": "Public key of the NNS, PEM; left out: that of the mainnet.",
    },
    pairs = [("ipv6_address", "ipv6_gateway"), ("ipv4_address", "ipv4_gateway"), ("certificate", "certificate_key")],
)

def _check(attr, medium):
    check_name(medium.rule, "out", attr.out.name, [".img"])
    for pair in medium.pairs:
        for has, lacks in [pair, reversed(pair)]:
            if getattr(attr, has) and not getattr(attr, lacks):
                refuse(medium.rule, lacks, "be given together with {}".format(has), "nothing", "give both, or neither")
    for name in medium.lists:
        check_unique(medium.rule, name, getattr(attr, name))
    for name in medium.seconds:
        if getattr(attr, name) < -1:
            refuse(medium.rule, name, "be a number of seconds, or -1", getattr(attr, name))
    seen = []
    for account in attr.accounts_ssh_authorized_keys.values():
        if account not in medium.accounts:
            refuse(medium.rule, "accounts_ssh_authorized_keys", "be for one of {}".format(", ".join(medium.accounts)), quote(account))
        if account in seen:
            refuse(medium.rule, "accounts_ssh_authorized_keys", "have one file for each account", quote(account) + " twice")
        seen.append(account)

def _make(ctx, medium):
    _check(ctx.attr, medium)
    image = ctx.outputs.out
    args = ctx.actions.args()
    args.add(image)
    inputs = []
    for name in medium.texts:
        if getattr(ctx.attr, name):
            args.add(getattr(ctx.attr, name), format = "--{}=%s".format(name))
    for name, (option, _) in medium.lists.items():
        args.add_all(getattr(ctx.attr, name), format_each = "--{}=%s".format(option))
    for name in medium.seconds:
        if getattr(ctx.attr, name) >= 0:
            args.add(getattr(ctx.attr, name), format = "--{}=%s".format(name))
    for name in medium.files:
        file = getattr(ctx.file, name)
        if file:
            args.add("--" + name, file.path)
            inputs.append(file)
    for target, account in ctx.attr.accounts_ssh_authorized_keys.items():
        # A target without files is for keys that somebody may have, or not (a label flag, say).
        if target[DefaultInfo].files:
            file = check_one_file(medium.rule, "accounts_ssh_authorized_keys", target)
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

def _attrs(medium, tool):
    return {
        "accounts_ssh_authorized_keys": attr.label_keyed_string_dict(
            doc = "File with public ssh keys to the account that they open: {} (root in dev variants only). A target without files adds no key.".format(", ".join(medium.accounts)),
            allow_files = True,
        ),
        "out": attr.output(doc = "Name of the image; ends in `.img`.", mandatory = True),
        "_tool": attr.label(default = tool, executable = True, cfg = "exec"),
    } | {
        name: attr.string(doc = doc)
        for name, doc in medium.texts.items()
    } | {
        name: attr.string_list(doc = doc)
        for name, (_, doc) in medium.lists.items()
    } | {
        name: attr.int(doc = doc, default = -1)
        for name, doc in medium.seconds.items()
    } | {
        name: attr.label(doc = doc, allow_single_file = True)
        for name, doc in medium.files.items()
    }

def _bootstrap_config_image_impl(ctx):
    return _make(ctx, _GUESTOS)

def _boundary_bootstrap_config_image_impl(ctx):
    return _make(ctx, _BOUNDARY)

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
    attrs = _attrs(_GUESTOS, "//ic-os/scripts:build-bootstrap-config-image"),
)

boundary_bootstrap_config_image = rule(
    implementation = _boundary_bootstrap_config_image_impl,
    doc = """\
Makes the medium that configures a Boundary-guestOS at its first boot.

It is a FAT volume with the label `CONFIG` that holds `ic-bootstrap.tar`. The tool checks every value and refuses with the reason what
is malformed; the same attributes give the same bytes.

```starlark
boundary_bootstrap_config_image(
    name = "bootstrap",
    out = "bootstrap.img",
    certificate = "certificate.pem",
    certificate_key = "certificate_key.pem",
    hostname = "boundary-1",
    ipv6_address = "2001:db8::2/64",
    ipv6_debug_ips = ["2001:db8:1::/48"],
    ipv6_gateway = "2001:db8::1",
    ipv6_replica_ips = ["2001:db8:2::8"],
    name_servers = ["2001:db8::53"],
)
```
""",
    attrs = _attrs(_BOUNDARY, "//ic-os/scripts:build-boundary-bootstrap-config-image"),
)
