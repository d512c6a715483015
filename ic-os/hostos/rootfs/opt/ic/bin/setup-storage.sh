#!/bin/sh
# Provides the filesystem of a volume: setup-storage.sh var VOLUME. At the first boot, and after an upgrade, it is made first,
# of what the image has in the same place. A power cut leaves nothing that is taken for complete: a filesystem is made
# under the label "new" and takes its own (var) when it is filled and on the disk; "new" is made again.
set -eu

name="$1"
volume="$2"
TEMPLATE="${IC_ROOT:-}/${name}" # IC_ROOT: for tests

say() {
    echo "setup-storage: $*"
}

stop() {
    echo "setup-storage: $*" >&2
    exit 1
}

# Sets "label" to that of the filesystem, to nothing if there is none. What cannot be read is never taken for empty, since that
# would be formatted.
read_label() {
    head -c 1048576 "${volume}" > /dev/null || stop "${volume} cannot be read"
    status=0
    label=$(blkid --probe --match-types ext4 --match-tag LABEL --output value "${volume}") || status=$?
    case "${status}" in
        0 | 2) ;;
        *) stop "${volume} cannot be read (blkid says ${status})" ;;
    esac
}

# Here and not by fstab, which would check a filesystem as soon as it is there, half made as it may be.
check() {
    status=0
    e2fsck -p "${volume}" || status=$?
    [ "${status}" -le 1 ] || stop "the filesystem on ${volume} is damaged (e2fsck says ${status})"
}

# The directory of the template as an ext4, with its owner and mode.
make_filesystem() {
    mke2fs -q -F -t ext4 -L new -d "${TEMPLATE}" \
        -E "lazy_journal_init=1,root_owner=$(stat -c %u:%g "${TEMPLATE}"),root_perms=$(stat -c %a "${TEMPLATE}")" "${volume}"
}

# As long as systemd waits for devices (system.conf.d): a disk that is slow is no reason to restart.
udevadm wait --timeout=600 "${volume}" || stop "${volume} did not appear"
read_label
if [ "${label}" = "${name}" ]; then
    check
    exit 0
fi
say "making ${name} on ${volume}"
make_filesystem
sync "${volume}"
e2label "${volume}" "${name}"
sync "${volume}"
say "${name} is complete"
