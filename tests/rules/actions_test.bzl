"""Tests of the actions that make an image: where they may run, and that none of them writes or reads a partition's bytes.

An aspect collects the actions of a target and of all that it is made from.
"""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts", "unittest")

# Tags that would bind an action to this machine or let it out of the sandbox (Bazel's "Common definitions": tags).
_BINDING = ["external", "local", "no-cache", "no-remote", "no-remote-cache", "no-remote-exec", "no-sandbox", "requires-network"]

# Actions that plan: what they leave are maps, and the literals of their own format.
_PLANNERS = ["Ext4Plan", "FatPlan", "GptPlan", "VerityPlan"]
_PLANS = ["json", "literals", "roothash"]

# The one that writes bytes, and what only it may write and nobody may read.
_WRITER = "ImageArchive"
_BYTES = ["btrfs", "ext4", "fat", "img", "qcow2", "raw", "squashfs", "vfat", "vhd", "zst"]

# An initrd is a file in a boot partition, whatever its name.
_INITRD = "InitrdImage"

# Layers are contents, compressed.
_LAYERS = ["ModuleIndex", "RootfsLayer"]

# Reading contents is for those that must: verity hashes them, the archive writes them. The others see trees and maps.
_CONTENTS = ["deb", "literals", "zst"]
_BLIND = ["BootArgs", "Ext4Plan", "FatPlan", "FileTree", "GptPlan"]

_ActionsInfo = provider(
    doc = "The actions of a target and of all that it depends on.",
    fields = {"actions": "depset of structs: label, mnemonic, inputs, outputs (lists of Files), tags (list of strings)."},
)

def _targets(value):
    if type(value) == "Target":
        return [value]
    if type(value) == "list":
        return [each for each in value if type(each) == "Target"]
    if type(value) == "dict":
        return [each for each in value.keys() + value.values() if type(each) == "Target"]
    return []

def _actions_aspect_impl(target, ctx):
    behind = []
    for name in dir(ctx.rule.attr):
        for dependency in _targets(getattr(ctx.rule.attr, name)):
            if _ActionsInfo in dependency:
                behind.append(dependency[_ActionsInfo].actions)
    own = [
        struct(
            inputs = tuple(action.inputs.to_list()),
            label = str(target.label),
            mnemonic = action.mnemonic,
            outputs = tuple(action.outputs.to_list()),
            tags = tuple(getattr(ctx.rule.attr, "tags", [])),
        )
        for action in target.actions
    ]
    return [_ActionsInfo(actions = depset(own, transitive = behind))]

_actions_aspect = aspect(
    implementation = _actions_aspect_impl,
    doc = "Collects actions, tools' included.",
    attr_aspects = ["*"],
)

def _names(files):
    return [file.short_path for file in files]

def _check(env, actions):
    """What holds for each image's actions."""
    for action in actions:
        who = "{} of {}".format(action.mnemonic, action.label)
        for tag in action.tags:
            asserts.false(env, tag in _BINDING, "{} has the tag \"{}\"".format(who, tag))
        if action.mnemonic in _PLANNERS:
            for file in action.outputs:
                asserts.true(env, file.extension in _PLANS, "{} writes {}, which is no plan".format(who, file.short_path))
        if action.mnemonic in _LAYERS:
            for file in action.outputs:
                asserts.true(env, file.extension in ["json", "tree"] or file.basename.endswith(".tar.zst"), "{} writes {}".format(who, file.short_path))
        elif action.mnemonic not in [_WRITER, _INITRD]:
            for file in action.outputs:
                asserts.false(env, file.extension in _BYTES, "{} writes {}: bytes of an image".format(who, file.short_path))
        if action.mnemonic in _BLIND:
            for file in action.inputs:
                asserts.false(env, file.extension in _CONTENTS, "{} reads {}: contents".format(who, file.short_path))
    made = [file for action in actions if action.mnemonic == _WRITER for file in action.outputs]
    for action in actions:
        for file in action.inputs:
            asserts.false(env, file in made, "{} of {} reads {}".format(action.mnemonic, action.label, file.short_path))

def _of_images(actions):
    """Mnemonic to the labels of actions of the image rules, without those of the tools that they run."""
    found = {}
    for action in actions:
        if action.mnemonic in _PLANNERS + _BLIND + [_WRITER, _INITRD, "GrubImage", "ModuleIndex", "RootfsLayer", "UnpackTool", "Version"]:
            found.setdefault(action.mnemonic, []).append(action.label)
    return found

def _planning_test_impl(ctx):
    env = analysistest.begin(ctx)
    actions = analysistest.target_under_test(env)[_ActionsInfo].actions.to_list()
    _check(env, actions)
    found = _of_images(actions)
    asserts.equals(
        env,
        {
            "Ext4Plan": ["@@//tests/rules:root"],
            "FileTree": ["@@//tests/rules:tree"],
            "GptPlan": ["@@//tests/rules:disk"],
            "ImageArchive": ["@@//tests/rules:archive"],
            "VerityPlan": ["@@//tests/rules:root_verity"],
        },
        {mnemonic: found[mnemonic] for mnemonic in sorted(found)},
    )
    own = {action.mnemonic: action for action in actions if action.label.startswith("@@//tests/rules:")}
    folder = "tests/rules/"
    for mnemonic, outputs in {
        "Ext4Plan": ["root.literals", "root.map.json"],
        "FileTree": ["tree.tree"],
        "GptPlan": ["disk.literals", "disk.map.json"],
        "ImageArchive": ["disk.tar.zst", "disk.tar.zst.sha256"],
        "VerityPlan": ["root_verity.literals", "root_verity.map.json", "root_verity.roothash", "root_verity.verity.json"],
    }.items():
        asserts.equals(env, [folder + name for name in outputs], sorted(_names(own[mnemonic].outputs)))
    for mnemonic, inputs in {
        "Ext4Plan": ["tree.tree"],
        "FileTree": ["one.txt"],
        "GptPlan": ["partitions.json", "root_verity.map.json"],
        "ImageArchive": ["disk.literals", "disk.map.json", "one.txt", "root.literals", "root_verity.literals"],
        "VerityPlan": ["one.txt", "root.literals", "root.map.json"],
    }.items():
        found = sorted([name for name in _names(own[mnemonic].inputs) if name.startswith(folder)])
        asserts.equals(env, [folder + name for name in inputs], found, mnemonic)
    return analysistest.end(env)

planning_test = analysistest.make(
    _planning_test_impl,
    doc = "A small image: which actions there are, and exactly what each of them reads and writes.",
    extra_target_under_test_aspects = [_actions_aspect],
)

def _image_actions_test_impl(ctx):
    env = analysistest.begin(ctx)
    actions = analysistest.target_under_test(env)[_ActionsInfo].actions.to_list()
    _check(env, actions)
    found = _of_images(actions)
    for mnemonic in ["Ext4Plan", "FatPlan", "GptPlan", "ImageArchive", "InitrdImage", "RootfsLayer", "VerityPlan"]:
        if mnemonic not in found:
            unittest.fail(env, "there is no action {}: the test looks at the wrong target".format(mnemonic))
    for mnemonic in [_WRITER, "GptPlan"]:
        asserts.equals(env, 1, len(found.get(mnemonic, [])), "number of actions " + mnemonic)
    return analysistest.end(env)

image_actions_test = analysistest.make(
    _image_actions_test_impl,
    doc = "A whole image: no action is bound to a machine, plans are plans, and bytes are written once, at the end.",
    extra_target_under_test_aspects = [_actions_aspect],
)
