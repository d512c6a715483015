#!/bin/sh
# The addresses that a node's machines have by their place: of the management MAC and the name of the deployment, which machine it is,
# and the prefix of the network.
#
#   deterministic-address.sh mac SYSTEM [6|4]   the MAC of its IPv6 (the default) or IPv4 interface
#   deterministic-address.sh ipv6 SYSTEM [6]    the IPv6 address: the prefix, and the EUI-64 of that MAC
#
# SYSTEM is setupos, hostos, guestos or boundary. Exit status: as that of host-config.sh.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
BIN="${ROOT}/opt/ic/bin"
REFUSED=2

refuse() {
    printf 'deterministic-address: %s\n' "$*" >&2
    exit "${REFUSED}"
}

[ "$#" -ge 2 ] && [ "$#" -le 3 ] || refuse "usage: deterministic-address.sh mac|ipv6 SYSTEM [6|4]"
case "$1:${3:-6}" in
    mac:6 | ipv6:6) family=6a ;;
    mac:4) family=4a ;;
    ipv6:4) refuse "an IPv6 address is made of the MAC of the IPv6 interface; leave 4 out" ;;
    mac:* | ipv6:*) refuse "there are the interfaces 6 and 4, not '$3'" ;;
    *) refuse "'$1' is neither mac nor ipv6" ;;
esac
case "$2" in
    setupos) index=0f ;;
    hostos) index=00 ;;
    guestos) index=01 ;;
    boundary) index=02 ;;
    *) refuse "the system '$2' is none of setupos, hostos, guestos, boundary" ;;
esac

management_mac="$("${BIN}/host-config.sh" get mgmt_mac)"
deployment="$("${BIN}/host-config.sh" get deployment_name)"
digest="$(printf '%s%s\n' "${management_mac}" "${deployment}" | sha256sum)"
low="${digest%"${digest#????????}"}" # its first 8 digits

if [ "$1" = mac ]; then
    printf '%s:%s%s\n' "${family}" "${index}" "$(printf '%s' "${low}" | sed 's/../:&/g')"
    exit 0
fi

# RFC 4291, appendix A: the universal/local bit is flipped, and ff:fe comes between the halves of the MAC.
prefix="$("${BIN}/host-config.sh" get ipv6_prefix)"
first="$((0x${family} ^ 2))"
high="${low%??????}"
middle="${low#??}" middle="${middle%????}"
# RFC 5952: no leading zeros, and "::" for the longest run of two and more zero groups, the first of those equally long. It can only
# be in the prefix, whose groups are written so already.
printf '%s:%x:%x:%x:%x\n' "${prefix}" "$((first << 8 | 0x${index}))" "$((0x${high}ff))" "$((0xfe00 | 0x${middle}))" \
    "$((0x${low#????}))" |
    sed -e 's/:0:0:0:/::/; t' -e 's/:0:0:/::/'
