"""Package locks as Bazel repositories.

```starlark
example = use_extension("//toolchains/debian:extensions.bzl", "debian", dev_dependency = True)
example.lock(
    name = "example_packages",
    lock = "//tests/rules/examples:packages.lock.json",
)
use_repo(example, "example_packages")
```

`@example_packages//:system` is then a set of the lock, `@example_packages//packages:libc6` a package. A .deb is
fetched when a build needs it, by its hash, from the mirror of the environment or of the machine's apt configuration;
locks that have the same .deb share it.
"""

load("//toolchains/debian/private:deb_archive.bzl", "deb_archive")
load("//toolchains/debian/private:deb_hub.bzl", "deb_hub")
load("//toolchains/debian/private:lock.bzl", "decode_lock", "repository_name")

_lock = tag_class(
    doc = "A package lock.",
    attrs = {
        "lock": attr.label(doc = "The lock file, as `debian_lock` writes it.", mandatory = True),
        "name": attr.string(doc = "Name of the repository that has the targets of its sets and packages.", mandatory = True),
    },
)

def _debian_impl(mctx):
    fetched = {}
    hubs = {}
    for module in mctx.modules:
        for tag in module.tags.lock:
            if tag.name in hubs:
                fail("debian.lock: two locks are named \"{}\": {} and {}".format(tag.name, hubs[tag.name], tag.lock))
            hubs[tag.name] = tag.lock
            lock = decode_lock(mctx.read(tag.lock), str(tag.lock))
            for package in lock["packages"]:
                name = repository_name(package)
                if name in fetched:
                    continue
                fetched[name] = True
                deb_archive(
                    name = name,
                    architecture = package["architecture"],
                    archive = package["archive"],
                    package = package["name"],
                    path = package["path"],
                    sha256 = package["sha256"],
                    snapshot = lock["snapshot"],
                    version = package["version"],
                )
            deb_hub(name = tag.name, lock = tag.lock)

    # A pure function of the lock files: nothing of it needs to stand in MODULE.bazel.lock.
    return mctx.extension_metadata(reproducible = True)

debian = module_extension(
    implementation = _debian_impl,
    doc = "Repositories for the .debs of package locks.",
    tag_classes = {"lock": _lock},
)
