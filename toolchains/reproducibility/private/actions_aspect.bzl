"""What is behind a target: its actions, and the programs that they run.

An action is taken as the analysis knows it: command line, environment, inputs, outputs. Programs that are built for the machine
that builds (configuration `exec`, with runfiles) are taken as they are; how they are made is no part of the graph.
"""

ActionGraphInfo = provider(
    doc = "The actions behind a target, and the programs that they run.",
    fields = {
        "actions": "depset of structs, one an action: argv, content, env, inputs, label, mnemonic, outputs.",
        "program": "struct of executable and runfiles' parts, or None: the target itself, as a program that actions run.",
        "programs": "depset of such structs: the programs that the actions run.",
    },
)

# How Bazel marks the output folder of what is built for the machine that builds: bazel-out/k8-opt-exec/bin.
_EXEC = "-exec"

# Behind a program's name: the file that tells runfiles libraries the names of repositories.
_REPO_MAPPING = ".repo_mapping"

def _targets(value):
    if type(value) == "Target":
        return [value]
    if type(value) == "list":
        return [each for each in value if type(each) == "Target"]
    if type(value) == "dict":
        return [each for each in value.keys() + value.values() if type(each) == "Target"]
    return []

def _program(target):
    """A program of configuration `exec` with its runfiles, or None."""
    files_to_run = target[DefaultInfo].files_to_run
    if not files_to_run or not files_to_run.executable or not files_to_run.runfiles_manifest:
        return None
    if _EXEC not in files_to_run.executable.root.path:
        return None
    runfiles = target[DefaultInfo].default_runfiles
    mapping = files_to_run.executable.path + _REPO_MAPPING
    mappings = [file for action in target.actions for file in action.outputs.to_list() if file.path == mapping]
    return struct(
        empty_filenames = runfiles.empty_filenames,
        executable = files_to_run.executable,
        files = runfiles.files,
        repo_mapping = mappings[0] if mappings else None,
        root_symlinks = runfiles.root_symlinks,
        symlinks = runfiles.symlinks,
    )

def _action(label, action):
    return struct(
        argv = tuple(action.argv) if action.argv != None else None,
        content = action.content,
        env = tuple(action.env.items()) if action.env else (),
        inputs = action.inputs,
        label = str(label),
        mnemonic = action.mnemonic,
        outputs = action.outputs,
    )

def _actions_aspect_impl(target, ctx):
    actions = []
    programs = []
    for name in dir(ctx.rule.attr):
        for dependency in _targets(getattr(ctx.rule.attr, name)):
            if ActionGraphInfo not in dependency:
                continue
            info = dependency[ActionGraphInfo]
            if info.program:
                programs.append(depset([info.program]))
            else:
                actions.append(info.actions)
                programs.append(info.programs)
    own = [_action(target.label, action) for action in target.actions]
    return [ActionGraphInfo(
        actions = depset(own, transitive = actions, order = "postorder"),
        program = _program(target),
        programs = depset(transitive = programs),
    )]

actions_aspect = aspect(
    implementation = _actions_aspect_impl,
    doc = "Collects the actions behind a target, and the programs that they run.",
    # A file by its own label leads to the rule that makes it.
    apply_to_generating_rules = True,
    attr_aspects = ["*"],
    provides = [ActionGraphInfo],
)
