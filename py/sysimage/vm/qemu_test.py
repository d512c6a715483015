import os
import re
import socket
from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.vm import qemu
from sysimage.vm.console import ConsoleError
from sysimage.vm.qemu import Disk, Emulator, Machine, Port, VirtualMachine

TOOL = Path("/tool")
SECONDS = 20.0


def words(machine: Machine, variables: Path | None = None) -> str:
    return " ".join(qemu.arguments(machine, TOOL, variables))


def test_disks_are_overlaid_unless_writable() -> None:
    line = words(Machine([Disk(Path("/a")), Disk(Path("/b,c"), writable=True), Disk(Path("/d"), read_only=True)]))
    assert "id=disk0,format=raw,cache=unsafe,discard=unmap,snapshot=on,file=/a " in line
    assert "id=disk1,format=raw,cache=unsafe,discard=unmap,snapshot=off,file=/b,,c " in line
    assert "id=disk2,format=raw,cache=unsafe,discard=unmap,readonly=on,file=/d " in line
    assert "virtio-blk-pci,drive=disk2" in line


def test_removable_media_share_a_controller() -> None:
    line = words(Machine([Disk(Path("/a")), Disk(Path("/b"), removable=True), Disk(Path("/c"), removable=True)]))
    assert line.count("-device qemu-xhci ") == 1
    assert "virtio-blk-pci,drive=disk0 " in line
    assert "usb-storage,removable=on,drive=disk1 " in line
    assert "usb-storage,removable=on,drive=disk2 " in line
    assert "usb" not in words(Machine([Disk(Path("/a"))]))


def test_nvme_disk_has_a_serial_number() -> None:
    line = words(Machine([Disk(Path("/a"), nvme=True), Disk(Path("/b"), nvme=True, serial="S1")]))
    assert "-device nvme,drive=disk0,serial=disk0 " in line
    assert "-device nvme,drive=disk1,serial=S1 " in line
    assert "virtio-blk" not in line


def test_writes_are_logged() -> None:
    line = words(Machine([Disk(Path("/a")), Disk(Path("/b,c"), writable=True, write_log=Path("/log"))]))
    assert "-blockdev driver=file,node-name=disk1-file,cache.no-flush=on,filename=/b,,c " in line
    assert "-blockdev driver=file,node-name=disk1-log,cache.no-flush=on,filename=/log " in line
    assert "-blockdev driver=blklogwrites,node-name=disk1,file=disk1-file,log=disk1-log -device virtio-blk-pci" in line
    assert "id=disk1," not in line


def test_kernel_is_started_without_firmware() -> None:
    line = words(Machine(kernel=Path("/k"), initrd=Path("/i"), command_line="console=ttyS0 x"))
    assert "-bios qboot.rom -kernel /k -append console=ttyS0 x -initrd /i" in line
    assert "pflash" not in line


def test_firmware_has_its_own_variables() -> None:
    line = words(Machine(), Path("/scratch/vars"))
    assert "unit=0,format=raw,readonly=on,file=/tool/usr/share/OVMF/OVMF_CODE_4M.fd" in line
    assert "unit=1,format=raw,file=/scratch/vars" in line
    assert "-kernel" not in line


def test_firmware_variables_are_new_or_kept(tmp_path: Path) -> None:
    tool = fake(tmp_path, QMP)
    original = tool / qemu.FIRMWARE_VARIABLES
    original.parent.mkdir(parents=True)
    original.write_bytes(b"new")
    own, kept = tmp_path / "firmware-variables.fd", tmp_path / "kept.fd"
    for machine, file in ((Machine(), own), (Machine(variables=kept), kept)):
        with VirtualMachine(machine, tool, tmp_path):
            assert file.read_bytes() == b"new"
        file.write_bytes(b"written by the firmware")
    with VirtualMachine(Machine(), tool, tmp_path):
        assert own.read_bytes() == b"new"
    with VirtualMachine(Machine(variables=kept), tool, tmp_path):
        assert kept.read_bytes() == b"written by the firmware"


def test_network_only_when_it_is_asked_for() -> None:
    assert "virtio-net" not in words(Machine())
    assert "user,id=net,ipv6-net=fd2b:110b:b7cd::/64 -device virtio-net-pci" in words(Machine(network=True))
    line = words(Machine(forward=[(2222, 22), (8080, 80)]))
    assert ",hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80 -device virtio-net-pci" in line


def test_ports_and_reboot() -> None:
    line = words(Machine(ports=[Port("dump", Path("/out"))]))
    assert "file,id=port0,path=/out" in line
    assert "virtserialport,chardev=port0,name=dump" in line
    assert "-no-reboot" in line
    assert "-no-reboot" not in words(Machine(restart=True))


def test_kvm_needs_more_than_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for flags, usable in (
        ("flags\t\t: fpu sse2 hypervisor", False),
        ("flags\t\t: fpu vmx", True),
        ("flags : svm", True),
    ):
        monkeypatch.setattr(Path, "read_text", lambda *_, text=flags, **__: f"processor: 0\n{text}\n")
        assert qemu.kvm_usable() is usable
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert not qemu.kvm_usable()


