"""Units enabled, disabled and masked: the links that come out."""

import pytest

from sysimage.debian import units
from sysimage.debian.root import Root
from sysimage.debian.testing import root_of
from sysimage.errors import UserError

LIB = "usr/lib/systemd/system"
ETC = "etc/systemd/system"
FILES = {
    f"{LIB}/a.service": "[Unit]\nWantedBy=not.target\n[Install]\nWantedBy=multi-user.target x.target\n"
    "Alias=alias.service\nAlso=b.socket\n",
    f"{LIB}/b.socket": "[Install]\nRequiredBy=sockets.target\n# WantedBy=no.target\nUpheldBy=up.target\n",
    f"{LIB}/getty@.service": "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
    f"{LIB}/bare@.service": "[Install]\nWantedBy=%i.target\n",
    f"{LIB}/plain.service": "[Service]\n",
    f"{LIB}/multi-user.target": "",
    f"{ETC}/own.service": "[Install]\nWantedBy=multi-user.target\n",
}


def root() -> Root:
    return root_of(FILES)


def links(root: Root) -> dict[str, str]:
    return {path: node.target for path, node in root.tree.walk() if node.target}


def test_enable_makes_all_links() -> None:
    tree = root()
    units.enable(tree, "a")
    assert links(tree) == {
        f"{ETC}/alias.service": f"/{LIB}/a.service",
        f"{ETC}/multi-user.target.wants/a.service": f"/{LIB}/a.service",
        f"{ETC}/x.target.wants/a.service": f"/{LIB}/a.service",
        f"{ETC}/sockets.target.requires/b.socket": f"/{LIB}/b.socket",
        f"{ETC}/up.target.upholds/b.socket": f"/{LIB}/b.socket",
    }
    units.disable(tree, "a.service")
    units.disable(tree, "b.socket")
    assert links(tree) == {}
    assert tree.tree.children(ETC) == ["own.service"]


@pytest.mark.parametrize(
    ("name", "link", "target"),
    [
        ("getty@ttyS0", "getty.target.wants/getty@ttyS0.service", f"/{LIB}/getty@.service"),
        ("getty@.service", "getty.target.wants/getty@tty1.service", f"/{LIB}/getty@.service"),
        ("bare@x.service", "x.target.wants/bare@x.service", f"/{LIB}/bare@.service"),
        ("own", "multi-user.target.wants/own.service", f"/{ETC}/own.service"),
    ],
)
def test_templates_and_own_units(name: str, link: str, target: str) -> None:
    tree = root()
    units.enable(tree, name)
    assert links(tree) == {f"{ETC}/{link}": target}


def test_disabling_one_instance_leaves_the_others() -> None:
    tree = root()
    units.enable(tree, "getty@tty1")
    units.enable(tree, "getty@tty2")
    units.disable(tree, "getty@tty1")
    assert list(links(tree)) == [f"{ETC}/getty.target.wants/getty@tty2.service"]


def test_mask_and_unmask() -> None:
    tree = root()
    units.mask(tree, "a")
    units.mask(tree, "a")
    assert links(tree) == {f"{ETC}/a.service": "/dev/null"}
    with pytest.raises(UserError, match=r"unit 'a.service' is masked; it cannot be enabled"):
        units.enable(tree, "a")
    units.unmask(tree, "a")
    assert links(tree) == {}


@pytest.mark.parametrize("verb", ["enable", "disable", "mask", "unmask", "preset"])
def test_a_unit_that_does_not_exist(verb: str) -> None:
    with pytest.raises(UserError) as error:
        getattr(units, verb)(root(), "none")
    assert error.value.message == "unit 'none.service' does not exist"
    assert error.value.hint == "its file must be in /etc/systemd/system or /usr/lib/systemd/system"


def test_what_cannot_be_done_says_why() -> None:
    with pytest.raises(UserError, match=r"unit 'plain.service' has no \[Install\] section; it cannot be enabled"):
        units.enable(root(), "plain")
    with pytest.raises(
        UserError, match=r"unit 'own.service' cannot be masked: /etc/systemd/system/own.service is a file"
    ):
        units.mask(root(), "own")
    with pytest.raises(UserError, match=r"unit 'x.target' does not exist"):
        units.set_default(root(), "x")


def test_default_target() -> None:
    tree = root()
    units.set_default(tree, "multi-user")
    assert links(tree) == {f"{ETC}/default.target": f"/{LIB}/multi-user.target"}


def test_presets_decide() -> None:
    tree = root()
    tree.write("usr/lib/systemd/system-preset/90.preset", "# c\ndisable a.*\nenable *\n")
    assert not units.wanted_by_presets(tree, "a.service")
    units.preset(tree, "a")
    units.preset(tree, "own")
    assert list(links(tree)) == [f"{ETC}/multi-user.target.wants/own.service"]
    tree.write("etc/systemd/system-preset/10.preset", "enable a.service\n")
    assert units.wanted_by_presets(tree, "a.service")


def test_debians_helper_asks_presets_where_there_is_a_systemctl() -> None:
    tree = root()
    tree.write("usr/bin/systemctl", "")
    tree.write("usr/lib/systemd/system-preset/90.preset", "disable own.*\n")
    units.helper_enable(tree, "own.service")
    units.helper_enable(tree, "b.socket")
    assert links(tree) == {
        f"{ETC}/sockets.target.requires/b.socket": f"/{LIB}/b.socket",
        f"{ETC}/up.target.upholds/b.socket": f"/{LIB}/b.socket",
    }


def test_debians_helper_makes_links_itself_before_there_is_a_systemctl() -> None:
    tree = root()
    tree.symlink("lib", "usr/lib")
    tree.write("usr/lib/systemd/system-preset/90.preset", "disable *\n")
    units.helper_enable(tree, "own.service")
    units.helper_enable(tree, "b.socket")
    assert links(tree) == {
        "lib": "usr/lib",
        f"{ETC}/multi-user.target.wants/own.service": f"/{ETC}/own.service",
        f"{ETC}/sockets.target.requires/b.socket": "/lib/systemd/system/b.socket",
    }


def test_debians_helper_keeps_its_state() -> None:
    tree = root()
    tree.write("usr/bin/systemctl", "")
    units.helper_enable(tree, "a.service")
    state = "var/lib/systemd/deb-systemd-helper-enabled"
    assert tree.text(f"{state}/a.service.dsh-also").splitlines() == [
        f"/{ETC}/sockets.target.requires/b.socket",
        f"/{ETC}/alias.service",
        f"/{ETC}/multi-user.target.wants/a.service",
        f"/{ETC}/x.target.wants/a.service",
    ]
    assert tree.read(f"{state}/multi-user.target.wants/a.service") == b""
    units.helper_update_state(tree, "own.service")
    assert tree.text(f"{state}/own.service.dsh-also") == f"/{ETC}/multi-user.target.wants/own.service\n"
    assert f"{ETC}/multi-user.target.wants/own.service" not in links(tree)
