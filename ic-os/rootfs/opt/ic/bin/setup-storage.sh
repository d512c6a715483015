#!/bin/sh
# Provides what is mounted of a device: setup-storage.sh plain|encrypted NAME DEVICE. At the first boot, and after an upgrade for
# /var, it is made first, of what the image has in the same places: an ext4 of /NAME or, where /opt/ic/share/NAME.volumes lists
# volumes, those of a group.
#
# A power cut leaves nothing that is taken for complete. It is made under the label "new" (of the filesystem, or of the LUKS volume
# around it) and takes its own, NAME, when it is filled and on the disk; "new" is made again.
set -eu

ROOT="${IC_ROOT:-}" # for tests
KEY="${ROOT}/boot/config/store.keyfile"

form="$1"
name="$2"
device="$3"
list="${ROOT}/opt/ic/share/${name}.volumes"
mapping="${name}-crypt"
# Where the content is: on the device, or in what is encrypted there.
content="${device}"

say() {
    echo "setup-storage: $*"
}

stop() {
    echo "setup-storage: $*" >&2
    exit 1
}

# --- Filesystems -----------------------------------------------------------------------------------------------------

# make_filesystem DEVICE LABEL DIRECTORY: the directory of the template as an ext4, with its owner and mode.
make_filesystem() {
    mke2fs -q -F -t ext4 -L "$2" -d "$3" -E "lazy_journal_init=1,root_owner=$(stat -c %u:%g "$3"),root_perms=$(stat -c %a "$3")" "$1"
}

# Here and not by fstab, which would check a filesystem as soon as it is there, half made as it may be.
check() {
    status=0
    e2fsck -p "$1" || status=$?
    [ "${status}" -le 1 ] || stop "the filesystem on $1 is damaged (e2fsck says ${status})"
}

# --- Volumes of a group ----------------------------------------------------------------------------------------------

# The lines of the list: name, size, directory.
volumes() {
    sed 's/[[:space:]]*#.*//; /^$/d' "${list}"
}

volume_device() {
    echo "/dev/mapper/${name}-$(echo "$1" | sed 's/-/--/g')"
}

# The root is read-only, so no backups of the metadata are written to /etc. Nothing but this script activates the volumes.
make_volumes() {
    pvcreate --quiet --yes --devices "${content}" "${content}"
    vgcreate --quiet --devices "${content}" --autobackup n --setautoactivation n "${name}" "${content}"
    volumes | while read -r volume size directory; do
        lvcreate --quiet --yes --devices "${content}" --autobackup n --extents "${size}" --name "${volume}" "${name}" < /dev/null
        make_filesystem "$(volume_device "${volume}")" "${directory##*/}" "${ROOT}${directory}" < /dev/null
    done
}

open_volumes() {
    vgchange --quiet --devices "${content}" --activate y "${name}"
    volumes | while read -r volume _; do
        check "$(volume_device "${volume}")" < /dev/null
    done
}

# --- Content of either form ------------------------------------------------------------------------------------------

fill() {
    if [ -f "${list}" ]; then
        make_volumes
    else
        make_filesystem "${content}" "$1" "${ROOT}/${name}"
    fi
    sync "${content}"
}

open_content() {
    if [ -f "${list}" ]; then
        open_volumes
    else
        check "${content}"
    fi
}

# --- Plain -----------------------------------------------------------------------------------------------------------

# Sets "label" to that of the filesystem, to nothing if there is none. What cannot be read is never taken for empty, since that
# would be formatted.
read_plain() {
    head -c 1048576 "${device}" > /dev/null || stop "${device} cannot be read"
    status=0
    label=$(blkid --probe --match-types ext4 --match-tag LABEL --output value "${device}") || status=$?
    case "${status}" in
        0 | 2) ;;
        *) stop "${device} cannot be read (blkid says ${status})" ;;
    esac
}

open_plain() {
    open_content
}

make_plain() {
    say "making ${name} on ${device}"
    fill new
    e2label "${device}" "${name}"
    sync "${device}"
}

# --- Encrypted -------------------------------------------------------------------------------------------------------

# Sets "label" to that of a LUKS volume, to nothing if it is none. Not by blkid: cryptsetup looks at both copies of a header.
read_luks() {
    head -c 32768 "$1" > /dev/null || stop "$1 cannot be read"
    status=0
    dump=$(cryptsetup luksDump "$1" 2> /dev/null) || status=$?
    [ "${status}" -le 1 ] || stop "$1 cannot be read (cryptsetup says ${status})"
    label=$(echo "${dump}" | sed -n 's/^Label:[[:space:]]*//p')
}

# The key of all volumes of this machine: random, in the config partition. A new one would lose what was encrypted with the old one.
provide_key() {
    [ ! -s "${KEY}" ] || return 0
    for found in $(blkid --cache-file /dev/null --match-token TYPE=crypto_LUKS --output device); do
        read_luks "${found}"
        case "${label}" in
            var | store) stop "${KEY} is missing, but ${found} is encrypted with it; nothing is formatted. Put the key back, or wipe all encrypted partitions." ;;
        esac
    done
    say "making the key"
    rm -f "${KEY}.new"
    (umask 0277 && head -c 64 /dev/urandom > "${KEY}.new")
    sync "${KEY}.new"
    mv "${KEY}.new" "${KEY}"
    sync "${KEY%/*}"
}

read_encrypted() {
    provide_key
    read_luks "${device}"
}

open_luks() {
    cryptsetup open --type luks2 --key-file "${KEY}" "${device}" "${mapping}" ||
        stop "$(readlink -f "${device}") cannot be opened with ${KEY}"
    content="/dev/mapper/${mapping}"
}

open_encrypted() {
    open_luks
    open_content
}

# The key has 512 random bits, so there is nothing to stretch.
make_encrypted() {
    say "formatting ${name} on $(readlink -f "${device}")"
    cryptsetup luksFormat --batch-mode --type luks2 --label new --sector-size 4096 \
        --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file "${KEY}" "${device}"
    open_luks
    say "filling ${name}"
    fill "${name}"
    cryptsetup config --label "${name}" "${device}"
}

# ---------------------------------------------------------------------------------------------------------------------

# A partition that systemd-repart could not make will not come.
if [ ! -b "${device}" ] && [ -f "${list}" ] && systemctl --quiet is-failed systemd-repart.service; then
    stop "there is no ${name} partition; the disk has no room for it, 2 GiB behind the last partition"
fi
# As long as systemd waits for devices (system.conf.d): a disk that is slow is no reason to restart.
udevadm wait --timeout=600 "${device}" || stop "${device} did not appear"
"read_${form}"
if [ "${label}" = "${name}" ]; then
    "open_${form}"
    exit 0
fi
"make_${form}"
say "${name} is complete"
