"""The action graph of a target as data, with the files that it starts from."""

load("//toolchains/private:checks.bzl", "refuse")
load(":actions_aspect.bzl", "ActionGraphInfo", "actions_aspect")

_SYMLINKS = ["ExecutableSymlink", "Symlink"]

_RULE = "reproducibility_test"

def _name(label):
    return str(label).removeprefix("@@")

def _refuse_action(action, why):
    refuse(_RULE, "target", "be made by actions that can be executed again", "{} of {}".format(action.mnemonic, _name(action.label)), why)

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

def _kind(action):
    """How the action is executed again: a dict with one key."""
    if action.argv != None:
        return {"argv": action.argv}
    if action.content != None:
        return {"content": action.content}
    inputs = action.inputs.to_list()
    if action.mnemonic in _SYMLINKS and len(inputs) == 1:
        return {"symlink": inputs[0].path}
    return _refuse_action(action, "it has neither a command line nor a content that the analysis knows")

def _row(action, made, programs, given):
    """What the graph says of an action.

    Args:
        action: the action.
        made: Files that actions of the graph make, as keys of a dict.
        programs: executable to its runfiles, as _program has them.
        given: Files that are parts of programs, as keys of a dict.

    Returns:
        A struct of row, a dict; leaves, a list of Files; runs, a list of executables.
    """
    all = [file for file in action.inputs.to_list() if not _is_runfiles(file)]
    runs = [file for file in all if file in programs]
    of_runs = {file: True for run in runs for file in [run] + programs[run].values()}
    inputs = [file for file in all if file in made or file not in of_runs]
    leaves = [file for file in inputs if file not in made]
    for file in leaves:
        # A file without an owner is one of Bazel's own: the status of the workspace, for a stamped build.
        if not file.is_source and file.owner and file not in given:
            _refuse_action(action, "it reads {}, and what makes that is not known here".format(file.short_path))
    row = _kind(action) | {
        "env": dict(action.env),
        "inputs": [file.path for file in inputs],
        "label": _name(action.label),
        "mnemonic": action.mnemonic,
        "outputs": [{"directory": file.is_directory, "path": file.path} for file in action.outputs.to_list()],
        "programs": [file.path for file in runs],
    }
    return struct(leaves = leaves, row = row, runs = runs)

def _action_graph_impl(ctx):
    target = ctx.attr.target
    targets = target[DefaultInfo].files.to_list()

    # A source file has no aspects.
    info = target[ActionGraphInfo] if ActionGraphInfo in target else struct(actions = depset(), programs = depset())
    all = info.actions.to_list()
    needed = _needed(targets, all)
    actions = [action for index, action in enumerate(all) if index in needed]
    if not actions:
        refuse(_RULE, "target", "be made by actions", _name(target.label) + ", which has none behind its files")

    programs = {program.executable: _program(ctx, program) for program in info.programs.to_list()}
    given = {file: True for executable, files in programs.items() for file in [executable] + files.values()}
    made = {file: True for action in actions for file in action.outputs.to_list()}
    rows = [_row(action, made, programs, given) for action in actions]
    used = {executable: programs[executable] for row in rows for executable in row.runs}
    leaves = {file: True for row in rows for file in row.leaves}
    leaves.update({file: True for executable, files in used.items() for file in [executable] + files.values() if file})

    graph = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(graph, json.encode({
        "actions": [row.row for row in rows],
        "label": _name(target.label),
        "leaves": [file.path for file in leaves],
        "programs": {
            executable.path: {runfile: file.path if file else None for runfile, file in files.items()}
            for executable, files in used.items()
        },
        "targets": [file.path for file in targets],
    }))
    folder = "{}/{}.inputs/".format(ctx.label.package, ctx.label.name)
    return [DefaultInfo(
        files = depset([graph]),
        runfiles = ctx.runfiles(files = [graph], symlinks = {folder + file.path: file for file in leaves.keys() + targets}),
    )]

action_graph = rule(
    implementation = _action_graph_impl,
    doc = """\
Writes the actions that lead to a target's files as JSON.

The files that they start from, and those that Bazel itself made of the target, lie in the runfiles, in `NAME.inputs/` under their
paths in the execution root.
""",
    attrs = {
        "target": attr.label(doc = "The target.", allow_files = True, aspects = [actions_aspect], mandatory = True),
    },
)
