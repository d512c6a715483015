"""Keys as text files: PEM blocks (RFC 7468), authorized_keys of ssh (sshd(8)).

Their shape is checked, not whose they are.
"""

import base64
import binascii
import re
from collections.abc import Collection

from sysimage.errors import UserError

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----")
_LINE_MAX = 76  # characters of base64 in a line that all readers take
_DER_SEQUENCE = 0x30
_DER_PARAMETERS = 0x06  # an object identifier: what EC PARAMETERS are, as a rule
SSH_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _lines(what: str, data: bytes) -> list[str]:
    """Lines of printable ASCII.

    Raises:
        UserError: there is something else in it.
    """
    for number, line in enumerate(data.split(b"\n"), 1):
        bad = next((byte for byte in line if not 0x20 <= byte <= 0x7E), None)
        if bad is not None:
            what_it_is = "a carriage return; lines end in a line feed alone" if bad == 0x0D else f"the byte {bad:#04x}"
            raise UserError(f"{what}, line {number}: has {what_it_is}")
    return data.decode("ascii").split("\n")


def check_pem(
    what: str, data: bytes, wanted: Collection[str], besides: Collection[str] = (), many: bool = False
) -> None:
    """Makes sure that a text is PEM with exactly one block of a kind. It may be a secret, so messages never quote it.

    Args:
        what: the file, for messages.
        data: its content.
        wanted: labels (`PUBLIC KEY`), one of which the block must have.
        besides: labels of blocks that may stand beside it.
        many: there may be more than one block of the kind, as in a chain of certificates.

    Raises:
        UserError: it is not.
    """
    labels = []
    lines = iter(enumerate(_lines(what, data), 1))
    for number, line in lines:
        if not line:
            continue
        begin = _BEGIN.fullmatch(line)
        if begin is None:
            raise UserError(f"{what}, line {number}: not PEM: this line is outside of any block")
        label = begin[1]
        if label not in (*wanted, *besides):
            kinds = " or ".join(wanted)
            raise UserError(f"{what}, line {number}: has a {label} where a {kinds} is wanted")
        body = []
        for inner, text in lines:
            if text == f"-----END {label}-----":
                break
            if not text or len(text) > _LINE_MAX or not re.fullmatch(r"[A-Za-z0-9+/]+=*", text):
                raise UserError(f"{what}, line {inner}: not PEM: this line is not base64")
            body.append(text)
        else:
            raise UserError(f"{what}: the {label} that begins in line {number} has no end")
        content = _decode("".join(body))
        if not content or content[0] not in (_DER_SEQUENCE, _DER_PARAMETERS):
            raise UserError(f"{what}: the {label} that begins in line {number} is not base64 of DER")
        labels.append(label)
    found = [label for label in labels if label in wanted]
    if len(found) != 1 and not (found and many):
        raise UserError(f"{what}: has {len(found)} blocks of {' or '.join(wanted)}, one is wanted")


def check_authorized_keys(what: str, data: bytes) -> None:
    """Makes sure that a text is public keys of ssh, one a line; comments and empty lines may stand between them.

    Options in front of a key are refused: what an account may do is not for its keys to say.

    Raises:
        UserError: it is something else, or there is no key in it.
    """
    keys = 0
    for number, line in enumerate(_lines(what, data), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        kind, _, rest = text.partition(" ")
        if kind not in SSH_KEY_TYPES:
            if "PRIVATE KEY" in text:
                hint = "the public key is in the file whose name ends in .pub"
                raise UserError(f"{what}, line {number}: this is a private key", hint=hint)
            hint = "a line is: TYPE BASE64 [COMMENT], without options"
            raise UserError(f"{what}, line {number}: does not begin with a type of ssh key", hint=hint)
        content = _decode(rest.strip().partition(" ")[0])
        name = kind.encode()
        if not content or not content.startswith(len(name).to_bytes(4, "big") + name):
            raise UserError(f"{what}, line {number}: what follows {kind} is not such a key in base64")
        keys += 1
    if not keys:
        raise UserError(f"{what}: has no key", hint="leave the file out if nobody is to log in")
