"""Locked packages composed into a tree, before the tools that would have made it: dpkg, ldconfig, openssl.

All packages of GuestOS are installed once; the judges look at the tree written out as plain
files. A tool that is missing fails the test.
"""

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysimage import tree as t
from sysimage.deb import Spool, read_control, read_debs
from sysimage.debian import certificates, ldconfig
from sysimage.debian.accounts import load_accounts
from sysimage.debian.install import install
from sysimage.debian.root import Root
from sysimage.debian.scripts import load_scripts, review
from sysimage.extents import ImageReader, Sources
from sysimage.tree import NodeType, Tree

DEBS = [Path(word) for word in os.environ["DEBS"].split()]
OTHERS = [Path(word) for word in os.environ["OTHERS"].split()]
SCRIPTS = Path(os.environ["SCRIPTS"])
ACCOUNTS = Path(os.environ["ACCOUNTS"])
EPOCH = 1_700_000_000 * t.NANOSECONDS


def judge(*command: str | Path) -> str:
    """What a foreign tool says; it must be content."""
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """Every locked package, installed."""
    with Spool(tmp_path_factory.mktemp("spool")) as spool:
        root = Root(Tree(), spool.sources, EPOCH)
        install(root, read_debs(DEBS, spool), load_scripts(SCRIPTS), load_accounts(ACCOUNTS))
        yield root


