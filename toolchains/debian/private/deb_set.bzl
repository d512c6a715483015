"""Sets of locked packages."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/private:checks.bzl", "check_unique", "quote", "refuse")

_RULE = "deb_set"

def _deb_package_impl(ctx):
    return [
        DefaultInfo(files = depset([ctx.file.deb])),
        DebSetInfo(debs = [ctx.file.deb], names = [ctx.label.name]),
    ]

deb_package = rule(
    implementation = _deb_package_impl,
    doc = "One locked package; its target's name is the package's. Made by the `debian` module extension.",
    attrs = {
        "deb": attr.label(doc = "The .deb file.", allow_single_file = [".deb"], mandatory = True),
    },
    provides = [DebSetInfo],
)

def _kept(debs, patterns):
    check_unique(_RULE, "only", patterns)
    kept = {}
    for pattern in patterns:
        found = [
            name
            for name in debs
            if name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
        ]
        if not found:
            refuse(_RULE, "only", "match packages of the set", quote(pattern))
        for name in found:
            kept[name] = debs[name]
    return kept

def _deb_set_impl(ctx):
    debs = {}
    if not ctx.attr.packages:
        refuse(_RULE, "packages", "name at least one package or set", "none")
    for package in ctx.attr.packages:
        info = package[DebSetInfo]
        for name, deb in zip(info.names, info.debs):
            if name in debs and debs[name] != deb:
                refuse(
                    _RULE,
                    "packages",
                    "have one .deb for {}".format(name),
                    "{} and {}".format(debs[name].short_path, deb.short_path),
                    "take the packages of one lock",
                )
            debs[name] = deb
    if ctx.attr.only:
        debs = _kept(debs, ctx.attr.only)
    check_unique(_RULE, "essential", ctx.attr.essential)
    for name in ctx.attr.essential:
        if name not in debs:
            refuse(_RULE, "essential", "name packages of the set", quote(name))
    names = sorted(debs.keys())
    files = [debs[name] for name in names]
    return [
        DefaultInfo(files = depset(files)),
        DebSetInfo(debs = files, names = names, essential = ctx.attr.essential),
    ]

deb_set = rule(
    implementation = _deb_set_impl,
    doc = """\
Several locked packages, or sets of them, as one set.

A lock's own sets are targets of its hub repository already. This rule makes others, for example a
base with one package more. Nothing is resolved: dependencies must be among the packages.

```starlark
deb_set(
    name = "loader_tools",
    packages = [
        "@debian_tools//:grub",
        "@debian_tools//packages:zlib1g",
    ],
)
```
""",
    attrs = {
        "essential": attr.string_list(doc = "Names of those of which a system is made first."),
        "only": attr.string_list(
            doc = "Names of the packages to keep, or beginnings of names with a `*` behind them; left out: all. So an action " +
                  "that wants the kernel, say, does not wait for the rest.",
        ),
        "packages": attr.label_list(doc = "Packages and sets.", mandatory = True, providers = [DebSetInfo]),
    },
    provides = [DebSetInfo],
)
