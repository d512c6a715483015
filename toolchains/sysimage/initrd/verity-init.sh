#!/bin/sh
#
# First program of the initrd. Opens the dm-verity device that the kernel command line
# names, mounts it read-only and starts the system on it. If anything is missing or wrong it
# says what in one sentence and ends: the kernel then panics, and does what panic= says
# (so that the boot loader can fall back). There is no way to a shell.
#
# Kernel command line:
#   root=DEVICE or root=PARTUUID=GUID   the partition with data and hash tree; where this initrd has lvm, also
#                                       /dev/GROUP/VOLUME, a logical volume
#   root_hash=HEX                       sha256 root hash
#   verity.data_blocks=N                blocks of data, 4096 bytes each
#   verity.hash_start=N                 block of the partition where the tree begins
#   verity.salt=HEX or -                salt of all hashes
#   rootfstype=TYPE                     left out: ext4
#   rootwait=SECONDS                    how long to wait for the partition; left out: 30
#   init=PROGRAM                        left out: /sbin/init
#   machine_id=PARTITION:PATH           a file of a partition (named as for root=) that keeps the machine's identity
#                                       (machine-id(5)) for a root that cannot be written; left out: nothing is done
#
# The system finds that identity as /etc/machine-id, which lies in /run. If the file is missing or anything is wrong with it or
# its partition, the identity is a new random one: the system starts, and keeps it for the next time.

set -u
PATH=/bin:/sbin

NAME=vroot
BLOCK_SECTORS=8
# Without what lvm notes for a system that runs.
LVM='devices { obtain_device_list_from_udev=0 hints="none" } backup { backup=0 archive=0 } activation { monitoring=0 }'

# Through the kernel's log a message reaches every console; at level "error" also with "quiet".
fail() {
    echo "<3>initrd: STOPPED: $*" >/dev/kmsg
    # The panic that follows must not overtake the message on a slow console.
    sleep 1
    exit 1
}

warn() {
    echo "<4>initrd: $*" >/dev/kmsg
}

# Whole seconds since the kernel started.
uptime() {
    read -r seconds _ </proc/uptime
    echo "${seconds%%.*}"
}

# Numbers in a GPT are little-endian: eight hex digits to a shell number.
little_endian() {
    echo "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4\3\2\1/'
}

# Prints the hex digits of a GUID as a GPT stores it: its first three fields byte-swapped.
stored_guid() {
    echo "$1" | tr A-F a-f |
        sed 's/^\(..\)\(..\)\(..\)\(..\)-\(..\)\(..\)-\(..\)\(..\)-\(....-............\)$/\4\3\2\1\6\5\8\7\9/; s/-//g'
}

# Prints the names of all partitions with a GUID, one a line.
partitions_with_guid() {
    wanted=$1
    for folder in /sys/block/*; do
        disk=${folder##*/}
        [ -b "/dev/$disk" ] || continue
        [ -e "$folder/device" ] || continue
        sector=$(cat "$folder/queue/logical_block_size")
        header=$(dd if="/dev/$disk" bs="$sector" skip=1 count=1 2>/dev/null | xxd -p -l 92 | tr -d '\n')
        case $header in
        4546492050415254*) ;; # "EFI PART"
        *) continue ;;
        esac
        first=$(little_endian "$(echo "$header" | cut -c 145-152)")
        count=$(little_endian "$(echo "$header" | cut -c 161-168)")
        size=$(little_endian "$(echo "$header" | cut -c 169-176)")
        number=$(dd if="/dev/$disk" bs="$sector" skip=$((first)) count=$((count * size / sector)) 2>/dev/null |
            xxd -p -c $((size)) | grep -n "^.\{32\}$wanted" | cut -d : -f 1)
        [ -n "$number" ] || continue
        for partition in "$folder/$disk"*; do
            [ "$(cat "$partition/partition")" = "$number" ] && echo "${partition##*/}"
        done
    done
}

