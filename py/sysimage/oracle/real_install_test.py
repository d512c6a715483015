"""What stops a real install before it has begun; the install itself is tested with whole systems (`install_test`)."""

from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.oracle import real_install


def test_user_namespaces_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        real_install, "_UNSHARE", ("sh", "-c", "echo 'unshare failed: Operation not permitted' >&2; false")
    )
    with pytest.raises(UserError) as caught:
        real_install.install([], [], [], tmp_path, 0)
    assert str(caught.value) == (
        "a real install needs user namespaces, which this machine refuses: unshare failed: Operation not permitted "
        "(hint: allow them (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor), or run it elsewhere)"
    )
    assert not [*tmp_path.iterdir()]


def test_a_damaged_package_is_named(tmp_path: Path) -> None:
    deb = tmp_path / "x.deb"
    deb.write_bytes(b"!<arch>\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(UserError) as caught:
        real_install.install([deb], [], [], scratch, 0)
    assert str(caught.value).startswith(f"{deb}: dpkg-deb: error: ")


def test_fakeroot_must_be_among_its_packages(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        real_install.install([], [], [], tmp_path, 0)
    assert str(caught.value) == (
        "the fakeroot packages do not contain /usr/lib/*/libfakeroot/libfakeroot-sysv.so "
        "(hint: they must be those of a Debian system)"
    )


def test_what_failed_is_shown_with_the_end_of_its_log(tmp_path: Path) -> None:
    script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done; exit 3"
    with pytest.raises(UserError) as caught:
        real_install.run(["sh", "-c", script], tmp_path, "installing")
    lines = str(caught.value).splitlines()
    assert lines[0] == "installing failed with exit status 3:"
    assert lines[1:] == [f"line {number}" for number in range(11, 41)]


def test_programs_read_nothing_and_get_the_variables(tmp_path: Path) -> None:
    real_install.run(["sh", "-c", 'cat; echo "$WORD"'], tmp_path, "echo", {"WORD": "heard"})
    assert (tmp_path / "log").read_text() == "heard\n"
