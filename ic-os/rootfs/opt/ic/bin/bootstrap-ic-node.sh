#!/bin/sh
# Finds the removable medium with ic-bootstrap.tar and has the configuration of this node taken over from it, once.
# The unit does not start when that is done (/boot/config/CONFIGURED).
#
# Exit status 3: a medium was there and was refused. It is no failure of the system, which goes on unconfigured.
set -eu

ROOT="${BOOTSTRAP_ROOT:-}" # for tests
BIN="${ROOT}/opt/ic/bin"
MOUNT="${ROOT}/run/bootstrap-ic-node/medium"
WAIT=10 # seconds for a USB medium, which shows up some time after its controller
REFUSED=3

say() {
    printf 'bootstrap-ic-node: %s\n' "$*" >&2
}

# Removable volumes with FAT, those with the label CONFIG first.
list_media() {
    lsblk --noheadings --raw --paths --output NAME,RM,FSTYPE,LABEL | while read -r device removable type label; do
        case "${removable} ${type} ${label}" in
            "1 vfat CONFIG") echo "1 ${device}" ;;
            "1 vfat "*) echo "2 ${device}" ;;
            "1 "*" CONFIG") say "${device} is labelled CONFIG but has ${type}, not vfat: ignored" ;;
        esac
    done | sort | cut -d ' ' -f 2
}

has_usb() {
    for hub in "${ROOT}"/sys/bus/usb/devices/usb*; do
        [ ! -e "${hub}" ] || return 0
    done
    return 1
}

# A power cut came behind the moment from which on the configuration counts.
if [ -d "${ROOT}/boot/config/bootstrap" ]; then
    exec "${BIN}/take-bootstrap.sh" --finish
fi

udevadm settle --timeout=30 || say "devices are still coming up after 30 s"
media="$(list_media)"
if [ -z "${media}" ] && has_usb; then
    udevadm wait --timeout="${WAIT}" /dev/disk/by-label/CONFIG 2> /dev/null ||
        say "no medium with the label CONFIG came within ${WAIT} s"
    media="$(list_media)"
fi

result=0
mkdir -p "${MOUNT}"
for device in ${media}; do
    if ! mount -t vfat -o ro,nosuid,nodev,noexec,umask=0077 "${device}" "${MOUNT}"; then
        say "REFUSED ${device}: it cannot be mounted as vfat"
        result="${REFUSED}"
        continue
    fi
    if [ -f "${MOUNT}/ic-bootstrap.tar" ]; then
        say "found ic-bootstrap.tar on ${device}"
        result=0
        "${BIN}/take-bootstrap.sh" "${MOUNT}/ic-bootstrap.tar" || result="$?"
        umount "${MOUNT}"
        # Taken, or a failure of this system; after a refusal another medium may be good.
        [ "${result}" -eq "${REFUSED}" ] || exit "${result}"
    else
        umount "${MOUNT}"
    fi
done
[ "${result}" -ne 0 ] || say "no removable medium has ic-bootstrap.tar: the node is not configured"
exit "${result}"
