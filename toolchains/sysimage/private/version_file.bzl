"""The version, from one place."""

load("//toolchains/private:checks.bzl", "only_has", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load("//toolchains/sysimage/providers:version_info.bzl", "VersionInfo")

_RULE = "version_file"

# What may stand in file names, addresses and kernel arguments without quoting.
_WORD = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._+~-"
_SIGNS = "._+~-"
_MAX_VERSION = 128
_STABLE = "STABLE_"

def _check(attr):
    version = attr.unstamped
    if not version or len(version + attr.suffix) > _MAX_VERSION or not only_has(version, _WORD) or version[0] in _SIGNS:
        refuse(_RULE, "unstamped", "be a word of letters, digits and ._+~-, at most {} with the suffix".format(_MAX_VERSION), quote(version))
    if not only_has(attr.suffix, _WORD):
        refuse(_RULE, "suffix", "have letters, digits and ._+~- only", quote(attr.suffix))
    if not attr.status_key.startswith(_STABLE):
        refuse(
            _RULE,
            "status_key",
            "begin with {}, or a new version would build nothing anew".format(_STABLE),
            quote(attr.status_key),
            "use \"{}{}\"".format(_STABLE, attr.status_key),
        )

def _version_file_impl(ctx):
    _check(ctx.attr)
    version = ctx.outputs.out
    args = ctx.actions.args()
    args.add("--default", ctx.attr.unstamped)
    args.add("--suffix", ctx.attr.suffix)
    args.add("--version_out", version)
    inputs = []
    if ctx.attr.stamp == 1 or (ctx.attr.stamp == -1 and ctx.attr._stamp[_StampInfo].stamp):
        args.add("--status", ctx.info_file)
        args.add("--key", ctx.attr.status_key)
        inputs.append(ctx.info_file)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = inputs,
        outputs = [version],
        mnemonic = "Version",
        progress_message = "Writing version %{label}",
    )
    return [DefaultInfo(files = depset([version])), VersionInfo(file = version)]

_StampInfo = provider(doc = "Whether --stamp is given.", fields = {"stamp": "bool"})

def _stamp_setting_impl(ctx):
    return [_StampInfo(stamp = ctx.attr.stamp)]

stamp_setting = rule(
    implementation = _stamp_setting_impl,
    doc = "Whether this is a stamped build (`--stamp`); made for `version_file` by a config_setting.",
    attrs = {"stamp": attr.bool(doc = "Set by select().", mandatory = True)},
)

version_file = rule(
    implementation = _version_file_impl,
    doc = """\
Writes the version of a build to a file.

Without `--stamp` it is constant, so that caches hit and everyone gets the same bytes; with it, it is the
value of a stable workspace status key.

```starlark
version_file(
    name = "version",
    out = "version.txt",
)
```
""",
    attrs = {
        "out": attr.output(doc = "Name of the file.", mandatory = True),
        "stamp": attr.int(doc = "1: always, 0: never, -1: as `--stamp` says.", default = -1, values = [-1, 0, 1]),
        "status_key": attr.string(doc = "Key in the stable workspace status (`--workspace_status_command`), beginning with `STABLE_`.", default = "STABLE_VERSION"),
        "suffix": attr.string(doc = "Put behind the version (an upgrade test wants another one)."),
        "unstamped": attr.string(doc = "The version of an unstamped build: a word of letters, digits and ._+~-.", default = "0.0.0-unstamped"),
        "_stamp": attr.label(default = "//toolchains/sysimage:stamp", providers = [_StampInfo]),
        "_tool": attr.label(default = "//py/tools:version_file", executable = True, cfg = "exec"),
    },
    provides = [VersionInfo],
)
