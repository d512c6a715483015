#!/bin/sh
# What a measured launch starts the guest with, out of the guest's own disk: the kernel, the initrd and the command line of the slot
# that is next. No boot loader runs then, so what grub.cfg does to the state of the slots (ic-os/bootloader/README.md) is done here.
#
#   take-guest-kernel.sh    into vmlinuz, initrd.img and cmdline in /run/guestos
#
# Nothing of the disk is mounted: its file systems are the guest's, who could have put anything into them.
# Exit status 2: not done, and one line says why.
set -eu
umask 077
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
DISK="${ROOT}/dev/hostlvm/guestos"
OUT="${ROOT}/run/guestos"

HEADER='# GRUB Environment Block'
GRUBENV_SIZE=1024
SECTOR=512

say() {
    printf 'take-guest-kernel: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 2
}

# Prints the offset of a partition of the guest's disk, in bytes.
offset_of() {
    found="$(partx --raw --noheadings --output NAME,START "${DISK}" 2> /dev/null | sed -n "s/^$1 //p")"
    case "${found}" in
        '' | *[!0-9]*) die "${DISK} has not one partition $1; is GuestOS on it?" ;;
    esac
    echo "$((found * SECTOR))"
}

# A number of 16 bits, little-endian, in the first sector of the grub partition.
boot_sector_word() {
    od -A n -t u2 -j "$((grub + $1))" -N 2 "${DISK}" | tr -d ' '
}

boot_sector_byte() {
    od -A n -t u1 -j "$((grub + $1))" -N 1 "${DISK}" | tr -d ' '
}

# Sets "grubenv_at", where the file lies on the disk, or leaves it empty: mshowfat says the clusters, and they must be in one piece.
find_grubenv() {
    grubenv_at=
    clusters="$(mshowfat -i "${DISK}@@${grub}" ::/grubenv 2> /dev/null | sed -n 's/.*<\([0-9]*\)\(-[0-9]*\)\{0,1\}> *$/\1/p')"
    case "${clusters}" in
        '' | *[!0-9]*) return 0 ;;
    esac
    # Microsoft's FAT specification, "BPB": sectors before the table, size and number of tables, entries of the root directory.
    fat_sectors="$(boot_sector_word 22)"
    [ "${fat_sectors}" -ne 0 ] || fat_sectors="$(od -A n -t u4 -j "$((grub + 36))" -N 4 "${DISK}" | tr -d ' ')"
    data="$(($(boot_sector_word 14) * SECTOR + $(boot_sector_byte 16) * fat_sectors * SECTOR + $(boot_sector_word 17) * 32))"
    grubenv_at="$((grub + data + (clusters - 2) * $(boot_sector_byte 13) * SECTOR))"
}

# Sets "boot_alternative" and "boot_cycle" as GRUB's load_env does: what is no environment block sets nothing.
read_state() {
    boot_alternative='' boot_cycle=''
    find_grubenv
    block=
    if [ -n "${grubenv_at}" ]; then
        block="$(dd if="${DISK}" bs="${GRUBENV_SIZE}" count=1 skip="${grubenv_at}" iflag=skip_bytes status=none | tr '\000' '?')"
    fi
    case "${#block} ${block}" in
        "${GRUBENV_SIZE} ${HEADER}
"*) ;;
        *)
            say "the guest's grubenv is no environment block; the state of its slots is unknown"
            grubenv_at=
            return 0
            ;;
    esac
    boot_alternative="$(printf '%s\n' "${block}" | sed -n 's/^boot_alternative=//p' | tail -n 1)"
    boot_cycle="$(printf '%s\n' "${block}" | sed -n 's/^boot_cycle=//p' | tail -n 1)"
}

# The table of states, as grub.cfg has it. Sets "boot_state" and "changed".
next_state() {
    changed=yes
    case "${boot_cycle}" in
        '' | install)
            boot_alternative="${boot_alternative:-A}"
            boot_state=install boot_cycle=stable
            ;;
        first_boot)
            boot_state=upgrade boot_cycle=failsafe_check
            ;;
        failsafe_check)
            if [ "${boot_alternative}" = B ]; then boot_alternative=A; else boot_alternative=B; fi
            boot_state=failsafe boot_cycle=stable
            ;;
        *)
            [ "${boot_cycle}" = stable ] || say "grubenv has the unknown boot_cycle '$(plain "${boot_cycle}")'; taken for stable"
            boot_state=stable changed=no
            ;;
    esac
    [ "${boot_alternative}" = B ] || boot_alternative=A
}

# Nothing that a console would act on.
plain() {
    printf '%s' "$1" | tr -c ' -~' '?'
}

# Both sectors keep their place, and what differs lies in the first: a power cut leaves the old state or the new one.
save_state() {
    [ "${changed}" = yes ] || return 0
    if [ -z "${grubenv_at}" ]; then
        say "grubenv cannot be written; the next start will be from the same state"
        return 0
    fi
    text="${HEADER}
boot_alternative=${boot_alternative}
boot_cycle=${boot_cycle}
"
    { printf '%s' "${text}" && printf "%$((GRUBENV_SIZE - ${#text}))s" '' | tr ' ' '#'; } |
        dd of="${DISK}" bs="${GRUBENV_SIZE}" count=1 seek="${grubenv_at}" iflag=fullblock oflag=seek_bytes conv=notrunc,fsync status=none ||
        die "grubenv cannot be written to ${DISK}"
    say "saved boot_alternative=${boot_alternative} boot_cycle=${boot_cycle}"
}

# extract NAME: a file of the slot's boot partition.
extract() {
    rm -f "${OUT}/$1"
    debugfs -R "dump /$1 ${OUT}/$1" "${DISK}?offset=${boot}" 2> "${OUT}/debugfs.log" > /dev/null ||
        die "debugfs cannot read the boot partition of slot ${boot_alternative}"
    # It says which version it is, and nothing else unless something is wrong.
    said="$(sed '/^debugfs [0-9.]* (.*)$/d' "${OUT}/debugfs.log" | head -n 1)"
    [ -z "${said}" ] && [ -s "${OUT}/$1" ] ||
        die "slot ${boot_alternative} of the guest has no readable $1${said:+ ($(plain "${said}"))}"
    rm "${OUT}/debugfs.log"
}

mkdir -p "${OUT}"
rm -f "${OUT}/cmdline"
grub="$(offset_of grub)"
read_state
next_state
# Before anything is loaded: what was tried must be known at the next start, whatever happens now.
save_state
say "booting slot ${boot_alternative}, state ${boot_state}"
boot="$(offset_of "${boot_alternative}_boot")"
for name in vmlinuz initrd.img boot_args; do
    extract "${name}"
done
line="$(sed -n "s/^boot_args_${boot_alternative}=\"\(.*\)\"\$/\1/p" "${OUT}/boot_args")"
case "${line}" in
    '' | *[!\ -~]*) die "boot_args of slot ${boot_alternative} has not one command line for it" ;;
esac
# The one variable that GRUB would have filled in.
# shellcheck disable=SC2016 # it is GRUB's, not the shell's
line="$(printf '%s\n' "${line}" | sed -E 's/\$(boot_state\b|\{boot_state\})/'"${boot_state}/g")"
case "${line}" in
    *\$*) die "the command line of slot ${boot_alternative} has a variable that is not boot_state: ${line}" ;;
esac
printf '%s' "${line}" > "${OUT}/cmdline"
rm "${OUT}/boot_args"
