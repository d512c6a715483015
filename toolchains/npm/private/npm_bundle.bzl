"""Bundles: a program with all that it imports, in one file."""

load("//toolchains/npm:providers.bzl", "NpmBundleInfo", "NpmPackagesInfo")
load("//toolchains/private:checks.bzl", "check_name", "quote", "refuse")
load("//toolchains/python:defs.bzl", "PYTHON_ENV")
load(":npm_package.bzl", "merged", "package_word")

_RULE = "npm_bundle"

def placed(file):
    """Where a source lies for whoever imports it: as in the workspace, whether it is there or built.

    Args:
        file: a File.

    Returns:
        A path.
    """
    return file.short_path.replace("../", "external/", 1) if file.short_path.startswith("../") else file.short_path

def _src_word(file):
    return "{}={}".format(placed(file), file.path)

def _options(ctx):
    """esbuild's options for the rule's attributes."""
    attr = ctx.attr
    options = ["--format=" + attr.format, "--platform=" + attr.platform, "--legal-comments=" + attr.legal_comments]

    # A WebAssembly module has no other place in one file than the program itself.
    options.append("--loader:.wasm=binary")
    options += ["--target=" + ",".join(attr.target)] if attr.target else []
    options += ["--define:{}={}".format(key, value) for key, value in sorted(attr.define.items())]
    options += ["--external:" + name for name in attr.external]
    options += ["--banner:js=" + attr.banner] if attr.banner else []
    options += ["--minify"] if attr.minify else []
    options += ["--sourcemap=" + attr.sourcemap] if attr.sourcemap != "none" else []
    options += ["--tsconfig=" + placed(ctx.file.tsconfig)] if ctx.file.tsconfig else []
    return options

def _npm_bundle_impl(ctx):
    name = ctx.attr.out or ctx.label.name + ".js"
    check_name(_RULE, "out", name, [".js", ".mjs", ".cjs"])
    for key in ctx.attr.define:
        if not key or "=" in key:
            refuse(_RULE, "define", "have names as keys", quote(key))
    bundle = ctx.actions.declare_file(name)
    packages = ctx.actions.declare_file(ctx.label.name + ".packages.json")
    licenses = ctx.actions.declare_file(ctx.label.name + ".licenses.txt")
    outputs = [bundle, packages, licenses]
    locked = merged(_RULE, ctx.attr.deps)
    srcs = depset([ctx.file.entry] + ctx.files.srcs + ([ctx.file.tsconfig] if ctx.file.tsconfig else []))

    args = ctx.actions.args()
    args.add(ctx.file._esbuild, format = "--esbuild=%s")
    args.add_all(locked, map_each = package_word, format_each = "--package=%s")
    args.add_all(srcs, map_each = _src_word, format_each = "--src=%s")
    args.add(placed(ctx.file.entry), format = "--entry=%s")
    args.add_all(_options(ctx), format_each = "--option=%s")
    args.add(bundle, format = "--bundle_out=%s")
    args.add(packages, format = "--packages_out=%s")
    args.add(licenses, format = "--licenses_out=%s")
    maps = []
    if ctx.attr.sourcemap in ["linked", "external"]:
        maps = [ctx.actions.declare_file(name + ".map")]
        args.add(maps[0], format = "--map_out=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        env = PYTHON_ENV,
        inputs = depset([ctx.file._esbuild] + [package.archive for package in locked], transitive = [srcs]),
        mnemonic = "NpmBundle",
        outputs = outputs + maps,
        progress_message = "Bundling %{label}",
    )
    return [
        DefaultInfo(files = depset([bundle] + maps), runfiles = ctx.runfiles([bundle] + maps)),
        NpmBundleInfo(bundle = bundle, packages = packages),
        OutputGroupInfo(licenses = depset([licenses]), packages = depset([packages])),
    ]

npm_bundle = rule(
    implementation = _npm_bundle_impl,
    doc = """\
A program in TypeScript or JavaScript with all that it imports, as one file, by esbuild.

```starlark
npm_bundle(
    name = "digest",
    srcs = ["hex.ts"],
    entry = "digest.ts",
    minify = True,
    sourcemap = "linked",
    target = ["es2022"],
    deps = ["@npm_example//:@noble/hashes"],
)
```

Imports by path find `srcs`, which lie as in the workspace; imports by name find `deps` in a node_modules folder that is
as the lock says. Nothing else is there, so the same inputs make the same bytes on any machine. Types are erased and not
looked at: that is what typescript_test does.

Besides the program it makes `NAME.packages.json`, the packages of which something is in it, and `NAME.licenses.txt`,
their licences (output groups `packages` and `licenses`).
""",
    attrs = {
        "banner": attr.string(doc = "What the program begins with, as it is: a comment, say."),
        "define": attr.string_dict(doc = "Global names, and the JavaScript expressions that replace them: `{\"VERSION\": '\"1.0\"'}`."),
        "deps": attr.label_list(doc = "Packages of one lock.", providers = [NpmPackagesInfo]),
        "entry": attr.label(doc = "The first file.", allow_single_file = [".ts", ".tsx", ".mts", ".js", ".mjs", ".jsx"], mandatory = True),
        "external": attr.string_list(doc = "Names that stay imports of the program."),
        "format": attr.string(
            default = "esm",
            doc = "`esm`: a module. `iife`: a script, also one of a page or a classic worker. `cjs`: Node.js's older kind.",
            values = ["cjs", "esm", "iife"],
        ),
        "legal_comments": attr.string(
            default = "eof",
            doc = "Where comments with licences go: `eof`: to the end of the program. `inline`: they stay where they are.",
            values = ["eof", "inline"],
        ),
        "minify": attr.bool(doc = "Whether names and blanks are made as short as they can be."),
        "out": attr.string(doc = "Name of the program; left out: NAME.js. It may lie in a folder."),
        "platform": attr.string(
            default = "browser",
            doc = "What runs it; of a package with several forms its own is taken.",
            values = ["browser", "neutral", "node"],
        ),
        "sourcemap": attr.string(
            default = "none",
            doc = "`linked`: a file beside it, which it names. `external`: the same, not named. `inline`: in the program.",
            values = ["external", "inline", "linked", "none"],
        ),
        "srcs": attr.label_list(doc = "Further files that are imported by path.", allow_files = True),
        "target": attr.string_list(doc = "What must understand it: `es2022`, `chrome120`, `node24`. Left out: the newest."),
        "tsconfig": attr.label(doc = "Options of TypeScript that change what is made; left out: none.", allow_single_file = [".json"]),
        "_esbuild": attr.label(
            allow_single_file = [".tgz"],
            cfg = "exec",
            default = "//toolchains/npm:esbuild",
        ),
        "_tool": attr.label(
            cfg = "exec",
            default = "//py/tools:npm_bundle",
            executable = True,
        ),
    },
    provides = [NpmBundleInfo],
)
