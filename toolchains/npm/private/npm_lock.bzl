"""The refresh of a lock, as a target."""

load("//toolchains/python:defs.bzl", "py_binary")

def npm_lock(name, lock, package, visibility = None):
    """The refresh of a package-lock.json: `bazel run` resolves package.json anew and prints what changes.

    npm resolves, with its own configuration of the machine. Versions that still fit stay as they are; with `-- --upgrade` all are
    the newest that fit. Addresses of registries are left out of the lock, and scripts of packages are not run.

    ```starlark
    npm_lock(
        name = "lock",
        lock = "package-lock.json",
        package = "package.json",
    )
    ```

    Args:
        name: name of the target.
        lock: the lock file; for the first lock, an empty file.
        package: the package.json beside it.
        visibility: of the target.
    """
    node = Label("@nodejs//:node")
    npm = Label("@nodejs//:npm")
    py_binary(
        name = name,
        srcs = [Label("//py/tools:npm_lock.py")],
        args = [
            "--lock=$(rootpath {})".format(lock),
            "--package=$(rootpath {})".format(package),
            "--node=$(rootpath {})".format(node),
            "--npm=$(rootpath {})".format(npm),
        ],
        data = [lock, package, node, npm],
        main = Label("//py/tools:npm_lock.py"),
        visibility = visibility,
        deps = [Label("//py/tools:npm_lock_lib")],
    )
