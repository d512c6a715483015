"""SetupOS in QEMU, for tests: the image as a USB stick.

A test file takes the fixtures of tests/vm/system.py with `pytest_plugins = ["tests.setupos.stick"]`.
"""

import pytest

from tests.vm.system import Running, System

pytest_plugins = ["tests.vm.system"]

SETUPOS = System("setupos", size=4_039_114_752, memory=2048, stick=True)


@pytest.fixture(scope="session")
def system() -> System:
    """What is tested."""
    return SETUPOS


def check_mounts(setupos: Running) -> None:
    """The stick's partitions are there to read, and nothing else of it is; what is written goes to memory."""
    stick = setupos.succeeds("lsblk -dno PATH,TRAN | awk '$2 == \"usb\" { print $1 }'")
    found = setupos.succeeds(
        "for place in /config /data /var /tmp; do findmnt -no SOURCE,FSTYPE,OPTIONS ${place}; done"
    )
    rows = [line.split() for line in found.splitlines()]
    assert [row[:2] for row in rows] == [
        [f"{stick}3", "vfat"],
        [f"{stick}4", "ext4"],
        ["tmpfs", "tmpfs"],
        ["tmpfs", "tmpfs"],
    ]
    options = [set(row[2].split(",")) for row in rows]
    assert all({"ro", "nodev", "nosuid", "noexec"} <= each for each in options[:2])
    assert setupos.succeeds("stat -c %a /config/config.ini") == "700"
    assert setupos.succeeds("dmsetup deps -o devname vroot").split() == ["1", "dependencies", ":", f"({stick[5:]}6)"]


def check_data(setupos: Running) -> None:
    """Each image is what its checksum says, and nothing lacks for an installation."""
    said = setupos.succeeds("(cd /data && sha256sum --check --strict *.sha256)", 600)
    assert said.splitlines() == ["guest-os.img.tar.zst: OK", "host-os.img.tar.zst: OK"]
    assert setupos.succeeds("jq -r .deployment.name /data/deployment.json") == "dev"
    setupos.succeeds("grep -q 'BEGIN PUBLIC KEY' /data/nns_public_key.pem")