def fake(folder: Path, script: str) -> Path:
    """A tool folder whose QEMU is a program of ours, with the two sockets it is handed."""
    (folder / "bin").mkdir()
    program = folder / "bin" / qemu.PROGRAM
    program.write_text(
        "#!/usr/bin/env -S PATH=/usr/bin:/usr/local/bin python3\n"
        "import json, re, socket, sys\n"
        "fds = [int(fd) for fd in re.findall(r'fd=(\\d+)', ' '.join(sys.argv))]\n"
        "console, control = (socket.socket(fileno=fd) for fd in fds)\n"
        "lines = control.makefile('rw')\n" + script
    )
    program.chmod(0o755)
    return folder


QMP = """
def say(row):
    lines.write(json.dumps(row) + "\\n")
    lines.flush()
say({"QMP": {"version": {}}})
console.sendall(b"hello\\n")
for line in lines:
    command = json.loads(line)["execute"]
    if command == "refused":
        say({"error": {"desc": "not now"}})
        continue
    say({"event": "IGNORED"})
    say({"return": {"answer": command}})
    if command == "quit":
        break
"""


def test_control_and_console(tmp_path: Path) -> None:
    tool = fake(tmp_path, QMP)
    with VirtualMachine(Machine(kernel=Path("/k")), tool, tmp_path, tmp_path / "log") as machine:
        machine.console.expect("^hello$", SECONDS)
        assert machine.control("query-status") == {"answer": "query-status"}
        with pytest.raises(ConsoleError, match=r"^QEMU refuses refused: not now$"):
            machine.control("refused")
        process = machine.process
    assert process.returncode == 0
    assert (tmp_path / "log").read_bytes() == b"hello\n"


def test_descriptors_that_the_arguments_name(tmp_path: Path) -> None:
    answer = "socket.socket(fileno=int(re.search(r'str=(\\d+)', ' '.join(sys.argv))[1])).send(b'frame')\n"
    tool = fake(tmp_path, answer + QMP)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.settimeout(SECONDS)
    with near, far:
        extra = ["-netdev", f"dgram,id=cable,local.type=fd,local.str={far.fileno()}"]
        machine = Machine(kernel=Path("/k"), extra=extra, descriptors=[far.fileno()])
        with VirtualMachine(machine, tool, tmp_path):
            assert near.recv(16) == b"frame"


def test_console_is_where_the_arguments_have_it(tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    tool = fake(tmp_path, "sys.stderr.write(' '.join(sys.argv[1:]))\n" + QMP)
    with Emulator(["-device", "isa-serial,chardev=console"], tool, tmp_path / "machine") as emulator:
        emulator.console.expect("^hello$", SECONDS)
    said = (tmp_path / "machine/qemu.stderr").read_text()
    assert re.fullmatch(
        r"-device isa-serial,chardev=console -chardev socket,id=console,fd=\d+ "
        r"-chardev socket,id=control,fd=\d+ -qmp chardev:control",
        said,
    )


def test_machine_that_ends_by_itself(tmp_path: Path) -> None:
    tool = fake(tmp_path, QMP + "\n")
    with VirtualMachine(Machine(kernel=Path("/k")), tool, tmp_path) as machine:
        machine.control("quit")
        machine.wait(SECONDS)
        with pytest.raises(ConsoleError, match=r"^QEMU (was gone before it answered|does not take) query-status"):
            machine.control("query-status")


@pytest.mark.parametrize("greeting", ["", """lines.write('{"QMP": {}}\\n')\nlines.flush()\n"""])
def test_qemu_that_does_not_start_is_told_with_what_it_said(greeting: str, tmp_path: Path) -> None:
    tool = fake(tmp_path, greeting + "print('no such machine', file=sys.stderr)\nsys.exit(1)\n")
    with pytest.raises(UserError, match=r"^QEMU did not start: no such machine$"):
        VirtualMachine(Machine(kernel=Path("/k")), tool, tmp_path)


MIGRATION = QMP.replace(
    '    say({"event": "IGNORED"})\n',
    """    if command == "query-migrate":
        say({"return": {"status": states.pop(0), "error-desc": "no room"}})
        continue
    if command == "migrate-incoming":
        assert json.loads(line)["arguments"]["uri"].startswith("file:/")
    say({"event": "IGNORED"})
""",
)


def test_machine_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    tool = fake(tmp_path, "states = ['setup', 'completed']\n" + MIGRATION)
    saved = Machine(kernel=Path("/k"), state=tmp_path / "state")
    assert "-incoming defer" in words(saved)
    assert "-incoming" not in words(Machine())
    with VirtualMachine(saved, tool, tmp_path) as machine:
        machine.console.expect("^hello$", SECONDS)


def test_machine_that_cannot_be_saved(tmp_path: Path) -> None:
    tool = fake(tmp_path, "states = ['active', 'failed']\n" + MIGRATION)
    with (
        VirtualMachine(Machine(kernel=Path("/k")), tool, tmp_path) as machine,
        pytest.raises(ConsoleError, match=r"^the machine's state is lost: no room$"),
    ):
        machine.save(tmp_path / "state")
