"""Locked wheels, installed by the pip of the machine's Python."""

load(":host_python.bzl", "find_python")

_WHEEL_BUILD = '''"""{requirement}"""

load("@rules_python//python:defs.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

py_library(
    name = "wheel",
    srcs = glob(["site-packages/**/*.py"]),
    data = glob(
        ["site-packages/**"],
        exclude = [
            "site-packages/**/*.py",
            # What pip writes down for itself. Programs read only the metadata and the entry points.
            "site-packages/*.dist-info/INSTALLER",
            "site-packages/*.dist-info/RECORD",
            "site-packages/*.dist-info/REQUESTED",
            "site-packages/*.dist-info/WHEEL",
            "site-packages/*.dist-info/licenses/**",
        ],
    ),
    imports = ["site-packages"],
    deps = {deps},
)

filegroup(
    name = "programs",
    srcs = glob(["site-packages/bin/*"], allow_empty = True),
)

filegroup(
    name = "file",
    srcs = glob(["dist/*.whl"]),
)
'''

# Compiled files next to the sources, valid whatever the sources' times: every program that imports them starts faster, and
# another interpreter than this one just does not use them.
_COMPILE = [
    "-I",
    "-m",
    "compileall",
    "-qq",
    "--invalidation-mode=unchecked-hash",
    "-s",
    "site-packages",
    "site-packages",
]

def _pip(repository_ctx, python, command, arguments, what):
    result = repository_ctx.execute(
        [python, "-I", "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-input"] + arguments + [
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--requirement=requirement.txt",
        ],
        # pip takes its index, certificates and cache from the user's environment and configuration.
        timeout = 600,
    )
    if result.return_code != 0:
        fail("could not install {} (hint: pip must be able to; its index, proxy and certificates come from its configuration and environment):\n{}".format(
            what,
            result.stderr or "pip said nothing and ended with status {}".format(result.return_code),
        ))

def _wheel_impl(repository_ctx):
    requirement = repository_ctx.attr.requirement
    repository_ctx.file("requirement.txt", requirement + "\n")
    python = find_python(repository_ctx)
    what = requirement.split(" ")[0]
    _pip(repository_ctx, python, "download", ["--dest=dist"], what)
    _pip(repository_ctx, python, "install", ["--no-index", "--find-links=dist", "--no-compile", "--target=site-packages"], what)

    # A file for another version of Python may not compile; it stays as it is.
    repository_ctx.execute([python] + _COMPILE, timeout = 600)
    repository_ctx.file("BUILD.bazel", _WHEEL_BUILD.format(
        deps = repr([str(dep) for dep in repository_ctx.attr.deps]),
        requirement = what,
    ))

wheel = repository_rule(
    doc = "One wheel as a library, `//:wheel`; its programs are `//:programs`, the wheel itself is `//:file`.",
    implementation = _wheel_impl,
    attrs = {
        "deps": attr.string_list(doc = "Libraries that it needs."),
        "requirement": attr.string(doc = "Name, version and hashes, for pip.", mandatory = True),
    },
)

_ENVIRONMENT_BUILD = '''"""Wheels of {lock}, installed together."""

# One input, not thousands: the lock says what is in it, and it is never changed.
filegroup(
    name = "site_packages",
    srcs = ["site-packages"],
    visibility = ["//visibility:public"],
)
'''

def _wheel_environment_impl(repository_ctx):
    lock = repository_ctx.attr.lock
    repository_ctx.symlink(lock, "requirement.txt")
    python = find_python(repository_ctx)
    _pip(repository_ctx, python, "install", ["--no-compile", "--target=site-packages"], str(lock))
    repository_ctx.execute([python] + _COMPILE, timeout = 600)
    repository_ctx.file("BUILD.bazel", _ENVIRONMENT_BUILD.format(lock = lock))

wheel_environment = repository_rule(
    doc = "All wheels of a lock in one folder, `//:site_packages`: a program of others, for tests, that imports nothing of ours.",
    implementation = _wheel_environment_impl,
    attrs = {
        "lock": attr.label(doc = "Requirements with hashes.", mandatory = True),
    },
)

def _wheel_hub_impl(repository_ctx):
    lines = ['"""The locked wheels, by name."""', "", 'package(default_visibility = ["//visibility:public"])']
    for name in repository_ctx.attr.wheels:
        for target, actual in [(name, "wheel"), (name + ".programs", "programs"), (name + ".file", "file")]:
            lines += ["", "alias(", '    name = "{}",'.format(target), '    actual = "@wheel_{}//:{}",'.format(name, actual), ")"]
    repository_ctx.file("BUILD.bazel", "\n".join(lines) + "\n")

wheel_hub = repository_rule(
    doc = "Names for wheels: `//:NAME` is the library, `//:NAME.programs` what it installs to be run, `//:NAME.file` the wheel.",
    implementation = _wheel_hub_impl,
    attrs = {
        "wheels": attr.string_list(doc = "Names of the wheels.", mandatory = True),
    },
)
