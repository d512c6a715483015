"""What an image carries, for people and as JSON. Of private keys their kind is told, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from configure.contents import CHILDREN, NNS_KEY, OPERATOR_KEY, SKIP_CHECKS, Child, Contents
from configure.key_files import Key, check_private_key, check_public_key, ssh_keys, ssh_lines
from configure.node_config import CONFIG_INI, DEPLOYMENT_JSON, check_config, check_deployment
from configure.wishes import parse_checks
from sysimage.errors import UserError

_BLS = "BLS12-381"
_MIB = 1 << 20


def findings(now: Contents, found: Sequence[Child] | None) -> list[str]:
    """What an installation from this image would stop at, or a person should know before.

    found: the children; None: they were not looked at.
    """
    said = list(_malformed(now))
    if not any(ssh_lines(data)[0] for data in now.keys.values()):
        said.append("no ssh keys: nobody will be able to log in to the installed host by ssh")
    if OPERATOR_KEY not in now.files:
        said.append(
            f"no {OPERATOR_KEY}: on a machine of the second generation the installer warns, and waits 5 minutes"
        )
    if found is not None:
        said += _of_children(found)
    return said


def _malformed(now: Contents) -> Iterator[str]:
    wanted: dict[str, Callable[[str, bytes], object]] = {
        CONFIG_INI: check_config,
        DEPLOYMENT_JSON: check_deployment,
        NNS_KEY: check_public_key,
    }
    optional: dict[str, Callable[[str, bytes], object]] = {OPERATOR_KEY: check_private_key, SKIP_CHECKS: parse_checks}
    for name, check in {**wanted, **optional}.items():
        if name in now.files:
            try:
                check(name, now.files[name])
            except UserError as error:
                yield str(error)
        elif name in wanted:
            yield f"no {name}: the image installs nothing without"
    for account, data in now.keys.items():
        if others := ssh_lines(data)[1]:
            yield f"ssh_authorized_keys/{account}, line {others[0]}: no public ssh key, so the host leaves it out"
    if SKIP_CHECKS in now.files and not now.may_skip:
        yield f"{SKIP_CHECKS}: this image is one of production, which stops where it finds this file; remove it"


def _of_children(found: Sequence[Child]) -> Iterator[str]:
    for name in CHILDREN:
        child = next((each for each in found if each.name == name), None)
        if child is None:
            yield f"no {name}: there is nothing to install"
        elif not child.stated:
            yield f"no {name}.sha256, or one without a sha256"
        elif child.stated != child.sha256:
            yield f"{name} is damaged: its sha256 is {child.sha256}, {name}.sha256 says {child.stated}"


def to_json(now: Contents, found: Sequence[Child]) -> dict[str, Any]:
    """The same as data for JSON; sizes in bytes."""
    return {
        "version": now.version,
        "checks_may_be_skipped": now.may_skip,
        "config.ini": _settings(check_config, CONFIG_INI, now),
        "deployment.json": _settings(check_deployment, DEPLOYMENT_JSON, now),
        "ssh_authorized_keys": {
            account: [
                {"type": key.type, "fingerprint": key.fingerprint, "comment": key.comment} for key in ssh_keys(data)
            ]
            for account, data in now.keys.items()
        },
        "node_operator_private_key.pem": _key(check_private_key, OPERATOR_KEY, now),
        "nns_public_key.pem": _key(check_public_key, NNS_KEY, now),
        "skip-checks": _checks(now),
        "children": [
            {"name": child.name, "size": child.size, "sha256": child.sha256, "as_stated": child.sha256 == child.stated}
            for child in found
        ],
        "others": list(now.others),
        "findings": findings(now, found),
    }


def _settings(check: Callable[[str, bytes], dict[str, str]], name: str, now: Contents) -> dict[str, str] | None:
    """What HostOS makes of a file; None if there is none, or it is malformed."""
    try:
        return check(name, now.files[name]) if name in now.files else None
    except UserError:
        return None


def _key(check: Callable[[str, bytes], Key], name: str, now: Contents) -> dict[str, str] | None:
    try:
        key = check(name, now.files[name]) if name in now.files else None
    except UserError:
        return None
    return {"algorithm": key.algorithm, "public_sha256": key.fingerprint} if key else None


def _checks(now: Contents) -> list[str]:
    try:
        return parse_checks(SKIP_CHECKS, now.files.get(SKIP_CHECKS, b""))
    except UserError:
        return []


def format_text(image: str, now: Contents, found: Sequence[Child]) -> str:
    """All of it in lines for a person."""
    data = to_json(now, found)
    skipping = "may be skipped" if now.may_skip else "cannot be skipped"
    lines = [f"{image}: SetupOS {now.version}; checks of the machine {skipping}", ""]
    for name in (CONFIG_INI, DEPLOYMENT_JSON):
        lines.append(name)
        if data[name] is None:
            lines.append("  malformed, see below" if name in now.files else "  none")
        lines += [f"  {key:<20}{value}" for key, value in (data[name] or {}).items()]
    lines.append("keys")
    for account, keys in data["ssh_authorized_keys"].items():
        lines += [f"  ssh, {account:<15}{key['fingerprint']} {key['type']} {key['comment']}".rstrip() for key in keys]
    if not any(data["ssh_authorized_keys"].values()):
        lines.append("  ssh                 none")
    for title, name in (("NNS", NNS_KEY), ("node operator", OPERATOR_KEY)):
        lines.append(f"  {title:<20}{_key_text(data[name], name in now.files)}")
    lines.append(f"skipped checks        {', '.join(data['skip-checks']) or 'none'}")
    lines.append("installs")
    for child in found:
        judged = "as its .sha256 says" if child.stated == child.sha256 else "NOT as its .sha256 says"
        lines.append(f"  {child.name:<22}{child.size / _MIB:>9.1f} MiB  sha256 {child.sha256}, {judged}")
    if not found:
        lines.append("  nothing")
    if now.others:
        lines += ["also in CONFIG", *(f"  {path}" for path in now.others)]
    lines += ["", *(f"note: {finding}" for finding in data["findings"])] if data["findings"] else []
    return "".join(f"{line}\n" for line in lines)


def _key_text(key: dict[str, str] | None, there: bool) -> str:
    if key is None:
        return "malformed, see below" if there else "none"
    public = f", public key sha256 {key['public_sha256']}" if key["public_sha256"] else ""
    return key["algorithm"] + public
