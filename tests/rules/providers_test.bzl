"""What the providers hold, and what their checks refuse."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//toolchains/sysimage:boot.bzl", "LockedToolInfo")
load("//toolchains/sysimage:defs.bzl", "DockerfileInfo", "ImageInfo", "RootfsInfo", "VerityInfo", "VersionInfo")
load("//toolchains/testing:refusals.bzl", "refusals")

_FOLDER = "tests/rules/"

def _names(files):
    return sorted([file.short_path.removeprefix(_FOLDER) for file in files])

def _contents_test_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    found = {}
    if DockerfileInfo in target:
        recipe = target[DockerfileInfo]
        found["dockerfile"] = [recipe.base.tree.basename, recipe.dockerfile.basename, str(recipe.epoch)] + recipe.context.keys()
    if ImageInfo in target:
        image = target[ImageInfo]
        found["image"] = [image.format, image.map.basename] + _names(image.sources.to_list())
    if RootfsInfo in target:
        rootfs = target[RootfsInfo]
        found["rootfs"] = [rootfs.tree.basename, str(rootfs.config)] + _names(rootfs.layers) + _names(rootfs.sources.to_list())
    if VerityInfo in target:
        verity = target[VerityInfo]
        found["verity"] = [verity.root_hash.basename, verity.parameters.basename]
    if LockedToolInfo in target:
        found["tool"] = [target[LockedToolInfo].folder.basename]
    asserts.equals(env, ctx.attr.expected, found)
    return analysistest.end(env)

_contents_test = analysistest.make(_contents_test_impl, attrs = {
    "expected": attr.string_list_dict(doc = "Provider to what is in it."),
})

_CONTENTS = {
    "disk": {"image": ["gpt", "disk.map.json", "disk.literals", "one.txt", "root.literals", "root_verity.literals"]},
    "layer_good": {
        "dockerfile": ["tree.tree", "Dockerfile", "1754697600", "one.txt"],
        "rootfs": ["layer_good.tree", "<generated file tests/rules/layer_good.config.json>", "layer_good.tar.zst", "layer_good.tar.zst", "one.txt"],
    },
    "root": {"image": ["ext4", "root.map.json", "one.txt", "root.literals"]},
    "root_verity": {
        "image": ["verity", "root_verity.map.json", "one.txt", "root.literals", "root_verity.literals"],
        "verity": ["root_verity.roothash", "root_verity.verity.json"],
    },
    "tool": {"tool": ["tool"]},
    "volumes": {"image": ["lvm2", "volumes.map.json", "one.txt", "root.literals", "root_verity.literals", "volumes.literals"]},
    "tree": {"rootfs": ["tree.tree", "None", "one.txt"]},
}

def _make_impl(ctx):
    """Makes a provider with a wrong field, as a target that a test can look at."""
    json, text, folder = ctx.file.json, ctx.file.text, ctx.attr.tool[LockedToolInfo].folder
    none = depset()
    calls = {
        "context": lambda: DockerfileInfo(base = None, build_args = {}, context = {"one": "one"}, dockerfile = text, epoch = 0, modes = {}),
        "dockerfile": lambda: DockerfileInfo(base = None, build_args = {}, context = {}, dockerfile = "Dockerfile", epoch = 0, modes = {}),
        "folder": lambda: LockedToolInfo(folder = text),
        "folder_text": lambda: LockedToolInfo(folder = folder.path),
        "format": lambda: ImageInfo(map = json, sources = none, format = "ntfs"),
        "image_sources": lambda: ImageInfo(map = json, sources = [], format = "fat"),
        "layer": lambda: RootfsInfo(tree = ctx.file.tree, sources = none, layers = [text]),
        "layers_tree": lambda: RootfsInfo(tree = ctx.file.tree, sources = none, layers_tree = json),
        "layers_tree_alone": lambda: RootfsInfo(tree = ctx.file.tree, sources = none, layers_tree = ctx.file.tree),
        "map": lambda: ImageInfo(map = text, sources = none, format = "fat"),
        "root_hash": lambda: VerityInfo(root_hash = "00ff", parameters = json),
        "tree": lambda: RootfsInfo(tree = json, sources = none),
        "tree_sources": lambda: RootfsInfo(tree = ctx.file.tree, sources = []),
        "version": lambda: VersionInfo(file = "1.0"),
    }
    calls[ctx.attr.call]()
    return []

_make = rule(
    implementation = _make_impl,
    attrs = {
        "call": attr.string(),
        "json": attr.label(allow_single_file = True),
        "text": attr.label(allow_single_file = True),
        "tool": attr.label(providers = [LockedToolInfo]),
        "tree": attr.label(allow_single_file = True),
    },
)

_REFUSALS = {
    "context": "DockerfileInfo: context must be a File; got a string",
    "dockerfile": "DockerfileInfo: dockerfile must be a File; got a string",
    "folder": "LockedToolInfo: folder must be a directory; got the file tests/rules/one.txt (hint: make it by declare_directory)",
    "folder_text": "LockedToolInfo: folder must be a File; got a string",
    "format": "ImageInfo: format must be one of ext4, fat, gpt, lvm2, verity; got \"ntfs\"",
    "image_sources": "ImageInfo: sources must be a depset of Files; got a list",
    "layer": "RootfsInfo: layers must be a .zst file; got tests/rules/one.txt",
    "layers_tree": "RootfsInfo: layers_tree must be a .tree file; got tests/rules/partitions.json",
    "layers_tree_alone": "RootfsInfo: layers_tree must be given with layers; got no layers",
    "map": "ImageInfo: map must be a .json file; got tests/rules/one.txt",
    "root_hash": "VerityInfo: root_hash must be a File; got a string",
    "tree": "RootfsInfo: tree must be a .tree file; got tests/rules/partitions.json",
    "tree_sources": "RootfsInfo: sources must be a depset of Files; got a list",
    "version": "VersionInfo: file must be a File; got a string",
}

def provider_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    tests = []
    for target, expected in _CONTENTS.items():
        tests.append("{}_{}_test".format(name, target))
        _contents_test(
            name = tests[-1],
            size = "small",
            expected = expected,
            target_under_test = ":" + target,
        )
    refusals(
        name = name + "_refusals",
        rule = _make,
        cases = {case: ({"call": case}, message) for case, message in _REFUSALS.items()},
        json = "partitions.json",
        text = "one.txt",
        tool = ":tool",
        tree = ":tree",
    )
    native.test_suite(
        name = name,
        tests = tests + [name + "_refusals"],
    )
