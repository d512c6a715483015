#!/bin/sh
# Opens an encrypted volume: setup-storage.sh var|store PARTITION. At the first boot, and after an upgrade
# for /var, the volume is made first. A power cut leaves nothing that is taken for complete: a volume is formatted under
# the label "new" and takes its own label (var, store) when it is filled and on the disk; "new" is made again.
set -eu

KEY=/boot/config/store.keyfile
TEMPLATE=/var

volume="$1"
partition="$2"
mapping="${volume}-crypt"
device="/dev/mapper/${mapping}"

say() {
    echo "setup-storage: $*"
}

stop() {
    echo "setup-storage: $*" >&2
    exit 1
}

# Sets "label" to that of a LUKS volume, to nothing if it is none. Not by blkid: cryptsetup looks at both copies of a header.
# What cannot be read is never taken for empty, since that would be formatted.
read_label() {
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
        read_label "${found}"
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

# The key has 512 random bits, so there is nothing to stretch.
format() {
    say "formatting ${volume} on $(readlink -f "${partition}")"
    cryptsetup luksFormat --batch-mode --type luks2 --label new --sector-size 4096 \
        --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file "${KEY}" "${partition}"
}

open() {
    cryptsetup open --type luks2 --key-file "${KEY}" "${partition}" "${mapping}" ||
        stop "$(readlink -f "${partition}") cannot be opened with ${KEY}"
}

# make_filesystem DEVICE NAME DIRECTORY: the directory of the template as an ext4, with its owner and mode.
make_filesystem() {
    mke2fs -q -F -t ext4 -L "$2" -d "$3" -E "lazy_journal_init=1,root_owner=$(stat -c %u:%g "$3"),root_perms=$(stat -c %a "$3")" "$1"
}

fill_var() {
    make_filesystem "${device}" var "${TEMPLATE}"
}

add_volume() {
    lvcreate --quiet --yes --devices "${device}" --autobackup n "$@" store
}

# The root is read-only, so no backups of the metadata are written to /etc. Nothing but this script activates the volumes.
fill_store() {
    pvcreate --quiet --yes --devices "${device}" "${device}"
    vgcreate --quiet --devices "${device}" --autobackup n --setautoactivation n store "${device}"
    add_volume --size 1G --name shared-crypto
    add_volume --extents 30%VG --name shared-backup
    add_volume --extents 100%FREE --name shared-data
    for name in crypto backup data; do
        make_filesystem "/dev/mapper/store-shared--${name}" "${name}" "/var/lib/ic/${name}"
    done
}

# Here and not by fstab, which would check a volume as soon as it is there, half made as it may be.
check() {
    status=0
    e2fsck -p "$1" || status=$?
    [ "${status}" -le 1 ] || stop "the filesystem on $1 is damaged (e2fsck says ${status})"
}

open_var() {
    check "${device}"
}

open_store() {
    vgchange --quiet --devices "${device}" --activate y store
    for name in crypto backup data; do
        check "/dev/mapper/store-shared--${name}"
    done
}

if [ "${volume}" = store ] && [ ! -b "${partition}" ] && systemctl --quiet is-failed systemd-repart.service; then
    stop "there is no store partition; the disk has no room for it, 2 GiB behind the last partition"
fi
udevadm wait --timeout=60 "${partition}" || stop "${partition} did not appear"
provide_key

read_label "${partition}"
if [ "${label}" = "${volume}" ]; then
    open
    "open_${volume}"
    exit 0
fi
format
open
say "filling ${volume}"
"fill_${volume}"
sync "${device}"
cryptsetup config --label "${volume}" "${partition}"
say "${volume} is complete"
