"""Module extension for nested builds: the sources of this repository as data of tests."""

load("//tests/nested/private:workspace_sources.bzl", "workspace_sources")

def _nested_impl(_module_ctx):
    workspace_sources(
        name = "workspace_sources",
        # The user's own settings, and what no image is made of, so that a change of it runs no nested build again.
        ignored = [
            ".bazelrc.user",
            ".ci",
            "CONTRIBUTING.md",
            "README.md",
            "benchmarks",
            "docs",
            "examples",
            "gitlab-ci",
        ],
        root = "//:MODULE.bazel",
    )

nested = module_extension(
    doc = "Makes `@workspace_sources`.",
    implementation = _nested_impl,
)
