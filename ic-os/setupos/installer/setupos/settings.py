"""The configuration, from the stick, as HostOS will see it: a root folder of its own in which HostOS's scripts are run.

    /run/setupos/root/boot/config/   what goes to the config volume of HostOS
    /run/setupos/root/{dev,opt,proc,run,sys}   links to those of this system

HostOS's scripts put IC_ROOT in front of every path; so the very files that judge the configuration there judge it here.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from setupos.failure import Failure
from setupos.machine import Machine

ROOT: Final = "/run/setupos/root"
STAGE: Final = f"{ROOT}/boot/config"
ACCOUNTS: Final = ("admin", "backup", "readonly")
SKIPPABLE: Final = ("cpu", "memory", "disks", "network")
MAY_SKIP: Final = "/opt/ic/share/checks-may-be-skipped"
SKIP: Final = "/config/skip-checks"
OPERATOR_KEY: Final = "node_operator_private_key.pem"
_MAX_BYTES: Final = 65536  # of a file, as HostOS has it for those that go to the guest
# Where each file comes from; True: it has to be there.
_FILES: Final = {
    "config.ini": ("/config", True),
    "deployment.json": ("/data", True),
    "nns_public_key.pem": ("/data", True),
    OPERATOR_KEY: ("/config", False),
    **{f"ssh_authorized_keys/{account}": ("/config", False) for account in ACCOUNTS},
}
_PLACES: Final = {"/config": "the stick's partition CONFIG", "/data": "the stick's partition data"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the installer itself needs to know. nns_urls: of deployment.json; memory: GiB of the guest."""

    nns_urls: Sequence[str]
    ipv6_gateway: str
    name_servers: Sequence[str]
    memory: int
    management_mac: str
    has_operator_key: bool
    verbose: bool = False
    skipped: Sequence[str] = ()
    remarks: Sequence[str] = field(default=())

    def checks(self, name: str) -> bool:
        """Whether a check is made."""
        return name not in self.skipped


def ask_host(machine: Machine, script: str, *words: str) -> str:
    """What a script of HostOS says of the configuration.

    Raises:
        Failure: it refuses it.
    """
    result = machine.run(
        machine.path(f"/opt/ic/bin/{script}"), *words, environment={"IC_ROOT": str(machine.path(ROOT))}
    )
    if result.status:
        said = (result.errors.strip().splitlines() or [f"exit status {result.status}"])[-1]
        raise Failure(f"{said.removeprefix('host-config: ')} (mend it on the stick)")
    return result.output.strip()


def load(machine: Machine) -> Settings:
    """Stages the configuration and checks all of it. Nothing but /run is changed.

    Raises:
        Failure: something is missing or malformed.
    """
    _check_mounts(machine)
    skipped = read_skipped(machine)
    _make_root(machine)
    for name, (folder, needed) in _FILES.items():
        _take(machine, folder, name, needed)
    ask_host(machine, "host-config.sh", "check")
    mac = ask_host(machine, "host-config.sh", "get", "mgmt_mac")
    _name_machine(machine, mac)
    ask_host(machine, "host-config.sh", "check")
    for name in _FILES:
        if name not in ("config.ini", "deployment.json"):
            _check_keys(machine, name)

    def get(key: str) -> str:
        return ask_host(machine, "host-config.sh", "get", key)

    return Settings(
        nns_urls=[url for url in get("nns_url").split(",") if url],
        ipv6_gateway=get("ipv6_gateway"),
        name_servers=[server for server in get("name_servers").split() if ":" in server],
        memory=int(get("memory")),
        management_mac=mac,
        has_operator_key=machine.path(f"{STAGE}/{OPERATOR_KEY}").exists(),
        verbose=get("verbose") == "true",
        skipped=skipped,
        remarks=list(_remarks(machine)),
    )


def read_skipped(machine: Machine) -> Sequence[str]:
    """Names of the checks that are not made.

    Raises:
        Failure: none may be skipped with this image, or there is no such check.
    """
    if not machine.path(SKIP).exists():
        return ()
    if not machine.path(MAY_SKIP).exists():
        raise Failure(
            "this image makes all checks, but there is skip-checks on the stick; remove it from its partition CONFIG"
        )
    names: list[str] = []
    try:
        text = machine.path(SKIP).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Failure(f"skip-checks cannot be read ({error.strerror}); write the stick anew") from error
    for number, line in enumerate(text.splitlines(), 1):
        name = line.partition("#")[0].strip()
        if name not in ("", "all", *SKIPPABLE):
            shown = "".join(char if char.isprintable() else "?" for char in name[:40])
            raise Failure(
                f"skip-checks, line {number}: there is no check '{shown}' to skip; write {', '.join(SKIPPABLE)} or all"
            )
        names += SKIPPABLE if name == "all" else [name]
    return [name for name in SKIPPABLE if name in names]


def _check_mounts(machine: Machine) -> None:
    mounted = {line.split()[4] for line in machine.read("/proc/self/mountinfo").splitlines() if len(line.split()) > 4}
    for folder, place in _PLACES.items():
        if folder not in mounted:
            raise Failure(f"{place} cannot be read; write the stick anew, or use another")


def _make_root(machine: Machine) -> None:
    root = machine.path(ROOT)
    shutil.rmtree(root, ignore_errors=True)
    machine.path(STAGE).mkdir(parents=True)
    for name in ("dev", "opt", "proc", "run", "sys"):
        (root / name).symlink_to(machine.path("/" + name))


def _take(machine: Machine, folder: str, name: str, needed: bool) -> None:
    source, target = machine.path(f"{folder}/{name}"), machine.path(f"{STAGE}/{name}")
    if not source.is_file():
        if needed:
            raise Failure(f"{name} is not on the stick; put it into {_PLACES[folder]}")
        return
    try:
        with open(source, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise Failure(f"{name} cannot be read ({error.strerror}); write the stick anew") from error
    if len(data) > _MAX_BYTES:
        raise Failure(f"{name} has more than {_MAX_BYTES} bytes; mend it on the stick")
    target.parent.mkdir(exist_ok=True)
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def _name_machine(machine: Machine, mac: str) -> None:
    """Puts the management MAC into deployment.json if it has none.

    A BMC that does not answer later then changes no address.
    """
    path = machine.path(f"{STAGE}/deployment.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    if "mgmt_mac" not in content["deployment"]:
        content["deployment"]["mgmt_mac"] = mac
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _check_keys(machine: Machine, name: str) -> None:
    """By the guest's own rules: it refuses all of its configuration for one line."""
    path = machine.path(f"{STAGE}/{name}")
    if not path.exists():
        return
    if bad := [byte for byte in path.read_bytes() if byte not in b"\n" and not 0x20 <= byte <= 0x7E]:
        shown = "a carriage return" if bad[0] == 0x0D else "another character than printable ASCII"
        raise Failure(f"{name} has {shown}; mend it on the stick")
    share = machine.path("/opt/ic/share")
    programs: list[str | Path] = ["-f", share / "settings.awk", "-f", share / "bootstrap-file.awk"]
    result = machine.run("awk", "-v", f"file={name}", *programs, path)
    if result.status:
        raise Failure(f"{result.reason}; mend it on the stick")


def _remarks(machine: Machine) -> Iterator[str]:
    if not machine.path(f"{STAGE}/ssh_authorized_keys/admin").exists():
        yield "there is no ssh_authorized_keys/admin on the stick: nobody will be able to log in over the network"
    for name in machine.names("/config/ssh_authorized_keys"):
        if name not in ACCOUNTS:
            yield f"ssh_authorized_keys/{name} is left out: there are the accounts {', '.join(ACCOUNTS)}"
