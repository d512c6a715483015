"""Locked npm packages, and bundles of them, between actions."""

load("//toolchains/private:fields.bzl", "check_depset", "check_file")

def _init_packages(*, packages):
    check_depset("NpmPackagesInfo", "packages", packages)
    return {"packages": packages}

NpmPackagesInfo, _new_packages = provider(
    doc = """\
Packages out of a package-lock.json, complete: all that they need is among them.

They were fetched by the hashes of the lock, so whoever has this provider has exactly those bytes.
""",
    fields = {
        "packages": "depset of structs: place (`node_modules/a`), package (name), version, integrity, archive (File).",
    },
    init = _init_packages,
)

def _init_bundle(*, bundle, packages):
    check_file("NpmBundleInfo", "bundle", bundle)
    check_file("NpmBundleInfo", "packages", packages, "json")
    return {"bundle": bundle, "packages": packages}

NpmBundleInfo, _new_bundle = provider(
    doc = "A bundle: one file that a browser or Node.js runs, and what is in it.",
    fields = {
        "bundle": "File: the program.",
        "packages": "File: JSON list of the packages of which something is in the program: name, version, integrity.",
    },
    init = _init_bundle,
)
