#!/bin/sh
# Whether the files of a folder, each of which is well-formed, are a configuration together: certificate and key, the key of the NNS.
#
#   check-bootstrap.sh FOLDER
#
# Prints the reason where they are none, and ends with exit status 1. What is no reason to refuse them is a warning.
set -eu
export LC_ALL=C

FOLDER="$1"
CERTIFICATE="${FOLDER}/certificate.pem"
KEY="${FOLDER}/certificate_key.pem"
NNS_KEY="${FOLDER}/nns_public_key.pem"
RSA_MIN=2048  # bits; nginx refuses less
WEEK=604800   # seconds
# What a public key of BLS12-381 begins with in DER, in hexadecimal digits, and how many these are of all of it.
BLS=308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100
BLS_DIGITS=266

refuse() {
    printf '%s\n' "$*"
    exit 1
}

# The DER of a PEM, in hexadecimal digits.
digits() {
    sed '/^-----/d' "$1" | base64 -d 2> /dev/null | od -A n -v -t x1 | tr -d ' \n'
}

check_certificate() {
    [ -f "${KEY}" ] || refuse "certificate.pem: is there without certificate_key.pem; give both, or neither"
    wanted="$(grep -c '^-----BEGIN CERTIFICATE-----$' "${CERTIFICATE}")"
    found="$(openssl storeutl -noout -certs "${CERTIFICATE}" 2> /dev/null | sed -n 's/^Total found: //p')"
    [ "${found:-0}" -eq "${wanted}" ] ||
        refuse "certificate.pem: only ${found:-0} of its ${wanted} blocks are certificates by X.509; give the chain in PEM"
    public="$(openssl pkey -in "${KEY}" -passin pass: -pubout 2> /dev/null)" ||
        refuse "certificate_key.pem: is not a private key that openssl can read; give it in PEM, without a passphrase"
    [ "$(openssl x509 -in "${CERTIFICATE}" -noout -pubkey)" = "${public}" ] ||
        refuse "certificate_key.pem: is not the key of the first certificate in certificate.pem; give the pair, and the server's own first"
    bits="$(openssl x509 -in "${CERTIFICATE}" -noout -text | sed -n '/Public Key Algorithm: rsa/,/Public-Key/s/.*Public-Key: (\([0-9]*\) bit.*/\1/p')"
    [ "${bits:-${RSA_MIN}}" -ge "${RSA_MIN}" ] ||
        refuse "certificate_key.pem: has ${bits} bits of RSA; ${RSA_MIN} are the least that TLS takes"
    end="$(openssl x509 -in "${CERTIFICATE}" -noout -enddate)"
    if ! openssl x509 -in "${CERTIFICATE}" -noout -checkend 0 > /dev/null; then
        echo "check-bootstrap: WARNING: certificate.pem has expired (${end#*=}); it is served all the same, give another" >&2
    elif ! openssl x509 -in "${CERTIFICATE}" -noout -checkend "${WEEK}" > /dev/null; then
        echo "check-bootstrap: WARNING: certificate.pem expires within a week (${end#*=}); give another" >&2
    fi
}

check_nns_key() {
    key="$(digits "${NNS_KEY}")"
    case "${key}" in
        "${BLS}"*) [ "${#key}" -eq "${BLS_DIGITS}" ] && return ;;
    esac
    refuse "nns_public_key.pem: is not a public key of BLS12-381 in DER, $((BLS_DIGITS / 2)) bytes, as the NNS has one"
}

if [ -f "${CERTIFICATE}" ]; then
    check_certificate
elif [ -f "${KEY}" ]; then
    refuse "certificate_key.pem: is there without certificate.pem; give both, or neither"
fi
if [ -f "${NNS_KEY}" ]; then
    check_nns_key
fi
