"""The repository in which a lock's packages have their targets."""

load(":lock.bzl", "closure", "decode_lock", "repository_name", "top_level")

_RULES = str(Label("//toolchains/npm/private:npm_package.bzl"))

_HEAD = """\
load({}, "npm_package", "npm_place")

package(default_visibility = ["//visibility:public"])
"""

_PLACE = """
npm_place(
    name = {place},
    archive = {archive},
    integrity = {integrity},
    package = {package},
    version = {version},
)
"""

_PACKAGE = """
npm_package(
    name = {name},
    places = {places},
)
"""

def _npm_hub_impl(rctx):
    where = str(rctx.attr.lock)
    entries = decode_lock(rctx.read(rctx.attr.lock), where)
    statements = [_HEAD.format(repr(_RULES))]
    for place, entry in sorted(entries.items()):
        statements.append(_PLACE.format(
            place = repr(place),
            archive = repr("@{}//:package.tgz".format(repository_name(entry))),
            integrity = repr(entry.integrity),
            package = repr(entry.name),
            version = repr(entry.version),
        ))
    for name in top_level(entries):
        statements.append(_PACKAGE.format(
            name = repr(name),
            places = repr([":" + place for place in closure(entries, name, where)]),
        ))
    rctx.file("BUILD.bazel", "".join(statements), executable = False)

npm_hub = repository_rule(
    implementation = _npm_hub_impl,
    doc = "Targets for a lock: `//:NAME` for each package that its package.json can name, complete with all that it needs.",
    attrs = {"lock": attr.label(doc = "The lock file.", mandatory = True)},
)
