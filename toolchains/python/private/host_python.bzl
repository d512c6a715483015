"""The machine's own Python as a toolchain."""

_OLDEST = (3, 11)

# Says the version, and fails where the interpreter is a launcher that finds none.
_PROBE = "import sys; print('%d %d' % sys.version_info[:2])"

def find_python(repository_ctx):
    """The interpreter that builds use: /usr/bin/python3 where it is new enough, else the first python3 on PATH.

    The former comes first because it is the same path on every machine, so that caches can be shared.

    Args:
        repository_ctx: of the repository that asks; it is made anew when the interpreter changes.

    Returns:
        The path, a string.
    """
    seen = []
    for candidate in ["/usr/bin/python3", repository_ctx.which("python3")]:
        if not candidate or not repository_ctx.path(candidate).exists:
            continue
        result = repository_ctx.execute([candidate, "-I", "-c", _PROBE])
        if result.return_code != 0:
            continue
        version = tuple([int(part) for part in result.stdout.strip().split(" ")])
        if version >= _OLDEST:
            repository_ctx.watch(candidate)
            return str(candidate)
        seen.append("{} is {}.{}".format(candidate, *version))
    fail("no python3 of version {}.{} or newer was found{} (hint: install one, or build in the container: gitlab-ci/container/container-run.sh)".format(
        _OLDEST[0],
        _OLDEST[1],
        ": " + ", ".join(seen) if seen else "",
    ))

_BUILD = '''"""The Python of this machine."""

load("@rules_python//python:defs.bzl", "py_runtime", "py_runtime_pair")

py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    stub_shebang = "#!{interpreter} -IS",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtime_pair",
    toolchain_type = "@rules_python//python:toolchain_type",
    visibility = ["//visibility:public"],
)
'''

def _host_python_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel", _BUILD.format(interpreter = find_python(repository_ctx)))

host_python = repository_rule(
    doc = "The machine's own Python, as `//:toolchain`.",
    implementation = _host_python_impl,
    environ = ["PATH"],
)
