"""Locked packages as targets; the hub repository is made of them."""

load("//toolchains/npm:providers.bzl", "NpmPackagesInfo")
load("//toolchains/private:checks.bzl", "refuse")

def _npm_place_impl(ctx):
    package = struct(
        archive = ctx.file.archive,
        integrity = ctx.attr.integrity,
        package = ctx.attr.package,
        place = ctx.label.name,
        version = ctx.attr.version,
    )
    return [
        DefaultInfo(files = depset([ctx.file.archive])),
        NpmPackagesInfo(packages = depset([package])),
    ]

npm_place = rule(
    implementation = _npm_place_impl,
    doc = "One entry of a lock, without what it needs; its target's name is the place of the package. Made by the `npm` module extension.",
    attrs = {
        "archive": attr.label(doc = "The package.", allow_single_file = [".tgz"], mandatory = True),
        "integrity": attr.string(doc = "Its hash.", mandatory = True),
        "package": attr.string(doc = "Its name.", mandatory = True),
        "version": attr.string(doc = "Its version.", mandatory = True),
    },
    provides = [NpmPackagesInfo],
)

def _npm_package_impl(ctx):
    return [
        DefaultInfo(files = depset(transitive = [place[DefaultInfo].files for place in ctx.attr.places])),
        NpmPackagesInfo(packages = depset(transitive = [place[NpmPackagesInfo].packages for place in ctx.attr.places])),
    ]

npm_package = rule(
    implementation = _npm_package_impl,
    doc = "A locked package with all that it needs. Made by the `npm` module extension.",
    attrs = {
        "places": attr.label_list(doc = "The package and all that it needs.", mandatory = True, providers = [NpmPackagesInfo]),
    },
    provides = [NpmPackagesInfo],
)

def merged(rule, deps):
    """The packages of several targets, each place once.

    Args:
        rule: name of the rule, for messages.
        deps: targets.

    Returns:
        A list of structs, by place.
    """
    places = {}
    for package in depset(transitive = [dep[NpmPackagesInfo].packages for dep in deps]).to_list():
        other = places.setdefault(package.place, package)
        if other.integrity != package.integrity:
            refuse(
                rule,
                "deps",
                "have one package at {}".format(package.place),
                "{}@{} and {}@{}".format(other.package, other.version, package.package, package.version),
                "take the packages of one lock",
            )
    return [places[place] for place in sorted(places)]

def package_word(package):
    """A package as the tools take it.

    Args:
        package: a struct of NpmPackagesInfo.

    Returns:
        `PLACE|NAME|VERSION|INTEGRITY|FILE`.
    """
    return "|".join([package.place, package.package, package.version, package.integrity, package.archive.path])

def short_package_word(package):
    """The same for what runs as a test, where files have other paths.

    Args:
        package: a struct of NpmPackagesInfo.

    Returns:
        `PLACE|NAME|VERSION|INTEGRITY|FILE`.
    """
    return "|".join([package.place, package.package, package.version, package.integrity, package.archive.short_path])
