"""The repository in which a lock's sets and packages have their targets."""

load(":lock.bzl", "closure", "decode_lock", "repository_name")

_RULES = str(Label("//toolchains/debian/private:deb_set.bzl"))

_PACKAGE = """
deb_package(
    name = {name},
    deb = {deb},
)
"""

_SET = """
deb_set(
    name = {name},
    essential = {essential},
    packages = {packages},
)
"""

def _file(load_name, statements):
    return "\n".join([
        "load({}, {})".format(repr(_RULES), repr(load_name)),
        "\npackage(default_visibility = [\"//visibility:public\"])\n",
    ]) + "".join(statements)

def _deb_hub_impl(rctx):
    lock = decode_lock(rctx.read(rctx.attr.lock), str(rctx.attr.lock))
    rctx.file("packages/BUILD.bazel", _file("deb_package", [
        _PACKAGE.format(name = repr(package["name"]), deb = repr("@{}//:deb".format(repository_name(package))))
        for package in lock["packages"]
    ]), executable = False)
    sets = []
    for entry in lock["sets"]:
        found = closure(lock, entry["name"])
        sets.append(_SET.format(
            name = repr(entry["name"]),
            essential = repr(found.essential),
            packages = repr(["//packages:" + package["name"] for package in found.packages]),
        ))
    rctx.file("BUILD.bazel", _file("deb_set", sets), executable = False)

deb_hub = repository_rule(
    implementation = _deb_hub_impl,
    doc = "Targets for a package lock: `//:SET` for each set, complete with its bases, and `//packages:NAME` for each package.",
    attrs = {"lock": attr.label(doc = "The lock file.", mandatory = True)},
)
