"""The action graph of a target as data, with the files that it starts from."""

load(":actions_aspect.bzl", "ActionGraphInfo", "actions_aspect")

_SYMLINKS = ["ExecutableSymlink", "Symlink"]

def _refuse(target, action, why):
    fail("reproducibility_test: every action behind {} must be one that can be run again; got {} of {} (hint: {})".format(
        target,
        action.mnemonic,
        action.label,
        why,
    ))

def _needed(files, actions):
    """The actions that lead to files: indices, as keys of a dict."""
    wanted = {file: True for file in files}
    found = {}
    for _ in actions:
        before = len(found)

        # Mostly one pass, since what is made late stands late.
        for index in range(len(actions) - 1, -1, -1):
            if index in found:
                continue
            outputs = actions[index].outputs.to_list()
            if [file for file in outputs if file in wanted]:
                found[index] = True
                wanted.update({file: True for file in actions[index].inputs.to_list()})
        if len(found) == before:
            break
    return found

def _is_runfiles(file):
    """Whether a File stands for all runfiles of a program: Bazel 7 has a middleman for them, Bazel 8 their folder."""
    return "/_middlemen/" in file.path or file.path.endswith(".runfiles")

def _runfile(ctx, file):
    """A file's path in the runfiles of a program."""
    return file.short_path[len("../"):] if file.short_path.startswith("../") else ctx.workspace_name + "/" + file.short_path

def _program(ctx, program):
    """Runfiles of a program: the paths in its runfiles to the files; None is an empty file."""
    files = {_runfile(ctx, file): file for file in program.files.to_list()}
    for entry in program.symlinks.to_list():
        files[ctx.workspace_name + "/" + entry.path] = entry.target_file
    for entry in program.root_symlinks.to_list():
        files[entry.path] = entry.target_file
    files.update({ctx.workspace_name + "/" + name: None for name in program.empty_filenames.to_list()})
    if program.repo_mapping:
        files["_repo_mapping"] = program.repo_mapping
    return files

def _kind(target, action):
    """How the action is run again: a dict with one key."""
    if action.argv != None:
        return {"argv": action.argv}
    if action.content != None:
        return {"content": action.content}
    inputs = action.inputs.to_list()
    if action.mnemonic in _SYMLINKS and len(inputs) == 1:
        return {"symlink": inputs[0].path}
    return _refuse(target, action, "it has neither a command line nor a content that the analysis knows")

def _action_graph_impl(ctx):
    target = ctx.attr.target
    info = target[ActionGraphInfo]
    actions = info.actions.to_list()
    targets = target[DefaultInfo].files.to_list()
    needed = _needed(targets, actions)
    programs = {program.executable: _program(ctx, program) for program in info.programs.to_list()}
    files_of_programs = {file: True for files in programs.values() for file in files.values() if file}
    files_of_programs.update({executable: True for executable in programs})

    rows = []
    leaves = {}
    used = {}
    made = {file: True for index in needed for file in actions[index].outputs.to_list()}
    for index, action in enumerate(actions):
        if index not in needed:
            continue
        inputs = []
        runs = []
        for file in action.inputs.to_list():
            if file in programs:
                runs.append(file)
                used[file] = programs[file]
            elif not _is_runfiles(file) and (file in made or file not in files_of_programs):
                inputs.append(file)
                if file not in made:
                    if not file.is_source and file.owner:
                        _refuse(target.label, action, "it reads {}, which none of the actions that are known here makes".format(file.path))
                    leaves[file] = True
        rows.append(_kind(target.label, action) | {
            "env": dict(action.env),
            "inputs": [file.path for file in inputs],
            "label": action.label,
            "mnemonic": action.mnemonic,
            "outputs": [{"directory": file.is_directory, "path": file.path} for file in action.outputs.to_list()],
            "programs": [file.path for file in runs],
        })
    for executable, files in used.items():
        leaves[executable] = True
        leaves.update({file: True for file in files.values() if file})
    if not rows:
        fail("reproducibility_test: target must be made by actions; got {}, which has none behind its files".format(target.label))

    graph = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(graph, json.encode({
        "actions": rows,
        "label": str(target.label),
        "leaves": [file.path for file in leaves],
        "programs": {
            executable.path: {runfile: file.path if file else None for runfile, file in files.items()}
            for executable, files in used.items()
        },
        "targets": [file.path for file in targets],
    }))
    folder = "{}/{}.inputs/".format(ctx.label.package, ctx.label.name)
    symlinks = {folder + file.path: file for file in leaves.keys() + targets}
    return [DefaultInfo(
        files = depset([graph]),
        runfiles = ctx.runfiles(files = [graph], symlinks = symlinks),
    )]

action_graph = rule(
    implementation = _action_graph_impl,
    doc = """\
Writes the actions that lead to a target's files as JSON.

The files that they start from, and those that Bazel itself made of the target, lie in the runfiles, in `NAME.inputs/` under their
paths in the execution root.
""",
    attrs = {
        "target": attr.label(doc = "The target.", aspects = [actions_aspect], mandatory = True),
    },
)
