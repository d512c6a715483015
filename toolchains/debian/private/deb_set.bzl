"""Sets of locked packages."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")

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

def _deb_set_impl(ctx):
    debs = {}
    for package in ctx.attr.packages:
        info = package[DebSetInfo]
        for name, deb in zip(info.names, info.debs):
            if name in debs and debs[name] != deb:
                fail("deb_set: package {} is there twice: {} and {} (hint: take the packages of one lock)".format(
                    name,
                    debs[name].short_path,
                    deb.short_path,
                ))
            debs[name] = deb
    for name in ctx.attr.essential:
        if name not in debs:
            fail("deb_set: essential package {} is not among the packages".format(name))
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
        "packages": attr.label_list(doc = "Packages and sets.", mandatory = True, providers = [DebSetInfo]),
    },
    provides = [DebSetInfo],
)
