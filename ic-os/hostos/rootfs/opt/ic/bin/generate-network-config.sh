#!/bin/sh
# Makes what systemd-networkd needs for the host's own addresses out of the configuration. Without one, or with one that is malformed,
# the image's own holds: addresses by router advertisements and DHCP.
set -eu

ROOT="${IC_ROOT:-}" # for tests
BIN="${ROOT}/opt/ic/bin"
FOLDER="${ROOT}/run/systemd/network"
# Before the image's 20-br6.network, so it is what counts.
TARGET="${FOLDER}/15-br6.network"
BRIDGE="${FOLDER}/10-br6.netdev.d"

say() {
    printf 'generate-network-config: %s\n' "$*" >&2
}

network() {
    echo "# Made by generate-network-config.sh out of /boot/config/config.ini and deployment.json."
    echo "[Match]"
    echo "Name=br6"
    echo
    echo "[Network]"
    echo "Address=${address}/64"
    echo "Gateway=${gateway}"
    # Those that the firewall lets the host ask.
    for server in ${name_servers}; do
        case "${server}" in
            *:*) echo "DNS=${server}" ;;
        esac
    done
    echo "IPv6AcceptRA=no"
    echo "DHCP=ipv4"
    echo "LLMNR=no"
    echo "MulticastDNS=no"
    echo
    echo "[DHCPv4]"
    echo "UseHostname=no"
    echo "UseDNS=no"
    echo "UseNTP=no"
}

if ! reason="$("${BIN}/host-config.sh" check 2>&1)"; then
    say "addresses come by router advertisements and DHCP: ${reason#host-config: }"
    exit 0
fi
mac="$("${BIN}/deterministic-address.sh" mac hostos)" || {
    say "addresses come by router advertisements and DHCP"
    exit 0
}
address="$("${BIN}/deterministic-address.sh" ipv6 hostos)"
gateway="$("${BIN}/host-config.sh" get ipv6_gateway)"
name_servers="$("${BIN}/host-config.sh" get name_servers)"

mkdir -p "${BRIDGE}"
printf '[NetDev]\nMACAddress=%s\n' "${mac}" > "${BRIDGE}/mac.conf.new"
mv "${BRIDGE}/mac.conf.new" "${BRIDGE}/mac.conf"
network > "${TARGET}.new"
mv "${TARGET}.new" "${TARGET}"
