"""The options of the bootstrap medium of a Boundary-guestOS (see bootstrap_config.py)."""

import base64
import ssl
from collections.abc import Callable, Mapping, Sequence

import bootstrap_config
from bootstrap_config import KeyFile, Options, Setting, check_public_key, listed, single
from sysimage import values
from sysimage.credentials import check_pem
from sysimage.errors import UserError

ACCOUNTS = ("admin", "readonly", "root")
BOUNDARY_CONF = "boundary.conf"
# DER of a public key of BLS12-381, up to the 96 bytes of the key itself.
BLS = bytes.fromhex("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100")
BLS_SIZE = len(BLS) + 96


def _network(version: int) -> Callable[[str, str], object]:
    return lambda name, text: values.network(name, text, version)


def _networks(name: str, version: int, what: str) -> Setting:
    return Setting(name, BOUNDARY_CONF, listed(_network(version)), f"IPv{version} addresses or networks {what}.")


def _nns_key(what: str, data: bytes) -> None:
    check_public_key(what, data)
    lines = [line for line in data.decode().split("\n") if line and not line.startswith("-----")]
    key = base64.b64decode("".join(lines))
    if not key.startswith(BLS) or len(key) != BLS_SIZE:
        raise UserError(f"{what}: is not a public key of BLS12-381 in DER, {BLS_SIZE} bytes, as the NNS has one")


def _chain(what: str, data: bytes) -> None:
    check_pem(what, data, ["CERTIFICATE"], many=True)


def _key(what: str, data: bytes) -> None:
    check_pem(what, data, ["EC PRIVATE KEY", "PRIVATE KEY", "RSA PRIVATE KEY"], besides=["EC PARAMETERS"])


def _check(options: Mapping[str, Sequence[str]]) -> None:
    """That certificate and key are a pair, as OpenSSL sees it."""
    if "certificate" not in options:
        return
    certificate, key = (single(name, options[name]) for name in ("certificate", "certificate_key"))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UserError(
                f"certificate_key ({key}): is not the key of the first certificate in {certificate}",
                hint="give the pair, and the server's own first",
            ) from error
        reason = (error.reason or "it is malformed").lower().replace("_", " ")
        raise UserError(f"certificate ({certificate}) and its key ({key}) are none for TLS: {reason}") from error


# Its network is described as that of any guest.
_SHARED = [
    each for each in bootstrap_config.SETTINGS if each.file == bootstrap_config.NETWORK or each.name == "nns_url"
]

BOUNDARY = Options(
    settings=(
        *_SHARED,
        Setting(
            "ipv6_replica_ips",
            BOUNDARY_CONF,
            listed(bootstrap_config.address(6)),
            "IPv6 addresses of the replicas that calls are forwarded to.",
        ),
        _networks("ipv4_http_ips", 4, "that may reach the gateway; neither these nor ipv6_http_ips: everybody may"),
        _networks("ipv6_http_ips", 6, "that may reach the gateway; neither these nor ipv4_http_ips: everybody may"),
        _networks("ipv6_debug_ips", 6, "that may reach ssh; left out: nobody may"),
        _networks("ipv6_monitoring_ips", 6, "that may read metrics and the journal; left out: nobody may"),
    ),
    key_files=(
        KeyFile(
            "nns_public_key",
            "nns_public_key.pem",
            0o644,
            _nns_key,
            "File: public key of the NNS, PEM; left out: that of the mainnet.",
        ),
        KeyFile("certificate", "certificate.pem", 0o644, _chain, "File: chain of certificates for TLS, PEM."),
        KeyFile(
            "certificate_key",
            "certificate_key.pem",
            bootstrap_config.SECRET_MODE,
            _key,
            "File: private key of the first of them, PEM, without a passphrase.",
        ),
    ),
    folders=(),
    accounts=ACCOUNTS,
    together=(("certificate", "certificate_key"),),
    check=_check,
)
