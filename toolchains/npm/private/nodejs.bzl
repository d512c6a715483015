"""The Node.js of a locked wheel."""

def _nodejs_impl(rctx):
    rctx.symlink(rctx.attr.node, "node")
    rctx.symlink(rctx.path(rctx.attr.npm).dirname.dirname, "npm")
    rctx.file("BUILD.bazel", 'exports_files(["node", "npm"])\n', executable = False)

nodejs = repository_rule(
    doc = "The program `//:node`, and npm's folder `//:npm`, as one input each. The wheel's own target has thousands.",
    implementation = _nodejs_impl,
    attrs = {
        "node": attr.label(doc = "The program in the wheel.", mandatory = True),
        "npm": attr.label(doc = "npm's program in it.", mandatory = True),
    },
)
