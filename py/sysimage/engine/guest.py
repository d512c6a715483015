#!/usr/bin/python3.13
"""First program of the engine's machine: builds Dockerfiles for real, and hands out what each changed.

Disks: vda is the machine's own root, vdb the tree that FROM stands for, vdc the work: `order.json` (name and arguments
of each build), `builds/NAME` with Dockerfile and context, and `image`, an OCI layout with the base's configuration and
a layer of next to nothing. The engine imports that image, and the tree is mounted where the engine keeps the files of
its layer: so no base is ever unpacked.

What comes out goes to the virtio port `results` as one tar, for each build a folder with `status` (the engine's exit
status), `log`, `image.json` (what the engine says of the image) and `changes.tar` (the upper directory of overlayfs,
with all attributes).

To load an image it has two disks only, vdb being the work: `image.tar`, an image archive, and `container.json` (names
of transports, commands). The results are `images` (the identity that each transport gave the image, one a line),
`tree.tar` (what a container of it has, before anything ran), and for each command a folder `run-NUMBER` with `status`
and `log`.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

STORAGE = Path("/var/lib/containers/storage")
WORK = Path("/work")
RESULTS = Path("/results")
BASE = "localhost/base"
BUILD = (
    "build",
    "--isolation=chroot",
    "--network=host",
    "--dns=none",
    "--no-hostname",
    "--no-hosts",
    "--layers=false",
    "--pull=never",
    "--identity-label=false",
    f"--from={BASE}",
)
TAR = (
    "tar",
    "--create",
    "--format=pax",
    "--xattrs",
    "--xattrs-include=*",
    "--numeric-owner",
    "--sort=name",
)


def mount(kind: str, device: str, place: Path | str, options: str = "rw") -> None:
    """Mounts a file system; its mount point is made."""
    Path(place).mkdir(parents=True, exist_ok=True)
    subprocess.run(["busybox", "mount", "-t", kind, "-o", options, device, str(place)], check=True)


def prepare() -> None:
    """What a system's start would have done."""
    os.umask(0o022)
    os.environ.update(PATH="/usr/bin", HOME="/root", LC_ALL="C.UTF-8", TMPDIR="/var/tmp")
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/run"), ("tmpfs", "/tmp")):
        mount(kind, kind, place)
    mount("devpts", "devpts", "/dev/pts")
    mount("tmpfs", "tmpfs", "/dev/shm")
    mount("cgroup2", "cgroup2", "/sys/fs/cgroup")
    mount("ext4", "/dev/vdc" if Path("/dev/vdc").exists() else "/dev/vdb", WORK, "ro")
    subprocess.run(["busybox", "ip", "link", "set", "lo", "up"], check=True)


def engine(*arguments: str) -> tuple[int, bytes]:
    """Runs the engine: its exit status, and all it said. When it began each step stands on the console."""
    begin = time.monotonic()
    said = []
    with subprocess.Popen(
        ["buildah", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith((b"STEP", b"COMMIT", b"Error")):
                print(f"{time.monotonic() - begin:8.2f} {line.decode(errors='replace').strip()[:120]}", flush=True)
    print(f"{time.monotonic() - begin:8.2f} {arguments[0]}: status {process.returncode}", flush=True)
    return process.returncode, b"".join(said)


def must(*arguments: str) -> bytes:
    """Runs the engine, which must succeed: what it said."""
    status, said = engine(*arguments)
    if status:
        raise RuntimeError(f"buildah {' '.join(arguments)}: {said.decode(errors='replace')}")
    return said


def upper(image: str) -> Path:
    """Where the engine's storage keeps the files of an image's uppermost layer."""
    for each in json.loads((STORAGE / "overlay-images/images.json").read_text()):
        if f"{image}:latest" in each.get("names", []):
            return STORAGE / f"overlay/{each['layer']}/diff"
    raise LookupError(f"the storage has no image {image}")


def import_base() -> None:
    """Makes the second disk's tree the content of the base image."""
    must("pull", "--quiet", f"oci:{WORK}/image")
    must("tag", must("images", "--quiet", "--no-trunc").decode().strip(), BASE)
    place = upper(BASE)
    mount("ext4", "/dev/vdb", place)
    (place / "lost+found").rmdir()


def build(name: str, arguments: list[str]) -> None:
    """Builds one Dockerfile, and puts what came of it among the results."""
    folder, out, image = WORK / "builds" / name, RESULTS / name, f"localhost/{name}"
    out.mkdir()
    status, said = engine(*BUILD, f"--tag={image}", f"--file={folder}/Dockerfile", *arguments, f"{folder}/context")
    (out / "status").write_text(f"{status}\n")
    (out / "log").write_bytes(said)
    if status == 0:
        (out / "image.json").write_bytes(must("inspect", "--type=image", image))
        subprocess.run([*TAR, f"--file={out}/changes.tar", f"--directory={upper(image)}", "."], check=True)


def load(transports: list[str], commands: list[str]) -> None:
    """Loads an image by each transport, and runs commands in a container of it."""
    images = []
    for transport in transports:
        images.append(must("pull", "--quiet", f"{transport}:{WORK}/image.tar").decode().split()[-1])
    (RESULTS / "images").write_text("".join(f"{image}\n" for image in images))
    container = must("from", "--pull=never", images[-1]).decode().split()[-1]
    place = must("mount", container).decode().split()[-1]
    subprocess.run([*TAR, f"--file={RESULTS}/tree.tar", f"--directory={place}", "."], check=True)
    for number, command in enumerate(commands):
        status, said = engine("run", "--isolation=chroot", "--network=host", container, "--", "/bin/sh", "-c", command)
        out = RESULTS / f"run-{number}"
        out.mkdir()
        (out / "status").write_text(f"{status}\n")
        (out / "log").write_bytes(said)


def port(name: str) -> str:
    """The device of a virtio port."""
    for folder in Path("/sys/class/virtio-ports").iterdir():
        if (folder / "name").read_text().strip() == name:
            return f"/dev/{folder.name}"
    raise FileNotFoundError(f"no virtio port {name!r}")


def main() -> None:
    """Does it all; what goes wrong is told on the console."""
    prepare()
    RESULTS.mkdir()
    if (WORK / "container.json").exists():
        load(*json.loads((WORK / "container.json").read_text()))
    else:
        import_base()
        for name, arguments in json.loads((WORK / "order.json").read_text()):
            build(name, arguments)
    subprocess.run(["tar", "--create", f"--file={port('results')}", f"--directory={RESULTS}", "."], check=True)
    print("ENGINE DONE", flush=True)


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # the kernel would panic without a word of it
        sys.excepthook(type(error), error, error.__traceback__)
        print(f"ENGINE FAILED: {type(error).__name__}: {error}", flush=True)
    subprocess.run(["/usr/bin/busybox", "poweroff", "-f"], check=False)
