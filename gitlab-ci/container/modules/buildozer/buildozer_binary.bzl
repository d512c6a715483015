"""The extension that Bazel's own module uses; it makes nothing."""

buildozer_binary = module_extension(
    doc = "Makes no repository: there is no buildozer in the container.",
    implementation = lambda _ctx: None,
)
