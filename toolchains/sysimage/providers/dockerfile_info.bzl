"""What a layer was made of, for whoever wants to make it again by other means."""

load("//toolchains/private:fields.bzl", "check_file")

DOC = """\
The Dockerfile of a layer with all that a container engine would be given to build it.

Its result stands in RootfsInfo beside it: the tree, and the image configuration.
"""

FIELDS = {
    "base": "RootfsInfo or None: what FROM stands for.",
    "build_args": "dict of string to string: values of ARG.",
    "context": "dict of string to File: path in the context to the file that COPY sees there.",
    "dockerfile": "File: the Dockerfile.",
    "epoch": "int: modification time of all that is made, seconds since 1970.",
    "modes": "dict of string to string: path or pattern in the context to octal mode; other files are 0644, directories 0755.",
}

def _init(*, base, build_args, context, dockerfile, epoch, modes):
    check_file("DockerfileInfo", "dockerfile", dockerfile)
    for file in context.values():
        check_file("DockerfileInfo", "context", file)
    return {
        "base": base,
        "build_args": build_args,
        "context": context,
        "dockerfile": dockerfile,
        "epoch": epoch,
        "modes": modes,
    }

DockerfileInfo, _new = provider(doc = DOC, fields = FIELDS, init = _init)
