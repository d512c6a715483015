import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sysimage.vm.console import Console, ConsoleError

SECONDS = 20.0
SHORT = 0.05


class Machine:
    """The other end of a console."""

    def __init__(self, log: Path) -> None:
        self.socket, ours = socket.socketpair()
        self.console = Console(ours, log)

    def prints(self, text: str | bytes) -> None:
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def answers(self, script: Callable[[str], str]) -> threading.Thread:
        """Plays a machine: for each line typed, what it prints."""

        def play() -> None:
            with self.socket.makefile("r", encoding="utf-8", newline="\n") as typed:
                for line in typed:
                    self.prints(script(line.removesuffix("\n")))

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path / "log")
    yield found
    found.console.close()
    found.socket.close()


def test_expects_in_order(machine: Machine) -> None:
    machine.prints("one two three\n")
    assert machine.console.expect("two", SECONDS)[0] == "two"
    assert machine.console.expect(r"(\w+)$", SECONDS)[1] == "three"
    with pytest.raises(
        ConsoleError, match=r"^expected 'one': nothing of it came within 0.05 s\n--- last lines:\none two"
    ):
        machine.console.expect("one", SHORT)


def test_the_first_in_the_text_counts(machine: Machine) -> None:
    machine.prints("a login: then a panic\n")
    assert machine.console.expect(["panic", "login:"], SECONDS)[0] == "login:"
    assert machine.console.expect(["panic", "login:"], SECONDS)[0] == "panic"


def test_waits_for_what_comes_in_pieces(machine: Machine) -> None:
    timer = threading.Timer(0.1, lambda: machine.prints(b"gin: "))
    machine.prints(b"lo")
    timer.start()
    assert machine.console.expect("^login: ", SECONDS)
    timer.join()


@pytest.mark.parametrize("cut", range(1, 9))
def test_escape_sequences_and_split_characters_are_taken_out(machine: Machine, cut: int) -> None:
    data = b"\x1b[0;1;39m\xc3\xa4b\x1b]0;title\x07c\r\n\x1b[2J\x1b[01;01Hd"
    machine.prints(data[:cut])
    machine.prints(data[cut:])
    assert machine.console.expect("(?s)^äbc\nd", SECONDS)


def test_panic_ends_the_wait_at_once(machine: Machine) -> None:
    machine.prints("cmdline: panic=5 oops=panic\nKernel panic - not syncing: no root\nend\n")
    with pytest.raises(
        ConsoleError, match=r"^expected 'login: ': the kernel stopped: Kernel panic - not syncing: no root\n"
    ):
        machine.console.expect("login: ", SECONDS)


def test_panic_can_be_what_is_expected(machine: Machine) -> None:
    machine.prints("Kernel panic - not syncing: no root\n")
    machine.console.fatal = None
    assert machine.console.expect("Kernel panic - .*: (.*)$", SECONDS)[1] == "no root"


def test_panic_on_a_command_line_is_none(machine: Machine) -> None:
    machine.prints("Command line: panic=5 panic_on_oops=1\nlogin: ")
    machine.console.expect("login: ", SECONDS)


def test_machine_that_is_gone(machine: Machine) -> None:
    machine.prints("bye\n")
    machine.socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConsoleError, match=r"^expected 'login: ': the machine is gone\n--- last lines:\nbye"):
        machine.console.expect("login: ", SECONDS)
    machine.console.wait_closed(SECONDS)


def test_machine_that_does_not_stop(machine: Machine) -> None:
    with pytest.raises(ConsoleError, match=r"^the machine did not stop within 0.05 s\n"):
        machine.console.wait_closed(SHORT)


def shell(line: str) -> str:
    """A shell that knows how a command is wrapped, and echoes what is typed to it first."""
    found = re.fullmatch(r"printf '\\n<%s>\\n' (\w+); \{ (.*)", line)
    if found is None:
        return ""
    output, status = {"true": ("", 0), "fails": ("no\n", 3), "raw": ("no line feed", 0)}[found[2]]
    return f"{line}\r\n\r\n<{found[1]}>\r\n{output}\r\n</{found[1]} {status}>\r\n"


@pytest.mark.parametrize(
    ("command", "expected"), [("true", ("", 0)), ("fails", ("no", 3)), ("raw", ("no line feed", 0))]
)
def test_commands_have_output_and_status(machine: Machine, command: str, expected: tuple[str, int]) -> None:
    machine.answers(shell)
    assert machine.console.run(command, SECONDS) == expected


def getty(line: str) -> str:
    return {"root": "Password: ", "right": "\r\nWelcome\r\nroot@guest:~# ", "wrong": "\r\nLogin incorrect\r\n"}.get(
        line, shell(line)
    )


def test_login(machine: Machine) -> None:
    machine.answers(getty)
    machine.prints("\r\nDebian GNU/Linux 13 guest ttyS0\r\n\r\nguest login: ")
    machine.console.login("root", "right", SECONDS)
    assert machine.console.run("fails", SECONDS) == ("no", 3)


def test_login_that_takes_too_long_is_tried_again(machine: Machine) -> None:
    tries = []

    def slow(line: str) -> str:
        if line == "right":
            tries.append(line)
            if len(tries) == 1:
                return "\nlogin: timed out after 60 seconds\n\nDebian GNU/Linux 13 guest ttyS0\n\nguest login: "
        return getty(line)

    machine.answers(slow)
    machine.prints("guest login: ")
    machine.console.login("root", "right", SECONDS)
    assert tries == ["right"] * 2


def test_refused_login(machine: Machine) -> None:
    machine.answers(getty)
    machine.prints("guest login: ")
    with pytest.raises(ConsoleError, match=r"^login of 'root' was refused$"):
        machine.console.login("root", "wrong", SECONDS)


def test_log_has_every_byte(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "log")
    machine.prints(b"\x1b[1mbold\r\n\xff")
    machine.console.expect("bold", SECONDS)
    machine.socket.close()
    machine.console.wait_closed(SECONDS)
    machine.console.close()
    assert (tmp_path / "log").read_bytes() == b"\x1b[1mbold\r\n\xff"
