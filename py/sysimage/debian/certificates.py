"""The trusted certificates in /etc/ssl/certs, as update-ca-certificates makes them.

For each certificate named in /etc/ca-certificates.conf, and each in
/usr/local/share/ca-certificates: a link NAME.pem, a link HASH.N to that (by which
OpenSSL finds it), and its text in the bundle ca-certificates.crt. Source:
update-ca-certificates(8), openssl-rehash(1).
"""

from collections.abc import Iterator

from sysimage import tree as t
from sysimage.debian import x509
from sysimage.debian.root import Root
from sysimage.errors import UserError
from sysimage.tree import NodeType

CONFIGURATION = "etc/ca-certificates.conf"
PACKAGED = "usr/share/ca-certificates"
LOCAL = "usr/local/share/ca-certificates"
TARGET = "etc/ssl/certs"
BUNDLE = "ca-certificates.crt"
_NAMES = str.maketrans({" ": "_", ",": "_", "(": "=", ")": "="})


def configure(root: Root, header: str) -> None:
    """Writes the configuration in which every packaged certificate is trusted, below `header`."""
    names = [path[len(PACKAGED) + 1 :] for path in _certificates_below(root, PACKAGED)]
    root.write(CONFIGURATION, header + "".join(name + "\n" for name in names))


def update(root: Root) -> None:
    """Makes links and bundle anew; links of certificates that are gone go too.

    Raises:
        UserError: a file is not a certificate, or two have one name.
    """
    if not root.is_file(CONFIGURATION):
        raise UserError(f"/{CONFIGURATION} is missing", hint="install the package ca-certificates")
    root.directory(TARGET)
    for name in root.names(TARGET):
        target = root.link_target(f"{TARGET}/{name}")
        if target is not None and (target.startswith((f"/{PACKAGED}/", f"/{LOCAL}/")) or "/" not in target):
            root.remove(f"{TARGET}/{name}")
    bundle = b""
    links: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for path in _trusted(root):
        name = t.basename(path).removesuffix(".crt").translate(_NAMES) + ".pem"
        if name in links:
            raise UserError(f"the certificates /{path} and {links[name]} have one name", hint="rename one of them")
        links[name] = "/" + path
        text = root.read(path)
        bundle += text if text.endswith(b"\n") else text + b"\n"
        try:
            found = x509.certificates(text)
            digest = x509.subject_hash(found[0]) if found else ""
        except (ValueError, UnicodeError) as error:
            raise UserError(f"/{path} is not a certificate: {error}") from error
        if not found:
            raise UserError(f"/{path} is not a certificate: it has no PEM block")
        if len(found) == 1:
            number = 0
            while f"{digest}.{number}" in hashes:
                number += 1
            hashes[f"{digest}.{number}"] = name
    for name, target in (links | hashes).items():
        root.symlink(f"{TARGET}/{name}", target)
    root.write(f"{TARGET}/{BUNDLE}", bundle, 0o644)


def _trusted(root: Root) -> Iterator[str]:
    for line in root.text(CONFIGURATION).splitlines():
        if line and line[0] not in "#!" and root.is_file(f"{PACKAGED}/{line}"):
            yield f"{PACKAGED}/{line}"
    yield from _certificates_below(root, LOCAL)


def _certificates_below(root: Root, top: str) -> list[str]:
    if not root.is_directory(top):
        return []
    return sorted(
        (
            path
            for path, node in root.tree.walk(root.resolve(top))
            if path.endswith(".crt") and node.type in (NodeType.FILE, NodeType.SYMLINK) and root.is_file(path)
        ),
        key=t.encode,
    )
