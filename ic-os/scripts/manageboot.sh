#!/bin/sh
# The two slots of this system: which one runs, which one is next, and how an upgrade gets into the other.
# ic-os/guestos/docs/upgrade.md draws it.
#
#   manageboot.sh [-f GRUBENV] guestos|hostos ACTION
#
# Exit status: 0 done, 2 not done, with one line that says why.
set -eu

# Boot, root and var of a slot, as a kernel command line names devices.
slot_devices() {
    case "$1-$2" in
        guestos-A) set -- ddf618fe-7244-b446-a175-3296e6b9d02e 7c0a626e-e5ea-e543-b5c5-300eb8304db7 22d2f5a6-1e39-d247-81cf-90c95c113e21 ;;
        guestos-B) set -- d5214e4f-f7b0-b945-9a9b-52b9188df4c5 a78bc3a8-376c-054a-96e7-3904b915d0c5 2237d1d1-ce96-584e-8ec5-8ae6661faae9 ;;
        hostos-*) echo "/dev/hostlvm/$2_boot /dev/hostlvm/$2_root /dev/hostlvm/$2_var" && return ;;
    esac
    echo "PARTUUID=$1 PARTUUID=$2 PARTUUID=$3"
}

HEADER='# GRUB Environment Block'
GRUBENV_SIZE=1024
# MiB of a LUKS2 volume before its data: both headers and the key slots. Without them nobody can read it again.
LUKS_MIB=16

usage() {
    cat << 'TEXT'
usage: manageboot.sh [-f GRUBENV] guestos|hostos ACTION

  upgrade-install TAR  write the system in update-img.tar.zst (-: standard input) to the slot that does not run
  upgrade-commit       check it once more, let the next boot try it, and reboot
  confirm              keep the running slot: it works
  current              the slot that runs (A or B)
  target               the other one, which an upgrade goes to
  next                 the slot that the next boot starts
  current_partition    the root partition of the slot that runs
  target_partition     the root partition of the other one

  -f GRUBENV           the state of the boot loader (default: /boot/grub/grubenv)
TEXT
}

die() {
    echo "manageboot: $*" >&2
    exit 2
}

# The device of a name of the kernel command line.
device() {
    case "$1" in
        PARTUUID=*) echo "/dev/disk/by-partuuid/${1#PARTUUID=}" ;;
        *) echo "$1" ;;
    esac
}

other_slot() {
    case "$1" in
        A) echo B ;;
        B) echo A ;;
    esac
}

# Sets "current" and "target". What runs is known to the kernel; grubenv only says what is next.
read_slots() {
    current=
    read -r command_line < /proc/cmdline
    for word in ${command_line}; do
        case "${word}" in
            dfinity.system=[AB]) current="${word#dfinity.system=}" ;;
        esac
    done
    [ -n "${current}" ] || die "the kernel command line has neither dfinity.system=A nor dfinity.system=B, so it is not known which slot runs"
    target=$(other_slot "${current}")
}

# Sets "boot_alternative" and "boot_cycle" (which may be empty, as GRUB has it).
read_grubenv() {
    [ -f "${grubenv}" ] || die "there is no ${grubenv}; is the grub partition mounted?"
    size=$(wc -c < "${grubenv}")
    # A NUL byte, and a line feed at the end, would vanish in the shell.
    block=$(tr '\000' '?' < "${grubenv}")
    if [ "${size}" -ne "${GRUBENV_SIZE}" ] || [ "${#block}" -ne "${GRUBENV_SIZE}" ]; then
        broken "it has ${size} bytes, and must have ${GRUBENV_SIZE} that end in padding"
    fi
    boot_alternative='' boot_cycle='' seen='' number=0 padding=no
    while IFS= read -r line; do
        number=$((number + 1))
        [ "${padding}" = no ] || broken "line ${number} follows the padding"
        case "${number} ${line}" in
            "1 ${HEADER}") continue ;;
            "1 "*) broken "its first line is not '${HEADER}'" ;;
        esac
        case "${line}" in
            boot_alternative=A | boot_alternative=B) boot_alternative="${line#*=}" ;;
            boot_cycle=install | boot_cycle=first_boot | boot_cycle=failsafe_check | boot_cycle=stable)
                boot_cycle="${line#*=}"
                ;;
            '' | *[!#]*) broken "line ${number} is '${line}'" ;;
            *) padding=yes && continue ;;
        esac
        case "${seen}" in
            *"${line%%=*}"*) broken "line ${number} sets ${line%%=*} again" ;;
        esac
        seen="${seen} ${line%%=*}"
    done << BLOCK
