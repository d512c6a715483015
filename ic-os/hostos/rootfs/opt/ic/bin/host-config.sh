#!/bin/sh
# The configuration of this host: config.ini and deployment.json of the config volume, where SetupOS puts them. It counts as a whole
# or, where anything in it is malformed, not at all. Nothing else reads these files.
#
#   host-config.sh get KEY   the value; nothing where it is optional, absent and without a default
#   host-config.sh check     all of it
#
# Exit status 2: it is malformed, and one line says what. 3: there is no config.ini, and `check`, or a key that must be there, was
# asked for.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
BIN="${ROOT}/opt/ic/bin"
SHARE="${ROOT}/opt/ic/share"
CONFIG="${ROOT}/boot/config"
# What the machine itself says, asked once a boot: whoever asks later gets the same.
KEPT="${ROOT}/run/ic/management-mac"
SECONDS_TO_WAIT=30 # until the machine's devices, and the driver of a BMC that the firmware names, have come up
MALFORMED=2
UNCONFIGURED=3

say() {
    printf 'host-config: %s\n' "$*" >&2
}

refuse() {
    say "$*"
    exit "${MALFORMED}"
}

# The settings of a file as lines KEY=value.
settings() {
    file="$1"
    [ -f "${CONFIG}/${file}" ] || return 0
    case "${file}" in
        *.json)
            # First as a whole: a stream may end anywhere.
            form="$(jq --slurp --raw-output 'map(type) | join(" ")' "${CONFIG}/${file}" 2>&1)" ||
                refuse "${file}: is not JSON: ${form#jq: }"
            [ "${form}" = object ] || refuse "${file}: is not one JSON object"
            jq --stream --raw-output --from-file "${SHARE}/deployment.jq" "${CONFIG}/${file}"
            ;;
        # What no text has stays what no text has: awk may take NUL for an end.
        *) tr '\000' '\001' < "${CONFIG}/${file}" ;;
    esac
}

# The same, checked.
checked() {
    lines="$(settings "$1")"
    [ -f "${CONFIG}/$1" ] || return 0
    result="$(printf '%s\n' "${lines}" | awk -v file="$1" -f "${SHARE}/settings.awk" -f "${SHARE}/host-config.awk")" ||
        refuse "${result}"
    printf '%s\n' "${result}"
}

# The MAC of the BMC; nothing where there is none, or where it does not say.
bmc_mac() {
    for device in "${ROOT}"/sys/bus/platform/devices/dmi-ipmi-* "${ROOT}"/sys/bus/acpi/devices/IPI0001:*; do
        [ -e "${device}" ] || continue
        udevadm wait --timeout="${SECONDS_TO_WAIT}" /dev/ipmi0 ||
            say "there is a BMC, but within ${SECONDS_TO_WAIT} s no /dev/ipmi0 to ask it by"
        break
    done
    [ -e "${ROOT}/dev/ipmi0" ] || return 0
    printed="$(ipmitool lan print)" || say "the BMC does not say its MAC: ipmitool failed with exit status $?"
    printf '%s\n' "${printed}" | tr '[:upper:]' '[:lower:]' |
        sed -n 's/^mac address *: \([0-9a-f][0-9a-f]\(:[0-9a-f][0-9a-f]\)\{5\}\)$/\1/p' |
        sed -n '/[^0:]/{p;q;}'
}

# The MAC that a network port came with; in a bond it may have another now.
port_mac() {
    own="${ROOT}/sys/class/net/$1/bonding_slave/perm_hwaddr"
    [ -e "${own}" ] || own="${ROOT}/sys/class/net/$1/address"
    cat "${own}"
}

# By what this machine is known where deployment.json does not say.
machine_mac() {
    if [ ! -s "${KEPT}" ]; then
        udevadm settle --timeout="${SECONDS_TO_WAIT}" || say "devices are still coming up after ${SECONDS_TO_WAIT} s"
        from="the BMC"
        mac="$(bmc_mac)"
        if [ -z "${mac}" ]; then
            port="$("${BIN}/list-ports.sh" | head -n 1)"
            [ -n "${port}" ] || refuse "neither a BMC nor a network port has a MAC that could be the management MAC;" \
                "give deployment.mgmt_mac in deployment.json"
            from="the network port ${port}"
            mac="$(port_mac "${port}")"
        fi
        say "the management MAC is that of ${from}: ${mac}"
        mkdir -p "${KEPT%/*}"
        printf '%s\n' "${mac}" > "${KEPT}.new"
        mv "${KEPT}.new" "${KEPT}"
    fi
    cat "${KEPT}"
}

case "$#:${1:-}" in
    2:get | 1:check) ;;
    *) refuse "usage: host-config.sh get KEY, or host-config.sh check" ;;
esac

settings_of_host="$(checked config.ini)"
settings_of_deployment="$(checked deployment.json)"
if [ -f "${CONFIG}/config.ini" ] && [ ! -f "${CONFIG}/deployment.json" ]; then
    refuse "deployment.json: is not there; put it beside config.ini"
fi

mandatory=no
default=""
key="${2-all}"
case "$1 ${key}" in
    "check all" | "get ipv6_prefix" | "get ipv6_gateway" | "get deployment_name") mandatory=yes ;;
    "get ipv4_address" | "get ipv4_gateway" | "get ipv4_prefix_length" | "get domain") ;;
    "get mgmt_mac" | "get nns_url" | "get name_servers" | "get logging_hosts") ;;
    "get verbose") default=false ;;
    "get memory") default=490 ;; # GiB
    "get cpu") default=kvm ;;
    "get nr_of_vcpus") default=64 ;;
    *) refuse "there is no key '${key}'" ;;
esac

value="$(printf '%s\n' "${settings_of_host}" "${settings_of_deployment}" | sed -n "s/^${key}=//p")"
if [ -n "${value:=${default}}" ]; then
    printf '%s\n' "${value}"
elif [ "${key}" = mgmt_mac ]; then
    machine_mac
elif [ "${mandatory}" = yes ] && [ ! -f "${CONFIG}/config.ini" ]; then
    say "config.ini: is not there; this host is not configured"
    exit "${UNCONFIGURED}"
fi
