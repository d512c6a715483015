"""Tests and looks in virtual machines.

    vm_test     a pytest test that starts machines
    vm_launch   `bazel run`: a disk image in QEMU, its console in the terminal

QEMU and firmware come from locked packages; the host needs nothing.
"""

load("//toolchains/python:defs.bzl", "py_binary", "pytest_test")

_QEMU = Label("//toolchains/vm:qemu")

def vm_test(name, srcs, deps = [], data = [], files = {}, env = {}, cpus = 2, tags = [], size = "large", **kwargs):
    """A test that starts virtual machines (py/sysimage/vm).

    `sysimage.vm.testing` tells it where QEMU is; the consoles' logs are kept among the test's outputs.

    ```starlark
    vm_test(
        name = "boot_test",
        srcs = ["boot_test.py"],
        files = {"IMAGE": ":disk-img.tar.zst"},
    )
    ```

    Args:
        name: name of the target.
        srcs: the test files.
        deps: libraries that they import; the harness need not be named.
        data: files that they read.
        files: environment variable to the label of one file, or folder, whose path it is to have.
        env: further environment variables.
        cpus: processors of its machines: Bazel runs no more tests beside it than fit.
        tags: tags of the test.
        size: size of the test; emulation is slow.
        **kwargs: as for `pytest_test`.
    """
    variables = {"VM_TOOL": "$(rootpath {})".format(_QEMU)}
    for variable, label in files.items():
        variables[variable] = "$(rootpath {})".format(label)
    pytest_test(
        name = name,
        size = size,
        srcs = srcs,
        data = data + [_QEMU] + files.values(),
        env = variables | env,
        tags = tags + ["cpu:{}".format(cpus)],
        deps = deps + [Label("//py/sysimage/vm")],
        **kwargs
    )

def vm_launch(name, image, args = [], data = [], **kwargs):
    """A program that boots a disk image on a throw-away overlay, with the console in the terminal and ssh forwarded.

    ```starlark
    vm_launch(
        name = "launch",
        image = ":disk-img.tar.zst",
    )
    ```

    `bazel run :launch -- --help` lists what can be changed (memory, ports, a disk that keeps its changes, a machine for an installer: the image
    on a USB stick, and an empty disk).

    Args:
        name: name of the target.
        image: a zstd-compressed tar with the member disk.img.
        args: flags for the program.
        data: files that they name.
        **kwargs: as for py_binary.
    """
    py_binary(
        name = name,
        srcs = [Label("//py/tools:vm_launch.py")],
        main = Label("//py/tools:vm_launch.py"),
        args = [
            "--tool=$(rootpath {})".format(_QEMU),
            "--image=$(rootpath {})".format(image),
        ] + args,
        data = data + [_QEMU, image],
        deps = [Label("//py/tools:vm_launch_lib")],
        **kwargs
    )
