"""The image under test, read once; which it is, the rule says through the environment."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sysimage import grub
from sysimage.inspection import Image, Volume, look, open_image
from sysimage.properties import System, checks, contents, root_system, subject
from sysimage.properties.contents import Content
from sysimage.properties.findings import Row, load_rows
from sysimage.properties.judges import unpack
from sysimage.properties.subject import Subject


@pytest.fixture(scope="session")
def about() -> Subject:
    """What the test is about."""
    return subject.load(os.environ["SUBJECT"])


@pytest.fixture(scope="session")
def image(about: Subject) -> Iterator[Image]:
    """The image, judged by our verifiers."""
    with open_image(about.image) as reader:
        yield look(reader, verify=True)


@pytest.fixture(scope="session")
def system(image: Image) -> System:
    """The system on it."""
    return root_system(image)


@pytest.fixture(scope="session")
def root(image: Image, system: System) -> Volume:
    """The volume of the system."""
    return image[system.name]


@pytest.fixture(scope="session")
def scanned(image: Image) -> Mapping[tuple[str, str], Content]:
    """What reading all files showed."""
    return contents.scan(image)


@pytest.fixture(scope="session")
def rows(about: Subject) -> list[Row]:
    """The reviewed lists."""
    return load_rows(about.reviewed, checks.ALL)


@pytest.fixture(scope="session")
def folder(system: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root, unpacked."""
    made = tmp_path_factory.mktemp("system") / "root"
    unpack(system, made)
    return made


@pytest.fixture(scope="session")
def command_lines(image: Image) -> list[str]:
    """The kernel's, one a slot, as the boot partition has them."""
    found: list[str] = []
    for volume in image.volumes:
        if volume.tree is not None and "boot_args" in volume.tree:
            found += grub.parse_boot_args(image.read(f"{volume.name}:boot_args")).values()
    assert found, "no volume has a file boot_args with a line boot_args_SLOT=..."
    return found
