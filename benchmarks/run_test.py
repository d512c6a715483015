import pytest

from benchmarks import run


def test_without_options_it_is_about_guestos() -> None:
    options = run.arguments([])
    assert options.image == "//ic-os/guestos/envs/prod:disk-img"
    assert options.changed == "ic-os/guestos/rootfs/etc/hosts"
    assert options.partition == "A_root"
    assert "//ic-os/guestos/envs/dev-malicious:disk-img" in options.variants


def test_a_system_has_its_own_labels_and_options_replace_them() -> None:
    options = run.arguments(["--system", "hostos", "--changed", "ic-os/hostos/rootfs/etc/fstab"])
    assert options.image == "//ic-os/hostos/envs/prod:disk-img"
    assert options.changed == "ic-os/hostos/rootfs/etc/fstab"
    assert options.partition == "hostlvm"
    assert len(options.variants) == 3 * len(options.one)
    assert all(label.startswith("//ic-os/hostos/envs/") for label in options.variants)


def test_unknown_system(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run.arguments(["--system", "other"])
    assert caught.value.code == 2
    assert "argument --system: invalid choice: 'other'" in capsys.readouterr().err
