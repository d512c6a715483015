"""The rule reference, kept in the source tree and compared with the rules by a test.

    rule_reference   pages about .bzl files

Bazel itself extracts what the rules say of themselves (`starlark_doc_extract`); nothing else is needed.
"""

load("//toolchains/python:defs.bzl", "py_binary", "pytest_test")

def rule_reference(name, files, folder, committed, examples):
    """Pages about `.bzl` files.

    Makes `NAME_update`, which writes them (`bazel run`), and `NAME_test`, which fails when they are not up to date, when
    something has no doc, and when an example in a doc is not what is built.

    Args:
        name: name of the target.
        files: name of a page to a pair: the .bzl file, and the bzl_library with all that it loads.
        folder: where the pages lie, from the root of the repository.
        committed: label of the pages.
        examples: build and module files that have every example.
    """
    for page, (src, library) in files.items():
        native.starlark_doc_extract(
            name = "{}_{}".format(name, page),
            src = src,
            deps = [library],
        )
    extracted = {page: "{}_{}.textproto".format(name, page) for page in files}
    pages = ["{}=$(rootpath {})".format(page, file) for page, file in extracted.items()]
    py_binary(
        name = name + "_update",
        srcs = ["reference.py"],
        args = ["--folder=" + folder] + pages,
        data = extracted.values(),
        main = "reference.py",
        deps = [":rendering"],
    )
    pytest_test(
        name = name + "_test",
        size = "small",
        srcs = ["pages_test.py"],
        data = extracted.values() + [committed] + examples,
        env = {
            "EXAMPLES": " ".join(["$(rootpath {})".format(example) for example in examples]),
            "FOLDER": folder,
            "PAGES": " ".join(pages),
            "UPDATE": "//{}:{}_update".format(native.package_name(), name),
        },
        deps = [":rendering"],
    )
