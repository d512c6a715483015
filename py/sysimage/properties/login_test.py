"""A sound system lets nobody in; each planted way in is found, with its message."""

from collections.abc import Callable

import pytest

from sysimage.errors import UserError
from sysimage.properties import login
from sysimage.properties.testing import COMMAND_LINE, GRUB, OWN_UNITS, ROOT_HASH, SSH, UNITS, link, put, sound, system
from sysimage.tree import Tree

GETTY = f"{OWN_UNITS}/getty.target.wants/serial-getty@ttyS0.service"


def found(made: Tree, line: str = COMMAND_LINE, **ssh: str) -> list[str]:
    return [str(each) for each in login.ways_in(system(made), [line], {**SSH, **ssh})]


def shadow(root: str = "*", admin: str = "!") -> Callable[[Tree], None]:
    return lambda made: put(
        made, "etc/shadow", f"root:{root}:1::::::\ndaemon:*:1::::::\nadmin:{admin}:1::::::\n", 0o640
    )


def start_logind(made: Tree) -> None:
    put(made, "usr/lib/systemd/systemd-logind", "", 0o755)
    link(made, f"{UNITS}/autovt@.service", "getty@.service")


def test_nobody_gets_in() -> None:
    assert found(sound()) == []
    assert login.boot_loader("grub:/grub.cfg", GRUB) == []


FAULTS: list[tuple[Callable[[Tree], None], str]] = [
    (shadow(ROOT_HASH), "login-password /etc/shadow: root has a password"),
    (shadow(admin=""), "login-password /etc/shadow: admin needs no password"),
    (shadow("!" + ROOT_HASH), "login-password /etc/shadow: root is locked, but has a password hash"),
    (
        lambda made: put(made, "etc/passwd", "root::0:0:root:/root:/bin/sh\n"),
        "login-password /etc/passwd: root needs no password",
    ),
    (
        lambda made: put(made, "etc/passwd", "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n"),
        "login-password /etc/passwd: toor is another root",
    ),
    (lambda made: put(made, "etc/securetty", "# all\nttyS0\n"), "login-password /etc/securetty: lets root in on ttyS0"),
    (
        lambda made: put(made, "etc/pam.d/su", "auth sufficient pam_wheel.so trust group=sudo\n"),
        "login-password /etc/pam.d/su: line 1 lets in by pam_wheel.so trust alone",
    ),
    (lambda made: link(made, GETTY, "/x"), f"login-getty /{GETTY}: asks for a login"),
    (
        lambda made: link(made, f"{UNITS}/multi-user.target.wants/console-getty.service", "/x"),
        f"login-getty /{UNITS}/multi-user.target.wants/console-getty.service: asks for a login",
    ),
    (
        lambda made: put(made, "usr/lib/systemd/system-generators/systemd-getty-generator", "", 0o755),
        "login-getty /usr/lib/systemd/system-generators/systemd-getty-generator: "
        "makes gettys for the consoles of the kernel command line",
    ),
    (
        start_logind,
        "login-getty /etc/systemd/logind.conf: logind starts a getty on each virtual terminal; "
        "set NAutoVTs=0 and ReserveVT=0, or mask autovt@.service",
    ),
    (
        lambda made: link(made, f"{OWN_UNITS}/sysinit.target.wants/debug-shell.service", "/x"),
        f"login-shell /{OWN_UNITS}/sysinit.target.wants/debug-shell.service: gives a root shell without any password",
    ),
    (
        lambda made: put(
            made, f"{OWN_UNITS}/emergency.service.d/force.conf", "[Service]\nEnvironment=SYSTEMD_SULOGIN_FORCE=1\n"
        ),
        f"login-shell /{OWN_UNITS}/emergency.service.d/force.conf: line 2 (Environment=) has SYSTEMD_SULOGIN_FORCE: "
        "a locked root gets a shell all the same",
    ),
    (
        lambda made: put(made, f"{OWN_UNITS}/emergency.service", "[Service]\nExecStart=-/bin/sh\n"),
        f"login-shell /{OWN_UNITS}/emergency.service: line 2 (ExecStart=) starts /bin/sh",
    ),
    (
        lambda made: put(made, "etc/sysctl.d/60-keys.conf", "kernel/sysrq = 0x1b6\n"),
        "login-keyboard /proc/sys/kernel/sysrq: is 0x1b6 (/etc/sysctl.d/60-keys.conf:1): "
        "keys at the console reach the kernel",
    ),
    (
        lambda made: made.remove("etc/sysctl.d/50-keys.conf"),
        "login-keyboard /proc/sys/kernel/sysrq: is 1 (the kernel's default): keys at the console reach the kernel",
    ),
]


@pytest.mark.parametrize(("plant", "message"), FAULTS, ids=[message.partition(": ")[0] for _, message in FAULTS])
def test_a_planted_way_in_is_found(plant: Callable[[Tree], None], message: str) -> None:
    made = sound()
    plant(made)
    assert found(made) == [message]


