"""Module extension for Python: the machine's interpreter as a toolchain, and the locked wheels."""

load("//toolchains/python/private:host_python.bzl", "host_python")
load("//toolchains/python/private:lock.bzl", "parse_lock")
load("//toolchains/python/private:wheels.bzl", "wheel", "wheel_environment", "wheel_hub")

_wheels = tag_class(
    doc = "The wheels of a lock file, as `@wheels//:NAME` for each (`absl-py` is `@wheels//:absl_py`).",
    attrs = {
        "lock": attr.label(
            doc = "Requirements with hashes, as `bazel run //toolchains/python:lock` writes them.",
            mandatory = True,
        ),
    },
)

_environment = tag_class(
    doc = "A program of others with all that it needs, as one folder: `@NAME//:site_packages`.",
    attrs = {
        "lock": attr.label(
            doc = "Requirements with hashes, as `lock.py` writes them.",
            mandatory = True,
        ),
        "name": attr.string(doc = "Name of the repository.", mandatory = True),
    },
)

def _python_impl(module_ctx):
    host_python(name = "host_python")
    for module in module_ctx.modules:
        for tag in module.tags.environment:
            wheel_environment(name = tag.name, lock = tag.lock)
        for tag in module.tags.wheels:
            wheels = parse_lock(module_ctx.read(tag.lock))
            for entry in wheels:
                wheel(
                    name = "wheel_" + entry.name,
                    requirement = entry.requirement,
                    deps = ["@wheels//:" + dep for dep in entry.deps],
                )
            wheel_hub(
                name = "wheels",
                wheels = [entry.name for entry in wheels],
            )

python = module_extension(
    doc = """The machine's interpreter and the locked wheels.

Makes `@host_python//:toolchain`, and `@wheels` with one library a wheel. Each wheel is a
repository of its own behind it, so that a build fetches only those that it depends on.
""",
    implementation = _python_impl,
    tag_classes = {
        "environment": _environment,
        "wheels": _wheels,
    },
)
