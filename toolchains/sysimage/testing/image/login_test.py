"""Who can log in: nobody, or root on the console, as the rule promises."""

from pathlib import Path

from sysimage.inspection import Image
from sysimage.properties import System, login, unexcused
from sysimage.properties.findings import Row
from sysimage.properties.judges import inside
from sysimage.properties.subject import Subject

GRUB_CONFIG = "grub.cfg"


def ssh_settings(folder: Path) -> dict[str, str]:
    """The ssh server's effective settings, by its own program; none where there is no server."""
    if not (folder / "usr/sbin/sshd").is_file():
        return {}
    status, said = inside(folder, "sshd", "-G", "-f", "/etc/ssh/sshd_config")
    assert status == 0, f"sshd is not content with its configuration:\n{said}"
    settings = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    assert "passwordauthentication" in settings, said
    return settings


def test_nobody_logs_in_but_who_may(
    about: Subject, image: Image, system: System, rows: list[Row], folder: Path, command_lines: list[str]
) -> None:
    found = login.ways_in(system, command_lines, ssh_settings(folder))
    configurations = [
        (volume, path)
        for volume in image.volumes
        for path, _ in (volume.tree.walk() if volume.tree is not None else ())
        if path.rpartition("/")[2] == GRUB_CONFIG and volume.name != system.name
    ]
    assert configurations, f"no volume has a {GRUB_CONFIG}"
    for volume, path in configurations:
        text = image.read(f"{volume.name}:{path}").decode()
        found += login.boot_loader(f"{volume.name}:/{path}", text)
    refused = login.refused(about.login, found, system)
    left = unexcused(refused, rows, login.checked(about.login))
    assert not left, "\n".join([f"there are ways in that login = {about.login!r} does not allow:", *left])


def test_who_may_log_in_can(about: Subject, system: System, command_lines: list[str]) -> None:
    missing = login.console(system, command_lines, about.password) if about.login == "console" else []
    assert missing == []
    # The contrary of each other: without a console, no password of the world opens root.
    hashed = {row[0]: row[1] for row in system.rows("etc/shadow", 2)}["root"]
    assert login.is_password(about.password, hashed) == (about.login == "console")
