"""Python rules for build files.

`py_binary`, `py_library` and `py_test` are those of rules_python, the same with Debian's old one and the newest; `pytest_test` runs
pytest. Load them from here and nowhere else, so that what differs between versions is settled in one place.
"""

load("@rules_python//python:defs.bzl", _py_binary = "py_binary", _py_library = "py_library", _py_test = "py_test")

# The environment of every action that runs a Python program, whatever rule it is from:
# ctx.actions.run(..., env = PYTHON_ENV). No user's site folder, no chance, no clock's zone, no compiled files left behind.
PYTHON_ENV = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "TZ": "UTC",
}

py_library = _py_library

def py_binary(name, **kwargs):
    """A Python program.

    Unlike the rule behind it, it makes no `__init__.py` where none is declared, so that imports
    work as they do outside of Bazel.

    Args:
        name: name of the target, and of its main file unless `main` says otherwise.
        **kwargs: as for rules_python's py_binary.
    """
    _py_binary(
        name = name,
        legacy_create_init = 0,
        **kwargs
    )

def py_test(name, **kwargs):
    """A test that is a Python program: it passes when the program's exit status is 0.

    Args:
        name: name of the target.
        **kwargs: as for rules_python's py_test.
    """
    _py_test(
        name = name,
        legacy_create_init = 0,
        **kwargs
    )

def pytest_test(name, srcs, deps = [], data = [], args = [], **kwargs):
    """A test whose files pytest runs.

    pytest and hypothesis need not be named. Hypothesis draws the same examples every time. `--test_filter` becomes
    pytest's `-k`, `shard_count` divides the test functions, and a run that collects no test fails.

    Args:
        name: name of the target.
        srcs: the test files; all of them are run.
        deps: libraries that they import.
        data: files that they read.
        args: further arguments for pytest.
        **kwargs: as for rules_python's py_test.
    """
    main = Label("//toolchains/python:pytest_main.py")
    _py_test(
        name = name,
        srcs = srcs + [main],
        main = main,
        args = ["$(rootpath %s)" % src for src in srcs] + args,
        data = data,
        legacy_create_init = 0,
        deps = deps + [
            Label("@wheels//:hypothesis"),
            Label("@wheels//:pytest"),
        ],
        **kwargs
    )
