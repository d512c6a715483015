"""The test that the types of a program fit."""

load("//toolchains/npm:providers.bzl", "NpmPackagesInfo")
load("//toolchains/python:defs.bzl", "py_test")
load(":npm_bundle.bzl", "placed")
load(":npm_package.bzl", "merged", "short_package_word")

_RULE = "typescript_test"

def _src_word(file):
    return "{}={}".format(placed(file), file.short_path)

def _typescript_flags_impl(ctx):
    """The flags of typescript_check.py as a file, with all that they name."""
    flags = ctx.actions.declare_file(ctx.label.name)
    locked = merged(_RULE, ctx.attr.deps)
    srcs = ctx.files.srcs + ([ctx.file.tsconfig] if ctx.file.tsconfig else [])
    args = ctx.actions.args()
    args.set_param_file_format("multiline")
    args.add("--node=" + ctx.file._node.short_path)
    args.add("--compiler=" + ctx.file._compiler.short_path)
    args.add_all(locked, map_each = short_package_word, format_each = "--package=%s")
    args.add_all(srcs, map_each = _src_word, format_each = "--src=%s")
    args.add_all(ctx.attr.lib, format_each = "--lib=%s")
    if ctx.file.tsconfig:
        args.add(placed(ctx.file.tsconfig), format = "--tsconfig=%s")
    ctx.actions.write(flags, args)
    files = [flags, ctx.file._node, ctx.file._compiler] + srcs + [package.archive for package in locked]
    return [DefaultInfo(files = depset([flags]), runfiles = ctx.runfiles(files))]

_typescript_flags = rule(
    implementation = _typescript_flags_impl,
    attrs = {
        "deps": attr.label_list(providers = [NpmPackagesInfo]),
        "lib": attr.string_list(),
        "srcs": attr.label_list(allow_files = True, mandatory = True),
        "tsconfig": attr.label(allow_single_file = [".json"]),
        "_compiler": attr.label(allow_single_file = [".tgz"], default = "//toolchains/npm:typescript"),
        "_node": attr.label(allow_single_file = True, default = "@nodejs//:node"),
    },
)

def typescript_test(name, srcs, deps = [], lib = ["es2022", "dom"], tsconfig = None, **kwargs):
    """The test that the types of a program fit, by TypeScript's own compiler.

    Bundling does not look at types, so a program can be tried while its types are not in order yet; this is what says so.

    ```starlark
    typescript_test(
        name = "digest_types_test",
        srcs = [
            "digest.ts",
            "hex.ts",
        ],
        deps = ["@npm_example//:@noble/hashes"],
    )
    ```

    Args:
        name: name of the target.
        srcs: all files that are looked at, and those that they import by path.
        deps: packages of one lock that are imported by name; those of `@types` are in force everywhere.
        lib: what there is at run time: `es2022`, `dom`, `webworker`. The first is also the language that the program is for.
        tsconfig: options of the compiler instead of the rule's own, which are strict; `lib` does not count then. It says
            which files are looked at.
        **kwargs: as for rules_python's py_test.
    """
    flags = name + ".flags"
    _typescript_flags(
        name = flags,
        testonly = True,
        srcs = srcs,
        lib = lib,
        tags = ["manual"],
        tsconfig = tsconfig,
        deps = deps,
    )
    py_test(
        name = name,
        srcs = [Label("//py/tools:typescript_check.py")],
        args = ["--flagfile=$(rootpath {})".format(flags)],
        data = [flags],
        main = Label("//py/tools:typescript_check.py"),
        deps = [Label("//py/tools:typescript_check_lib")],
        **kwargs
    )
