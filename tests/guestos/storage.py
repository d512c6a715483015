"""What a GuestOS that went through its first boot has: asked in the guest, and on its disk after it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from sysimage import gpt
from sysimage.extents import open_raw
from tests.guestos.guest import Guest

STORE = "f5f8d295-0a0d-5474-9e9c-b919ce13d56a"
STORE_TYPE = "CA7D7CCB-63ED-4C53-861C-1742536059CC"
VAR = {"A": "22d2f5a6-1e39-d247-81cf-90c95c113e21", "B": "2237d1d1-ce96-584e-8ec5-8ae6661faae9"}
MOUNTS = {
    "/var": "/dev/mapper/var-crypt",
    "/var/lib/ic/crypto": "/dev/mapper/store-shared--crypto",
    "/var/lib/ic/backup": "/dev/mapper/store-shared--backup",
    "/var/lib/ic/data": "/dev/mapper/store-shared--data",
}
_LUKS = b"LUKS\xba\xbe\x00\x02"
_CHECKS = {
    "key": "stat -c '%a %s %u' /boot/config/store.keyfile",
    "identity": "cat /boot/config/machine-id",
    "same": "cmp /etc/machine-id /boot/config/machine-id && echo same",
    "host key": "ssh-keygen -lf /boot/config/ssh/ssh_host_ed25519_key.pub",
    "left over": "find /boot/config -name '*new*'",
    "volumes": "vgs --noheadings -o vg_name,lv_count; lvs --noheadings -o lv_name store",
}


def check(guest: Guest, slot: str = "A") -> dict[str, str]:
    """All that the first boot is to leave behind is there; returns what stays the same over boots."""
    found = {name: guest.succeeds(command) for name, command in _CHECKS.items()}
    assert found["key"] == "400 64 0"
    assert re.fullmatch("[0-9a-f]{32}", found["identity"])
    assert found["same"] == "same"
    assert "(ED25519)" in found["host key"]
    assert found["left over"] == ""
    assert found["volumes"].split() == ["store", "3", "shared-backup", "shared-crypto", "shared-data"]
    for place, device in MOUNTS.items():
        source, kind, options = guest.succeeds(f"findmnt -no SOURCE,FSTYPE,OPTIONS {place}").split()
        assert (source, kind) == (device, "ext4"), place
        assert {"rw", "nodev", "nosuid"} <= set(options.split(",")), place
    for label, partition in (("var", VAR[slot]), ("store", STORE)):
        dump = guest.succeeds(f"cryptsetup luksDump /dev/disk/by-partuuid/{partition}")
        assert re.search(rf"^Label:\s+{label}$", dump, re.MULTILINE)
        assert re.search(r"^Version:\s+2$", dump, re.MULTILINE)
        assert "aes-xts-plain64" in dump
    return {name: found[name] for name in ("identity", "host key")}


def check_table(disk: Path) -> None:
    """The partition table of the disk file: partition 10 on the rest, and the backup at the end."""
    table = json.loads(_judge("sfdisk", "--json", str(disk)))["partitiontable"]
    (store,) = [entry for entry in table["partitions"] if entry.get("name") == "store"]
    last = max((entry for entry in table["partitions"] if entry is not store), key=lambda entry: int(entry["start"]))
    sectors = disk.stat().st_size // 512
    assert len(table["partitions"]) == 10
    assert (store["uuid"].lower(), store["type"]) == (STORE, STORE_TYPE)
    assert store["start"] == last["start"] + last["size"]
    # 33 sectors of backup, and less than a block of 4096 bytes.
    assert sectors - 33 - 8 < store["start"] + store["size"] <= sectors - 33
    assert "No problems found." in _judge("sgdisk", "--verify", str(disk))


def labels(disk: Path) -> dict[str, str]:
    """Labels of the LUKS volumes by partition, as they lie on the disk; empty where there is none.

    Source: LUKS2 on-disk format 1.1, 2.1 (magic, version, size, sequence, label).
    """
    reader = open_raw(disk)
    with reader.sources, disk.open("rb") as file:
        places = {entry.name: entry.offset for entry in gpt.read(reader).partitions}
        found = {}
        for name in ("A_var", "B_var", "store"):
            header = b""
            if name in places:
                file.seek(places[name])
                header = file.read(72)
            found[name] = header[24:].rstrip(b"\0").decode() if header.startswith(_LUKS) else ""
    return found


def _judge(program: str, *arguments: str) -> str:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert found is not None, f"{program} is not in the build environment"
    result = subprocess.run([found, *arguments], capture_output=True, text=True, check=True)
    return result.stdout
