"""A look at a finished image, by `bazel run`."""

load("//toolchains/private:checks.bzl", "check_not_negative", "check_path", "quote", "refuse")
load("//toolchains/python:defs.bzl", "py_binary")

_RULE = "image_inspect"

def check_arguments(show, largest_packages):
    """Refuses what image_inspect cannot be given.

    Args:
        show: files to print.
        largest_packages: how many packages to list.
    """
    check_not_negative(_RULE, "largest_packages", largest_packages)
    for word in show:
        volume, separator, path = word.partition(":")
        if not volume or not separator or not path:
            refuse(_RULE, "show", "be of the form VOLUME:PATH", quote(word), "VOLUME is the name of a partition, or PARTITION/VOLUME")
        check_path(_RULE, "show", path)

def image_inspect(name, image, show = [], largest_packages = 0, data = [], **kwargs):
    """A program that draws what is on an image: partitions, logical volumes, filesystems with their fill, hash trees, files.

    ```starlark
    image_inspect(
        name = "inspect",
        image = ":disk-img.tar.zst",
        show = ["boot:version.txt"],
    )
    ```

    `bazel run :inspect` prints it, `bazel run :inspect -- --json` for machines,
    `bazel run :inspect -- verify` checks all that is found.

    Args:
        name: name of the target.
        image: the image: raw, or a tar with it, either as it is or under zstd.
        show: text files on it to print, as `VOLUME:PATH`; a logical volume is `PARTITION/VOLUME`.
        largest_packages: how many of the largest packages to list.
        data: further files.
        **kwargs: as for py_binary.
    """
    check_arguments(show, largest_packages)
    py_binary(
        name = name,
        srcs = [Label("//py/tools:inspect_image.py")],
        main = Label("//py/tools:inspect_image.py"),
        args = [
            "--image=$(rootpath {})".format(image),
            "--largest_packages={}".format(largest_packages),
        ] + ["--show=" + word for word in show],
        data = data + [image],
        deps = [Label("//py/tools:inspect_image")],
        **kwargs
    )
