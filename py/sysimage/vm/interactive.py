"""A machine for a person: its console is this terminal, its keys are QEMU's."""

import shutil
import signal
import subprocess
from pathlib import Path

from sysimage import locked_tool
from sysimage.vm.qemu import FIRMWARE_VARIABLES, PROGRAM, Machine, arguments


def launch(machine: Machine, tool: Path | str, scratch: Path | str) -> int:
    """Runs a machine with the terminal as its serial console, to its end.

    Ctrl-A X ends it; Ctrl-C goes to the guest.

    Args:
        machine: what it is made of.
        tool: the unpacked tool folder.
        scratch: a folder for firmware variables and overlays.

    Returns:
        QEMU's exit status.
    """
    tool, scratch = Path(tool).absolute(), Path(scratch).absolute()
    variables = None
    if machine.kernel is None:
        variables = scratch / "firmware-variables.fd"
        shutil.copyfile(tool / FIRMWARE_VARIABLES, variables)
    words = [*arguments(machine, tool, variables), "-serial", "mon:stdio"]
    environment = {**locked_tool.ENVIRONMENT, "TMPDIR": str(scratch)}
    process = subprocess.Popen(locked_tool.command(tool, PROGRAM, words), env=environment)
    # Until QEMU has made the terminal raw, and when it has no terminal, Ctrl-C is for it alone.
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminate = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, old)
        signal.signal(signal.SIGTERM, terminate)
        if process.poll() is None:
            process.kill()
            process.wait()