${block}
BLOCK
    [ "${padding}" = yes ] || broken "it does not end in padding"
}

broken() {
    die "${grubenv} is broken: $* (ic-os/guestos/docs/upgrade.md says how to make a new one)"
}

# The slot that GRUB starts next (ic-os/bootloader/README.md).
next_slot() {
    case "${boot_cycle}" in
        failsafe_check) other_slot "${boot_alternative:-A}" ;;
        *) echo "${boot_alternative:-A}" ;;
    esac
}

# Puts a state in the place of the old one. The file keeps its two sectors: what differs lies in the first, and a disk
# writes a sector wholly or not at all. (A rename on FAT changes a directory and the allocation table, in several writes.)
write_state() {
    text="${HEADER}
boot_alternative=$1
boot_cycle=$2
"
    { printf '%s' "${text}" && printf "%$((GRUBENV_SIZE - ${#text}))s" '' | tr ' ' '#'; } > "${work}/grubenv"
    if [ ! -w "${grubenv}" ]; then
        mount_point=$(findmnt -n -o TARGET -T "${grubenv}")
        mount -o remount,rw "${mount_point}" || die "${mount_point} cannot be made writable; the state is as it was"
        read_only="${mount_point}"
    fi
    dd if="${work}/grubenv" of="${grubenv}" bs="${GRUBENV_SIZE}" count=1 conv=notrunc,fsync status=none ||
        die "${grubenv} cannot be written"
    read_grubenv
    [ "${boot_alternative} ${boot_cycle}" = "$1 $2" ] || die "${grubenv} did not take the new state"
}

# One at a time; a place for what is needed meanwhile, in memory.
begin() {
    [ "$(id -u)" -eq 0 ] || die "only root may do that"
    exec 9> /run/manageboot.lock
    flock -w 10 9 || die "another manageboot.sh is at work"
    read_only=
    work=$(mktemp -d /run/manageboot.XXXXXX)
    trap end EXIT
    trap 'die "interrupted"' HUP INT TERM
}

end() {
    rm -rf "${work}"
    [ -z "${read_only}" ] || mount -o remount,ro "${read_only}" || echo "manageboot: ${read_only} stays writable" >&2
}

require_stable() {
    read_grubenv
    case "${boot_cycle}" in
        stable) ;;
        first_boot) die "an upgrade to slot ${boot_alternative:-A} is committed already; reboot to start it" ;;
        failsafe_check) die "slot ${current} runs for the first time and is not confirmed yet; the other slot is what it falls back to" ;;
        *) die "the state is '${boot_cycle:-unset}', not stable: GRUB could not save it at the last boot" ;;
    esac
    [ "$(next_slot)" = "${current}" ] ||
        die "slot ${current} runs, but the next boot starts slot ${target}; reboot into the one that is to be kept"
}

# Sets "boot", "root_name", "root" and "var", those of the target.
find_target() {
    # shellcheck disable=SC2046 # three words
    set -- $(slot_devices "${system}" "${target}")
    boot=$(device "$1") root_name="$2" root=$(device "$2") var=$(device "$3")
    disks=
    for partition in "${boot}" "${root}" "${var}"; do
        [ -e "${partition}" ] || die "slot ${target} has no ${partition}"
        disk=$(lsblk -n -d -o PKNAME "${partition}")
        case "${disks}" in
            '' | "${disk}") disks="${disk}" ;;
            # A SetupOS stick has partitions with the same identifiers.
            *) die "the partitions of slot ${target} lie on different disks (${disks}, ${disk}); remove the one that is not this system's" ;;
        esac
    done
}

