#!/bin/sh
# Makes what the gateway runs with out of the configuration in the config partition, in /run/ic-gateway: the certificate, the replicas,
# the root key for the service worker, and what the firewall lets through. Where anything in it is malformed there is none of it: then
# the firewall lets nothing through and nginx does not start, and the system is well otherwise.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
BIN="${ROOT}/opt/ic/bin"
SHARE="${ROOT}/opt/ic/share"
CONFIG="${ROOT}/boot/config"
SOURCE="${CONFIG}/bootstrap"
TARGET="${ROOT}/run/ic-gateway"
# An image that has this makes itself a certificate where it is given none.
MAY_SIGN="${ROOT}/etc/ic-gateway/self-signed"
SIGNED="${CONFIG}/self-signed"
DAYS=3650

say() {
    printf 'generate-gateway-config: %s\n' "$*" >&2
}

refuse() {
    say "REFUSED, the gateway does not start and the firewall is closed: $*"
    rm -rf "${TARGET}" "${TARGET}.new"
    exit 0
}

# value FILE KEY: nothing where it is not given. The file is read, never sourced.
value() {
    [ ! -f "${SOURCE}/$1" ] || sed -n "s/^$2=//p" "${SOURCE}/$1"
}

check() {
    for name in network.conf boundary.conf nns.conf nns_public_key.pem certificate.pem certificate_key.pem; do
        [ -f "${SOURCE}/${name}" ] || continue
        reason="$(tr '\000' '\001' < "${SOURCE}/${name}" |
            awk -v file="${name}" -f "${SHARE}/settings.awk" -f "${SHARE}/bootstrap-file.awk")" || refuse "${reason}"
    done
    reason="$("${BIN}/check-bootstrap.sh" "${SOURCE}")" || refuse "${reason}"
}

# elements SET ADDRESSES, with blanks between them
elements() {
    [ -z "$2" ] || printf 'add element inet filter %s { %s }\n' "$1" "$(printf '%s' "$2" | sed 's/  */, /g')"
}

# The host of a URL, without the brackets of an address, and its port.
url_host() {
    printf '%s\n' "$1" | sed 's#^[a-z]*://##; s#[/?].*##; s#:[0-9]*$##; s#^\[##; s#\]$##'
}

url_port() {
    port="$(printf '%s\n' "$1" | sed -n 's#^[a-z]*://\(\[[^]]*\]\|[^]:/?]*\):\([0-9]*\)\([/?].*\)\{0,1\}$#\2#p')"
    case "$1" in
        https:*) echo "${port:-443}" ;;
        *) echo "${port:-80}" ;;
    esac
}

firewall() {
    echo "# Made by generate-gateway-config.sh out of boundary.conf and nns.conf."
    elements replicas6 "$(value boundary.conf ipv6_replica_ips)"
    elements debug6 "$(value boundary.conf ipv6_debug_ips)"
    elements monitoring6 "$(value boundary.conf ipv6_monitoring_ips)"
    http4="$(value boundary.conf ipv4_http_ips)"
    http6="$(value boundary.conf ipv6_http_ips)"
    if [ -n "${http4}${http6}" ]; then
        elements http4 "${http4}"
        elements http6 "${http6}"
    else
        echo 'add rule inet filter input tcp dport { 80, 443 } accept comment "gateway, for everybody"'
    fi
    # The addresses behind a name are the resolver's to say: to those the port is open, wherever they are.
    for url in $(value nns.conf nns_url | tr ',' ' '); do
        host="$(url_host "${url}")"
        case "${host}" in
            *:*) to="ip6 daddr ${host} " ;;
            *[!0-9.]*) to="" ;;
            *) to="ip daddr ${host} " ;;
        esac
        echo "add rule inet filter output ${to}tcp dport $(url_port "${url}") accept comment \"NNS\""
    done
}

root_key() {
    key="${SOURCE}/nns_public_key.pem"
    [ -f "${key}" ] || key="${SHARE}/nns_public_key.pem"
    printf '{"root_key":"%s"}\n' "$(sed '/^-----/d' "${key}" | base64 -d | od -A n -v -t x1 | tr -d ' \n')"
}

# A certificate of this machine's own, made once and kept; anew where the machine has another name now.
self_sign() {
    name="$(value network.conf hostname)"
    [ -n "${name}" ] || name="$(cat "${ROOT}/proc/sys/kernel/hostname")"
    if [ -s "${SIGNED}/certificate_key.pem" ] &&
        openssl x509 -in "${SIGNED}/certificate.pem" -noout -checkhost "${name}" | grep -q ' does match '; then
        return
    fi
    say "making a certificate of this machine's own, for ${name} and *.localhost"
    rm -rf "${SIGNED}" "${SIGNED}.new"
    mkdir "${SIGNED}.new"
    # A common name has 64 characters at most, as a host name has.
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "${DAYS}" -subj "/CN=${name}" \
        -addext "subjectAltName=DNS:${name},DNS:*.${name},DNS:localhost,DNS:*.localhost" \
        -addext "keyUsage=critical,digitalSignature" -addext "extendedKeyUsage=serverAuth" \
        -keyout "${SIGNED}.new/certificate_key.pem" -out "${SIGNED}.new/certificate.pem" 2> "${TARGET}.new/errors") ||
        refuse "no certificate can be made: $(tail -n 1 "${TARGET}.new/errors")"
    rm "${TARGET}.new/errors"
    sync -f "${SIGNED}.new"
    mv -T "${SIGNED}.new" "${SIGNED}"
    sync -f "${CONFIG}"
}

# What nginx waits for comes last.
certificate() {
    from="${SOURCE}"
    if [ ! -f "${SOURCE}/certificate.pem" ]; then
        if [ ! -e "${MAY_SIGN}" ]; then
            say "there is no certificate.pem in the configuration: the gateway does not start; give certificate.pem and certificate_key.pem"
            return
        fi
        self_sign
        from="${SIGNED}"
    fi
    mkdir "${TARGET}.new/tls"
    cp "${from}/certificate.pem" "${from}/certificate_key.pem" "${TARGET}.new/tls"
    chmod 0444 "${TARGET}.new/tls/certificate.pem"
    chmod 0400 "${TARGET}.new/tls/certificate_key.pem"
    chown ic-gateway:ic-gateway "${TARGET}.new/tls/certificate_key.pem"
}

rm -rf "${TARGET}.new"
check
mkdir -p "${TARGET}.new/www"
firewall > "${TARGET}.new/firewall.nft"
for replica in $(value boundary.conf ipv6_replica_ips); do
    echo "${replica}"
done > "${TARGET}.new/replicas"
[ -s "${TARGET}.new/replicas" ] || say "there is no ipv6_replica_ips in boundary.conf: no call is forwarded"
root_key > "${TARGET}.new/www/ic-gateway.json"
certificate
rm -rf "${TARGET}"
mv -T "${TARGET}.new" "${TARGET}"