def test_masked_units_ask_for_nothing() -> None:
    made = sound()
    link(made, GETTY, "/x")
    link(made, f"{OWN_UNITS}/serial-getty@.service", "/dev/null")
    link(made, f"{OWN_UNITS}/autovt@.service", "/dev/null")
    put(made, "usr/lib/systemd/systemd-logind", "", 0o755)
    link(made, "etc/systemd/system-generators/systemd-getty-generator", "/dev/null")
    put(made, "usr/lib/systemd/system-generators/systemd-getty-generator", "", 0o755)
    assert found(made) == []


def test_logind_that_starts_no_getty() -> None:
    made = sound()
    start_logind(made)
    put(made, "etc/systemd/logind.conf.d/10-none.conf", "[Login]\nNAutoVTs=0\nReserveVT=0\n")
    assert found(made) == []


@pytest.mark.parametrize(
    "word",
    [
        "systemd.debug_shell",
        "systemd.debug-shell=1",
        "init=/bin/sh",
        "rd.break",
        "single",
        "systemd.unit=rescue.target",
        "sysrq_always_enabled",
    ],
)
def test_words_of_the_command_line(word: str) -> None:
    assert found(sound(), f"{COMMAND_LINE} {word}") == [
        f"login-boot /proc/cmdline: the kernel command line has {word!r}"
    ]


def test_the_host_must_not_hand_in_credentials() -> None:
    assert found(sound(), "console=ttyS0") == [
        "login-host /proc/cmdline: the machine's host may hand in units, keys and passwords "
        "(systemd.import_credentials=no forbids it)"
    ]


@pytest.mark.parametrize(
    ("key", "value", "safe"),
    [
        ("passwordauthentication", "yes", "no"),
        ("permitrootlogin", "prohibit-password", "no"),
        ("permitemptypasswords", "yes", "no"),
        ("kbdinteractiveauthentication", "yes", "no"),
        ("hostbasedauthentication", "yes", "no"),
        ("authorizedkeyscommand", "/usr/bin/keys", "none"),
    ],
)
def test_settings_of_the_ssh_server(key: str, value: str, safe: str) -> None:
    assert found(sound(), **{key: value}) == [
        f"login-ssh /etc/ssh/sshd_config: the server has {key} {value}, not {safe}"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GRUB.replace("boot\n", "menuentry x {\n}\nboot\n", 1),
            "has a menu without superusers, so its entries can be edited: menuentry x {",
        ),
        ("terminal_input console serial\n" + GRUB, "takes keys from the serial line: terminal_input console serial"),
        (GRUB.replace("reboot\n", ""), None),
        (GRUB.replace("boot\nreboot\n", ""), "does not end in reboot, halt or boot: GRUB's shell comes after it"),
        ("", "does not end in reboot, halt or boot: GRUB's shell comes after it"),
    ],
)
def test_the_boot_loader(text: str, message: str | None) -> None:
    messages = [each.message for each in login.boot_loader("grub:/grub.cfg", text)]
    assert messages == ([message] if message else [])


def test_a_console_for_root() -> None:
    made = sound()
    shadow(ROOT_HASH)(made)
    link(made, GETTY, f"/{UNITS}/serial-getty@.service")
    ways = login.ways_in(system(made), ["console=ttyS0"], {"passwordauthentication": "yes"})
    assert {each.check for each in ways} == {"login-password", "login-getty", "login-ssh", "login-host"}
    assert login.refused("console", ways, system(made)) == []
    assert login.refused("none", ways, system(made)) == ways
    assert login.console(system(made), [COMMAND_LINE], "root") == []


def test_a_console_is_for_root_alone() -> None:
    made = sound()
    shadow(ROOT_HASH, ROOT_HASH)(made)
    ways = login.ways_in(system(made), [COMMAND_LINE], SSH)
    left = login.refused("console", ways, system(made))
    assert [str(each) for each in left] == ["login-password /etc/shadow: admin has a password"]


def test_a_console_that_does_not_work() -> None:
    missing = login.console(system(), ["console=tty0 console=ttyS0,115200", "quiet"], "root")
    folder = f"/{OWN_UNITS}/getty.target.wants"
    assert [str(each) for each in missing] == [
        f"login-getty {folder}/getty@tty1.service: is missing: nobody asks on tty0",
        f"login-getty {folder}/serial-getty@ttyS0.service: is missing: nobody asks on ttyS0",
        "login-password /etc/shadow: the password of root is not 'root'",
    ]
    assert str(login.console(system(), ["quiet"], "")[0]) == (
        "login-getty /proc/cmdline: the kernel command line names no console"
    )


def test_passwords_are_compared_by_openssl() -> None:
    assert login.is_password("root", ROOT_HASH)
    assert not login.is_password("toor", ROOT_HASH)
    assert not login.is_password("", "*") and not login.is_password("", "")
    with pytest.raises(UserError) as caught:
        login.is_password("root", "$y$j9T$abcdef$123")
    assert str(caught.value) == (
        "the hash '$y$j9T$abcde'... is of a method that cannot be checked (hint: hash it with openssl passwd -6)"
    )
