"""The first boot of the shipped image on a disk of the field's size, and what stays of it."""

from pathlib import Path

from tests.guestos.guest import boot, medium

pytest_plugins = ["tests.guestos.guest"]


def test_state_stays_over_a_boot(installed: Path, tmp_path: Path) -> None:
    stick = medium(tmp_path / "stick.img", {"hello.txt": b"hello\n"})
    with boot(installed, tmp_path, "second-boot", media=[stick]) as guest:
        guest.login()
        guest.check_running()
        guest.succeeds("mkdir /run/stick && mount -o ro /dev/sda /run/stick")
        assert guest.succeeds("cat /run/stick/hello.txt") == "hello"
        guest.succeeds("touch /boot/config/here && sync /boot/config/here")
        snapshot = guest.snapshot(tmp_path / "snapshot.img")
        guest.succeeds("rm /boot/config/here && sync /boot/config")
        guest.power_cut()
    with boot(snapshot, tmp_path, "after-the-cut") as guest:
        guest.login()
        guest.succeeds("test -e /boot/config/here")