# Prints the value of a word of the target's command line.
word_of() {
    printf '%s\n' "${line}" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

# Looks into a boot filesystem, $1, which messages call $2: sets "version" and what opens the root (root_hash, ...).
read_boot() {
    e2fsck -f -n "$1" > "${work}/e2fsck" 2>&1 || die "$2 is no sound ext4 filesystem"
    listing=$(debugfs -R 'ls -p /' "$1" 2> /dev/null)
    for name in vmlinuz initrd.img boot_args version.txt; do
        case "${listing}" in
            */"${name}"/*) ;;
            *) die "$2 has no ${name}" ;;
        esac
    done
    version=$(debugfs -R 'cat version.txt' "$1" 2> /dev/null)
    line=$(debugfs -R 'cat boot_args' "$1" 2> /dev/null | sed -n "s/^boot_args_${target}=\"\\(.*\\)\"\$/\\1/p")
    [ "$(word_of root)" = "${root_name}" ] ||
        die "$2 is for another system: its root in slot ${target} is '$(word_of root)', not '${root_name}'"
    root_hash=$(word_of root_hash) salt=$(word_of verity.salt)
    data_blocks=$(word_of verity.data_blocks) hash_start=$(word_of verity.hash_start)
    for value in "${root_hash}" "${salt}" "${data_blocks}" "${hash_start}"; do
        case "${value}/${data_blocks}${hash_start}" in
            /* | *[!0-9a-f]*/* | */*[!0-9]*) die "$2 does not say how its root is verified" ;;
        esac
    done
}

# Reads the whole root of the target back from the disk.
verify_root() {
    blockdev --flushbufs "${root}"
    veritysetup verify --no-superblock --hash=sha256 --data-block-size=4096 --hash-block-size=4096 \
        --data-blocks="${data_blocks}" --hash-offset="$((hash_start * 4096))" --salt="${salt}" \
        "${root}" "${root}" "${root_hash}" > "${work}/veritysetup" 2>&1 ||
        die "the root of slot ${target} does not fit the root hash in its boot partition"
}

# The next member must be $1 and fit into $2 bytes. Sets "size".
member() {
    read -r size name || {
        echo "it ends where $1 is expected" > "${work}/end"
        exit "${CUT_SHORT}"
    }
    [ "${name}" = "$1" ] || die "the archive has '${name}' where $1 is expected; is it an update-img.tar.zst?"
    [ "${size}" -le "$2" ] || die "$1 has ${size} bytes; there is room for $2"
}

# Copies the content of a member to $1.
content() {
    dd of="$1" bs=1M count="${size}" iflag=count_bytes,fullblock conv=notrunc,fsync status=none 2> "${work}/dd" ||
        die "$1 cannot be written: $(sed 's/.*: //' "${work}/dd")"
}

# Empties the first MiB of a partition, $2 of them.
wipe() {
    dd if=/dev/zero of="$1" bs=1M count="$2" conv=notrunc,fsync status=none || die "$1 cannot be written"
}

# Takes the members from standard input: for each, a line with size and name, then its bytes.
# The boot partition is written last of all, so a slot without one is not complete.
install_members() {
    set -e
    member boot.img "$(blockdev --getsize64 "${boot}")"
    content "${work}/boot.img"
    [ "$(stat -c %s "${work}/boot.img")" -eq "${size}" ] || exit "${CUT_SHORT}"
    read_boot "${work}/boot.img" boot.img
    echo "manageboot: installing version ${version} into slot ${target}"
    # The kernel refuses wipefs what is mounted or opened.
    for partition in "${root}" "${var}" "${boot}"; do
        wipefs --all --quiet "${partition}" > /dev/null 2>&1 || die "${partition} is in use"
    done
    wipe "${boot}" 1
    wipe "${var}" "${LUKS_MIB}"
    member root.img "$(blockdev --getsize64 "${root}")"
    content "${root}"
    member VERSION.TXT 4096
    content "${work}/VERSION.TXT"
    [ "$(stat -c %s "${work}/VERSION.TXT")" -eq "${size}" ] || exit "${CUT_SHORT}"
    if read -r size name; then
        die "the archive has '${name}' where its end is expected"
    fi
    [ "$(cat "${work}/VERSION.TXT")" = "${version}" ] ||
        die "VERSION.TXT says '$(cat "${work}/VERSION.TXT")', and version.txt in boot.img '${version}'"
}
CUT_SHORT=3

upgrade_install() {
    begin
    require_stable
    find_target
    if [ "$1" != - ]; then
        [ -r "$1" ] || die "there is no archive $1"
        exec < "$1"
    fi
    # tar hands members to a pipe, so that the holes of sparse ones come as zeros: the partition may have had other bytes.
    # shellcheck disable=SC2016 # for the shell that tar starts
    unpack='printf "%s %s\n" "${TAR_SIZE}" "${TAR_FILENAME}" && cat'
    set +e
    { zstd --decompress --stdout --quiet 2> "${work}/zstd" || echo > "${work}/failed"; } |
        { tar --extract --file=- --blocking-factor=512 --verbose --index-file="${work}/members" --to-command="${unpack}" 2> "${work}/tar" || echo > "${work}/failed"; } |
        (install_members)
    status=$?
    set -e
    [ "${status}" -eq 0 ] || [ "${status}" -eq "${CUT_SHORT}" ] || exit 2
    if [ "${status}" -ne 0 ] || [ -e "${work}/failed" ]; then
        reason=$(cat "${work}/zstd" "${work}/tar" "${work}/end" 2> /dev/null | sed -n '1{s/^zstd: //;s/^[^:]*stdin[^:]*: *//;s/ *$//;p;}')
        die "the archive is damaged, or none: ${reason}"
    fi
    # What is no file does not come through the pipe.
    members=$(tr '\n' ' ' < "${work}/members")
    [ "${members}" = "boot.img root.img VERSION.TXT " ] || die "the archive has the members ${members% }; boot.img root.img VERSION.TXT are expected"

    read_boot "${work}/boot.img" boot.img
    verify_root
    dd if="${work}/boot.img" of="${boot}" bs=1M conv=notrunc,fsync status=none || die "${boot} cannot be written"
    blockdev --flushbufs "${boot}"
    cmp --silent --bytes="$(stat -c %s "${work}/boot.img")" "${work}/boot.img" "${boot}" || {
        wipe "${boot}" 1
        die "${boot} does not hold what was written to it"
    }
    echo "manageboot: version ${version} is in slot ${target}; upgrade-commit starts it"
}

upgrade_commit() {
    begin
    require_stable
    find_target
    blockdev --flushbufs "${boot}"
    read_boot "${boot}" "slot ${target} is not installed completely: its boot partition"
    verify_root
    write_state "${target}" first_boot
    sync
    echo "manageboot: rebooting into slot ${target}, version ${version}; unless it confirms, the boot after it is slot ${current} again"
    systemctl reboot || die "the upgrade is committed, but systemctl cannot reboot"
}

confirm() {
    begin
    read_grubenv
    if [ "${boot_cycle}" = stable ]; then
        echo "manageboot: the state is stable already"
        return
    fi
    [ "${boot_alternative:-A}" = "${current}" ] ||
        die "slot ${current} runs, but the state '${boot_cycle:-unset}' is that of slot ${boot_alternative:-A}; nothing is confirmed"
    write_state "${current}" stable
    echo "manageboot: slot ${current} is confirmed"
}

grubenv=/boot/grub/grubenv
while getopts f:h option; do
    case "${option}" in
        f) grubenv="${OPTARG}" ;;
        h) usage && exit 0 ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || die "a system and an action are expected; -h lists them"
system="$1" action="$2"
shift 2
case "${system}" in
    guestos | hostos) ;;
    *) die "there is no system '${system}'; there are guestos and hostos" ;;
esac
case "${action}:$#" in
    upgrade-install:1) ;;
    upgrade-install:*) die "upgrade-install takes one archive, or - for standard input" ;;
    upgrade-commit:0 | confirm:0 | current:0 | target:0 | next:0 | current_partition:0 | target_partition:0) ;;
    upgrade-commit:* | confirm:* | current:* | target:* | next:* | current_partition:* | target_partition:*) die "${action} takes no argument" ;;
    *) die "there is no action '${action}'; -h lists them" ;;
esac

read_slots
case "${action}" in
    upgrade-install) upgrade_install "$1" ;;
    upgrade-commit) upgrade_commit ;;
    confirm) confirm ;;
    current) echo "${current}" ;;
    target) echo "${target}" ;;
    next) read_grubenv && next_slot ;;
    current_partition) device "$(slot_devices "${system}" "${current}" | cut -d ' ' -f 2)" ;;
    target_partition) device "$(slot_devices "${system}" "${target}" | cut -d ' ' -f 2)" ;;
esac
