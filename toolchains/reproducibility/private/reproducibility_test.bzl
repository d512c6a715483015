"""A target built twice from nothing, in two environments that have nothing in common."""

load("//toolchains/python:defs.bzl", "py_test")
load(":action_graph.bzl", "action_graph")

_TOOL = Label("//toolchains/reproducibility/tools:environments")

def reproducibility_test(name, target, size = "large", tags = [], **kwargs):
    """Builds a target's action graph twice from nothing, in environments that differ in everything that has bitten builders before.

    Every action behind the target's files is executed in both, those that make locked tools included. Programs that
    run them (`py_binary` targets and the like) are taken as Bazel built them. An action that cannot be executed again is refused in the analysis.

    What differs: output path and its length, user, umask, setgid and ACL on scratch directories, locale, time zone, clock, host
    name, CPU count, jobs, directory read order, file system of the scratch directory, times and modes of inputs, environment
    variables, Python hash seed. A program looks around in both first; what is not seen to differ fails the test.

    The bytes must be equal, also to those that Bazel built. If not, the test names the first action whose outputs differ, in what
    they differ, and which of the environments' differences it is that does it.

    ```starlark
    reproducibility_test(
        name = "reproducibility_test",
        target = ":disk-img",
    )
    ```

    Args:
        name: name of the target.
        target: what is built, with all that it is made from.
        size: size of the test.
        tags: tags of the test.
        **kwargs: as for py_test.
    """
    graph = name + "_graph"
    action_graph(
        name = graph,
        tags = ["manual"],
        target = target,
        testonly = True,
    )
    py_test(
        name = name,
        size = size,
        srcs = [Label("//py/tools:reproduce.py")],
        args = [
            "--graph=$(rootpath :{})".format(graph),
            "--tool=$(rootpath {})".format(_TOOL),
        ],
        data = [graph, _TOOL],
        main = Label("//py/tools:reproduce.py"),
        # Both builds run at the same time.
        tags = tags + ["cpu:2"],
        deps = [Label("//py/tools:reproduce_lib")],
        **kwargs
    )