@pytest.fixture(scope="module")
def disk(root: Root, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as files; owners and devices need privileges, and no judge here asks for either."""
    top = tmp_path_factory.mktemp("disk")
    for path, node in root.tree.walk():
        place = top / path
        if node.type is NodeType.DIRECTORY:
            place.mkdir(exist_ok=True)
        elif node.type is NodeType.SYMLINK:
            place.symlink_to(node.target)
        elif node.content is not None:
            place.write_bytes(ImageReader(node.content, root.sources).read(0, node.size))
    return top


def test_every_entry_of_the_table_is_used() -> None:
    table = load_scripts(SCRIPTS)
    debs = [read_control(path) for path in [*DEBS, *OTHERS]]
    assert review(debs, table) == []
    scripts = {hashlib.sha256(script).hexdigest() for deb in debs for script in deb.scripts.values()}
    assert [each.package for each in table.scripts if not each.sha256 & scripts] == []


def test_dpkg_finds_every_package_installed(root: Root, disk: Path) -> None:
    lines = judge("dpkg", f"--root={disk}", "--list").splitlines()
    listed = [line.split()[:3] for line in lines if line[:3] in ("ii ", "un ", "iU ", "iF ", "rc ")]
    assert len(listed) == len(DEBS)
    assert {status for status, _, _ in listed} == {"ii"}


def test_dpkg_misses_no_file_and_finds_none_changed(disk: Path) -> None:
    assert judge("dpkg", f"--root={disk}", "--audit") == ""
    assert judge("dpkg", f"--root={disk}", "--verify") == ""


def test_dpkg_knows_whose_files_and_diversions(disk: Path) -> None:
    assert judge("dpkg-query", f"--root={disk}", "--search", "/usr/bin/dpkg") == "dpkg: /usr/bin/dpkg\n"
    diversions = judge("dpkg-divert", f"--admindir={disk}/var/lib/dpkg", "--list").splitlines()
    assert "diversion of /lib32 to /.lib32.usr-is-merged by base-files" in diversions
    overrides = judge("dpkg-statoverride", f"--admindir={disk}/var/lib/dpkg", "--list").splitlines()
    assert all(len(line.split()) == 4 for line in overrides) and overrides


def test_update_alternatives_would_change_nothing(disk: Path) -> None:
    for name in sorted(os.listdir(disk / "var/lib/dpkg/alternatives")):
        fields = dict(
            line.split(": ", 1)
            for line in judge("update-alternatives", "--root", disk, "--query", name).splitlines()
            if ": " in line
        )
        assert fields["Status"] == "auto"
        assert os.readlink(disk / "etc/alternatives" / name) == fields["Best"] == fields["Value"]


def parts(cache: bytes) -> tuple[int, bytes]:
    """Number of entries, and the entries and strings: all but what says which ldconfig wrote the cache."""
    count, strings = struct.unpack_from("<II", cache, 20)
    return count, cache[48 : 48 + 24 * count + strings]


def test_ldconfig_writes_the_same_cache(root: Root, disk: Path) -> None:
    ours = root.read(ldconfig.CACHE)
    judge("ldconfig", "-r", disk, "-X", "-C", "/judge.cache")
    assert parts(ours) == parts((disk / "judge.cache").read_bytes())
    assert parts(ours)[0] > 100


def test_ldconfig_agrees_on_variants_and_missing_links(root: Root, tmp_path: Path) -> None:
    folder = "usr/lib/x86_64-linux-gnu"
    tree = Tree()
    judged = Root(tree, root.sources, EPOCH)
    judged.write("etc/ld.so.conf", f"/opt/lib\n/{folder}\n")
    for place, name in (
        (folder, "libz.so.1"),
        (f"{folder}/glibc-hwcaps/x86-64-v3", "libz.so.1"),
        (f"{folder}/glibc-hwcaps/x86-64-v2", "libz.so.1"),
        (f"{folder}/glibc-hwcaps/x86-64-v2", "libzstd.so.1"),
        ("opt/lib", "libz.so.1"),
    ):
        node = root.get(f"{folder}/{name}")
        assert node is not None
        judged.directory(place)
        tree.add(f"{place}/{name}.7.9", node)
        tree.add(f"{place}/{name}.7.10", node)
    for path, node in tree.walk():
        if node.type is NodeType.DIRECTORY:
            (tmp_path / path).mkdir(exist_ok=True)
        elif node.content is not None:
            (tmp_path / path).write_bytes(ImageReader(node.content, root.sources).read(0, node.size))
    judge("ldconfig", "-r", tmp_path)
    ldconfig.update(judged)
    assert parts(judged.read(ldconfig.CACHE)) == parts((tmp_path / ldconfig.CACHE).read_bytes())
    links = {path: node.target for path, node in tree.walk() if node.target}
    assert links == {
        str(path.relative_to(tmp_path)): os.readlink(path) for path in tmp_path.rglob("*") if path.is_symlink()
    }
    assert len(links) == 2


def test_openssl_finds_every_certificate_under_its_hash(root: Root, tmp_path: Path) -> None:
    folder = certificates.TARGET
    ours = {
        name: root.link_target(f"{folder}/{name}") for name in root.names(folder) if name.rpartition(".")[2].isdigit()
    }
    for name in root.names(folder):
        if name.endswith(".pem"):
            (tmp_path / name).write_bytes(root.read(f"{folder}/{name}"))
    judge("openssl", "rehash", tmp_path)
    theirs = {path.name: os.readlink(path) for path in tmp_path.iterdir() if path.is_symlink()}
    assert ours == theirs and len(ours) > 100


def test_openssl_reads_hostile_names_as_we_do(tmp_path: Path) -> None:
    assert shutil.which("openssl", path="/usr/bin:/bin")
    local = Root(Tree(), Sources({}), EPOCH)
    local.write(certificates.CONFIGURATION, "")
    subjects = [
        "/C=CH/O=  Two  blanks\t and more  /CN=ÄÖÜ Größe",
        "/CN=" + "x" * 64 + "/OU=" + "Y" * 64,
        "/DC=org/DC=example/emailAddress=Someone@Example.ORG",
        "/CN=a+OU=b+O=c",
        "/serialNumber=12 34/CN=日本",
    ]
    for number, subject in enumerate(subjects):
        for mask in ("utf8only", "default"):
            path = tmp_path / f"c{number}{mask}.crt"
            request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            config = tmp_path / "req.cnf"
            config.write_text(f"[req]\ndistinguished_name=dn\nstring_mask={mask}\n[dn]\n")
            judge(
                *request,
                "-config",
                config,
                "-keyout",
                "/dev/null",
                "-utf8",
                "-multivalue-rdn",
                "-subj",
                subject,
                "-out",
                path,
            )
            local.write(f"{certificates.LOCAL}/{path.name}", path.read_bytes())
    certificates.update(local)
    links = {local.link_target(f"{certificates.TARGET}/{name}"): name for name in local.names(certificates.TARGET)}
    for path in tmp_path.glob("*.crt"):
        digest = judge("openssl", "x509", "-in", path, "-noout", "-subject_hash").strip()
        assert links[path.name.replace(".crt", ".pem")].partition(".")[0] == digest, path.name
