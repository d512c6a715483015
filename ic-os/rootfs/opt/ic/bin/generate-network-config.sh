#!/bin/sh
# Makes the network configuration out of network.conf of the bootstrap medium, for systemd-networkd, and sets the host
# name. Without one, the image's own holds: addresses by DHCP and router advertisements.
set -eu

ROOT="${BOOTSTRAP_ROOT:-}" # for tests
SHARE="${ROOT}/opt/ic/share"
SOURCE="${ROOT}/boot/config/bootstrap/network.conf"
FOLDER="${ROOT}/run/systemd/network"
# Before the image's 10-ethernet.network, so it is what counts.
TARGET="${FOLDER}/05-bootstrap.network"

# The value of a key; nothing where it is not given. The file is read, never sourced.
value() {
    sed -n "s/^$1=//p" "${SOURCE}"
}

network() {
    ipv6_address="$(value ipv6_address)"
    ipv4_address="$(value ipv4_address)"
    name_servers="$(value name_servers)"
    domain="$(value domain)"

    echo "# Made by generate-network-config.sh out of /boot/config/bootstrap/network.conf."
    echo "[Match]"
    echo "Name=en* eth*"
    echo
    echo "[Network]"
    echo "DHCP=no"
    echo "LLMNR=no"
    echo "MulticastDNS=no"
    if [ -n "${ipv6_address}" ]; then
        echo "IPv6AcceptRA=no"
        echo "Address=${ipv6_address}"
    else
        echo "IPv6AcceptRA=yes"
    fi
    if [ -n "${ipv4_address}" ]; then
        echo "Address=${ipv4_address}"
    fi
    for key in ipv6_gateway ipv4_gateway; do
        gateway="$(value "${key}")"
        [ -z "${gateway}" ] || echo "Gateway=${gateway}"
    done
    for server in ${name_servers}; do
        echo "DNS=${server}"
    done
    [ -z "${domain}" ] || echo "Domains=${domain}"
    if [ -z "${ipv6_address}" ]; then
        # The router says which network this is. DHCPv6 has no say, nor has the router where names are looked up if
        # that is configured.
        echo
        echo "[IPv6AcceptRA]"
        echo "DHCPv6Client=no"
        [ -z "${name_servers}" ] || echo "UseDNS=no"
    fi
}

[ -f "${SOURCE}" ] || exit 0
if ! reason="$(awk -v file=network.conf -f "${SHARE}/settings.awk" -f "${SHARE}/bootstrap-file.awk" "${SOURCE}")"; then
    printf 'generate-network-config: ignored, addresses come by DHCP: %s\n' "${reason}" >&2
    exit 0
fi

mkdir -p "${FOLDER}"
network > "${TARGET}.new"
mv "${TARGET}.new" "${TARGET}"

hostname="$(value hostname)"
if [ -n "${hostname}" ]; then
    printf '%s\n' "${hostname}" > "${ROOT}/proc/sys/kernel/hostname"
fi