# Activates (y) or deactivates (n) what is a logical volume by its name; prints what lvm finds wrong, such as a group that
# is not complete.
set_volume() {
    case $2 in
    /dev/*/*) ;;
    *) return ;;
    esac
    [ -x /sbin/lvm ] || return
    # There is no udev yet: lvm makes the nodes itself.
    DM_DISABLE_UDEV=1 lvm lvchange --nolocking --config "$LVM" --activate "$1" "${2#/dev/}" 2>&1
}

# Prints the devices that PARTUUID=GUID or /dev/... names and that are there, one a line.
devices_named() {
    case $1 in
    PARTUUID=*) partitions_with_guid "$(stored_guid "${1#PARTUUID=}")" | sed 's,^,/dev/,' ;;
    *)
        [ -b "$1" ] || set_volume y "$1" >/dev/null
        [ -b "$1" ] && echo "$1"
        ;;
    esac
}

# Sets "device" to the partition that root= names, if it is there.
find_root() {
    device=$(devices_named "$root")
    case $device in
    *[[:space:]]*) fail "several partitions carry $root: $(echo "$device" | sed 's,^/dev/,,' | tr '\n' ' ')" ;;
    esac
}

# Puts the identity that machine_id= names into /run/machine-id, or a new one.
provide_machine_id() {
    source=$(devices_named "${machine_id%%:*}")
    identity=
    if mount -o ro "$source" /mnt 2>/dev/null; then
        [ -e "/mnt/${machine_id#*:}" ] && identity=$(dd if="/mnt/${machine_id#*:}" bs=33 count=1 2>/dev/null)
        umount /mnt
    else
        warn "machine_id=$machine_id: the partition cannot be mounted"
    fi
    # The system's udev knows only what is activated while it runs.
    set_volume n "$source" >/dev/null
    case $identity in *[!0-9a-f]*) identity=invalid ;; esac
    if [ ${#identity} -ne 32 ]; then
        [ -z "$identity" ] || warn "machine_id=$machine_id: not an identity, which has 32 hexadecimal digits"
        identity=$(tr -d - </proc/sys/kernel/random/uuid)
        warn "this machine's identity is new: $identity"
    fi
    (umask 0333 && echo "$identity" >/run/machine-id)
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev || {
    echo "initrd: STOPPED: no devtmpfs"
    exit 1
}

while read -r module; do
    insmod "/modules/$module" || fail "kernel module $module cannot be loaded"
done </modules/order

root='' root_hash='' data_blocks='' hash_start='' salt='' type=ext4 patience=30 init=/sbin/init machine_id=''
read -r command_line </proc/cmdline
set -f # its words are not file patterns
for word in $command_line; do
    case $word in
    root=*) root=${word#root=} ;;
    root_hash=*) root_hash=${word#root_hash=} ;;
    verity.data_blocks=*) data_blocks=${word#verity.data_blocks=} ;;
    verity.hash_start=*) hash_start=${word#verity.hash_start=} ;;
    verity.salt=*) salt=${word#verity.salt=} ;;
    rootfstype=*) type=${word#rootfstype=} ;;
    rootwait=*) patience=${word#rootwait=} ;;
    init=*) init=${word#init=} ;;
    machine_id=*) machine_id=${word#machine_id=} ;;
    esac
done
set +f

[ -n "$root" ] || fail "the kernel command line has no root="
[ -n "$root_hash" ] || fail "the kernel command line has no root_hash=, and nothing is started that cannot be verified"
case $root_hash in *[!0-9a-f]*) fail "root_hash= is not hexadecimal: $root_hash" ;; esac
[ ${#root_hash} -eq 64 ] || fail "root_hash= has ${#root_hash} digits, 64 are expected"
case $data_blocks in '' | *[!0-9]*) fail "verity.data_blocks= must be a number; it is '$data_blocks'" ;; esac
case $hash_start in '' | *[!0-9]*) fail "verity.hash_start= must be a number; it is '$hash_start'" ;; esac
case $salt in -) ;; '' | *[!0-9a-f]*) fail "verity.salt= must be hexadecimal, or -; it is '$salt'" ;; esac
case $patience in '' | *[!0-9]*) fail "rootwait= must be a number of seconds; it is '$patience'" ;; esac
case $root in
PARTUUID=*)
    guid=$(stored_guid "${root#PARTUUID=}")
    case $guid in *[!0-9a-f]*) fail "root= is not a GUID: $root" ;; esac
    [ ${#guid} -eq 32 ] || fail "root= is not a GUID: $root"
    ;;
/dev/*) ;;
*) fail "root= must be PARTUUID=... or /dev/...; it is '$root'" ;;
esac
case $machine_id in
'' | PARTUUID=*:?* | /dev/*:?*) ;;
*) fail "machine_id= must be PARTUUID=...:PATH or /dev/...:PATH; it is '$machine_id'" ;;
esac

find_root
deadline=$(($(uptime) + patience))
while [ -z "$device" ]; do
    if [ "$(uptime)" -ge $deadline ]; then
        reason=$(set_volume y "$root" | sed -n '1s/^ *\(WARNING: \)*/: /p')
        fail "the root partition $root did not appear within $patience seconds$reason"
    fi
    sleep 0.1
    find_root
done

# A block that does not fit its hash is a panic, not an I/O error that the system limps on with.
table="0 $((data_blocks * BLOCK_SECTORS)) verity 1 $device $device 4096 4096 $data_blocks $hash_start"
table="$table sha256 $root_hash $salt 1 panic_on_corruption"
# dmsetup makes the node itself, too.
DM_DISABLE_UDEV=1 dmsetup create --readonly --table "$table" "$NAME" ||
    fail "the verity device on $device cannot be opened (root_hash=$root_hash)"
[ -b "/dev/mapper/$NAME" ] || fail "/dev/mapper/$NAME did not appear"
mount -t "$type" -o ro "/dev/mapper/$NAME" /sysroot || fail "/dev/mapper/$NAME cannot be mounted as $type"
[ -x "/sysroot$init" ] || [ -L "/sysroot$init" ] || fail "the root filesystem has no $init"

if [ -n "$machine_id" ]; then
    # The system takes over the /run that it finds mounted.
    mount -t tmpfs -o mode=0755,nosuid,nodev,size=20%,nr_inodes=800k tmpfs /run || fail "no tmpfs on /run"
    provide_machine_id
    mount --bind /run/machine-id /sysroot/etc/machine-id || fail "the root filesystem has no /etc/machine-id"
    mount --move /run /sysroot/run || fail "the root filesystem has no /run"
fi

echo "<5>initrd: root is $device, verified against root_hash=$root_hash" >/dev/kmsg
for folder in dev proc sys; do
    mount --move "/$folder" "/sysroot/$folder" || fail "the root filesystem has no /$folder"
done
exec switch_root /sysroot "$init" "$@"
