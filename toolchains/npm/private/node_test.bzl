"""Tests that Node.js runs."""

load("//toolchains/python:defs.bzl", "py_test")
load(":npm_bundle.bzl", "npm_bundle")

def node_test(name, entry, srcs = [], deps = [], define = {}, data = [], **kwargs):
    """A test in TypeScript or JavaScript, with Node.js's own test runner (`node:test`).

    It is bundled first, so it imports what npm_bundle's entries import. It fails when a test in it fails, or none is in it.

    ```starlark
    node_test(
        name = "digest_test",
        size = "small",
        srcs = [
            "digest.ts",
            "hex.ts",
        ],
        entry = "digest.test.ts",
        deps = ["@npm_example//:@noble/hashes"],
    )
    ```

    Args:
        name: name of the target.
        entry: the test file.
        srcs: further files that are imported by path.
        deps: packages of one lock.
        define: as for npm_bundle.
        data: files that it reads when it runs, by their paths in the workspace.
        **kwargs: as for rules_python's py_test.
    """
    node = Label("@nodejs//:node")
    program = name + ".bundle"
    npm_bundle(
        name = program,
        testonly = True,
        srcs = srcs,
        out = name + ".bundle.mjs",
        define = define,
        entry = entry,
        platform = "node",
        sourcemap = "inline",
        tags = ["manual"],
        # Less than Node.js knows. Without a target the bundler's own helpers may use what is newer.
        target = ["es2024"],
        deps = deps,
    )
    py_test(
        name = name,
        srcs = [Label("//py/tools:node_test_run.py")],
        args = ["--node=$(rootpath {})".format(node), "--program=$(rootpath {})".format(program)],
        data = data + [program, node],
        main = Label("//py/tools:node_test_run.py"),
        deps = [Label("//py/tools:node_test_run_lib")],
        **kwargs
    )
