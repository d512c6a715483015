#!/bin/sh
# The network ports of this machine, by name: what has a device (bridges, bonds and the guest's tap have none) and speaks Ethernet.
# Not on USB: there the BMC shows its own network to the host.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests

for port in "${ROOT}"/sys/class/net/*; do
    [ -e "${port}/device" ] || continue
    [ "$(cat "${port}/type")" = 1 ] || continue # ARPHRD_ETHER
    case "$(readlink -f "${port}/device")" in
        */usb*) ;;
        *) echo "${port##*/}" ;;
    esac
done
