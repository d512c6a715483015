r"""Configures a finished image of SetupOS, without booting or mounting it, and without being root.

bazel run //ic-os/setupos:configure -- --image=disk-img.tar.zst --output=stick.img --config=config.ini \
    --deployment=deployment.json --ssh_authorized_keys=admin=id_ed25519.pub
bazel run //ic-os/setupos:configure -- --image=stick.img --in_place --set=ipv6_prefix=2a00:fb01:400:200
bazel run //ic-os/setupos:configure -- --image=stick.img --show

What no option names stays as it is. Exit status 2: something is refused, and nothing was written.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from configure import contents, report, wishes
from configure.wishes import Wishes
from sysimage.edit import edit_image
from sysimage.errors import UserError
from sysimage.inspection import open_image
from tools.main import refuse_arguments, run

_IMAGE = flags.DEFINE_string("image", None, "The image: disk.img, or disk-img.tar.zst as it is built.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where the configured image goes: an archive if it ends in .tar.zst, raw if it ends in .img."
)
_IN_PLACE = flags.DEFINE_boolean("in_place", False, "Change --image itself.")
_SHOW = flags.DEFINE_boolean("show", False, "Print what --image carries, and change nothing.")
_JSON = flags.DEFINE_boolean("json", False, "Print JSON; goes with --show.")
_CONFIG = flags.DEFINE_string("config", None, "File: config.ini.")
_DEPLOYMENT = flags.DEFINE_string("deployment", None, "File: deployment.json.")
_SET = flags.DEFINE_multi_string(
    "set",
    [],
    "KEY=VALUE: a key of config.ini (ipv6_prefix) or, with a dot, of deployment.json (nns.url), on top of the file "
    "that is given or there already; without a value the key goes away. May be repeated.",
)
_KEYS = flags.DEFINE_multi_string(
    "ssh_authorized_keys",
    [],
    "Public ssh keys: ACCOUNT=FILE, or a folder with files named admin, backup, readonly. May be repeated; keys of "
    "accounts that are not named stay.",
)
_OPERATOR = flags.DEFINE_string("node_operator_private_key", None, "File: private key of the node operator, PEM.")
_NNS = flags.DEFINE_string("nns_public_key", None, "File: public key of the NNS, PEM.")
_SKIP = flags.DEFINE_string(
    "skip_checks",
    None,
    "Checks to skip: cpu, memory, disks, network, with commas between them; all; none. Not in prod.",
)
_REMOVE = flags.DEFINE_multi_string(
    "remove", [], f"A file to take away, one of {', '.join(wishes.REMOVABLE)}. May be repeated."
)


def _base() -> Path:
    """What relative paths start from: where `bazel run` was called."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."))


def _path(word: str | None) -> Path | None:
    return Path(word) if word else None


def main(argv: Sequence[str]) -> None:
    """Does what the flags say."""
    refuse_arguments(argv)
    if not _IMAGE.value:
        raise UserError("no image is named", hint="--image=FILE")
    image = _base() / _IMAGE.value
    wanted = Wishes(
        config=_path(_CONFIG.value),
        deployment=_path(_DEPLOYMENT.value),
        settings=_SET.value,
        ssh_authorized_keys=_KEYS.value,
        node_operator_private_key=_path(_OPERATOR.value),
        nns_public_key=_path(_NNS.value),
        skip_checks=_SKIP.value,
        remove=_REMOVE.value,
        base=_base(),
    )
    asks = wanted != Wishes(settings=[], ssh_authorized_keys=[], remove=[], base=_base())
    if _SHOW.value:
        if asks or _OUTPUT.value or _IN_PLACE.value:
            raise UserError("--show changes nothing, and goes with no option that does")
        _show(_IMAGE.value, image)
        return
    if _JSON.value:
        raise UserError("--json goes with --show")
    if bool(_OUTPUT.value) == _IN_PLACE.value:
        said = "both --output and --in_place are given" if _OUTPUT.value else "nothing says where the result goes"
        raise UserError(said, hint="give --output=FILE, or --in_place to change the image itself; --show only looks")
    if not asks and _IN_PLACE.value:
        raise UserError("nothing is to be changed", hint="--help lists what can be; --show shows what is there")
    _change(image, wanted, _base() / _OUTPUT.value if _OUTPUT.value else None)


def _show(name: str, image: Path) -> None:
    with open_image(image, in_place=True) as disk:
        now = contents.read(disk)
        children = contents.children(disk)
    if _JSON.value:
        print(json.dumps(report.to_json(now, children), indent=2))
    else:
        print(report.format_text(name, now, children), end="")


def _change(image: Path, wanted: Wishes, output: Path | None) -> None:
    with open_image(image, in_place=True) as disk:
        now = contents.read(disk)
        files = wishes.files(wanted, now)
    changed = {**now.files, **files}
    after = contents.Contents(
        now.version, now.may_skip, {name: data for name, data in changed.items() if data is not None}, now.others
    )
    edit_image(image, wishes.changes(files), output)
    for finding in report.findings(after, None):
        print(f"note: {finding}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
