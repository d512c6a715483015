"""What reproducibility_test refuses to look at."""

load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("//toolchains/reproducibility/private:action_graph.bzl", "action_graph")
load("//toolchains/testing:refusals.bzl", "refusals")

def _dangling_impl(ctx):
    out = ctx.actions.declare_symlink(ctx.label.name + ".link")
    ctx.actions.symlink(output = out, target_path = "nowhere")
    return [DefaultInfo(files = depset([out]))]

_dangling = rule(
    implementation = _dangling_impl,
    doc = "A link that Bazel does not follow: the analysis does not say where it leads.",
)

def _inside_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".out")
    zip = ctx.attr.program[OutputGroupInfo].python_zip_file.to_list()[0]
    ctx.actions.run(
        executable = "/bin/cp",
        arguments = [zip.path, out.path],
        inputs = [zip],
        outputs = [out],
        mnemonic = "Inside",
    )
    return [DefaultInfo(files = depset([out]))]

_inside = rule(
    implementation = _inside_impl,
    doc = "Reads what is made of a program, whose own actions are no part of the graph.",
    attrs = {"program": attr.label(cfg = "exec")},
)

def action_graph_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    write_file(
        name = name + "_sound",
        out = name + "_sound.txt",
        content = [],
        tags = ["manual"],
    )
    _dangling(
        name = name + "_dangling_link",
        tags = ["manual"],
    )
    _inside(
        name = name + "_inside_of_a_program",
        program = "//py/tools:boot_args",
        tags = ["manual"],
    )
    package = "//" + native.package_name()
    refusals(
        name = name,
        rule = action_graph,
        target = name + "_sound",
        cases = {
            "dangling": (
                {"target": name + "_dangling_link"},
                "reproducibility_test: target must be made by actions that can be executed again; got UnresolvedSymlink of {}:{}_dangling_link (hint: it has neither a command line nor a content that the analysis knows)".format(package, name),
            ),
            "inside": (
                {"target": name + "_inside_of_a_program"},
                "reproducibility_test: target must be made by actions that can be executed again; got Inside of {}:{}_inside_of_a_program (hint: it reads py/tools/boot_args.zip, and what makes that is not known here)".format(package, name),
            ),
            "source": (
                {"target": "BUILD.bazel"},
                "reproducibility_test: target must be made by actions; got {}:BUILD.bazel, which has none behind its files".format(package),
            ),
        },
    )
