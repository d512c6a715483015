#!/bin/sh
#
# First program of the initrd. Opens the dm-verity device that the kernel command line
# names, mounts it read-only and starts the system on it. If anything is missing or wrong it
# says what in one sentence and ends: the kernel then panics, and does what panic= says
# (so that the boot loader can fall back). There is no way to a shell.
#
# Kernel command line:
#   root=DEVICE or root=PARTUUID=GUID   the partition with data and hash tree
#   root_hash=HEX                       sha256 root hash
#   verity.data_blocks=N                blocks of data, 4096 bytes each
#   verity.hash_start=N                 block of the partition where the tree begins
#   verity.salt=HEX or -                salt of all hashes
#   rootfstype=TYPE                     left out: ext4
#   rootwait=SECONDS                    how long to wait for the partition; left out: 30
#   init=PROGRAM                        left out: /sbin/init

set -u
PATH=/bin:/sbin

NAME=vroot
BLOCK_SECTORS=8

# Through the kernel's log a message reaches every console; at level "error" also with "quiet".
fail() {
    echo "<3>initrd: STOPPED: $*" >/dev/kmsg
    # The panic that follows must not overtake the message on a slow console.
    sleep 1
    exit 1
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

# Sets "device" to the partition that root= names, if it is there.
find_root() {
    device=
    case $root in
    PARTUUID=*)
        names=$(partitions_with_guid "$guid")
        case $names in
        '') ;;
        *[[:space:]]*) fail "several partitions carry $root: $(echo "$names" | tr '\n' ' ')" ;;
        *) device=/dev/$names ;;
        esac
        ;;
    *) [ -b "$root" ] && device=$root ;;
    esac
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

root='' root_hash='' data_blocks='' hash_start='' salt='' type=ext4 patience=30 init=/sbin/init
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

find_root
deadline=$(($(uptime) + patience))
while [ -z "$device" ]; do
    [ "$(uptime)" -lt $deadline ] || fail "the root partition $root did not appear within $patience seconds"
    sleep 0.1
    find_root
done

# A block that does not fit its hash is a panic, not an I/O error that the system limps on with.
table="0 $((data_blocks * BLOCK_SECTORS)) verity 1 $device $device 4096 4096 $data_blocks $hash_start"
table="$table sha256 $root_hash $salt 1 panic_on_corruption"
# There is no udev yet: dmsetup makes the node itself.
DM_DISABLE_UDEV=1 dmsetup create --readonly --table "$table" "$NAME" ||
    fail "the verity device on $device cannot be opened (root_hash=$root_hash)"
[ -b "/dev/mapper/$NAME" ] || fail "/dev/mapper/$NAME did not appear"
mount -t "$type" -o ro "/dev/mapper/$NAME" /sysroot || fail "/dev/mapper/$NAME cannot be mounted as $type"
[ -x "/sysroot$init" ] || [ -L "/sysroot$init" ] || fail "the root filesystem has no $init"

echo "<5>initrd: root is $device, verified against root_hash=$root_hash" >/dev/kmsg
for folder in dev proc sys; do
    mount --move "/$folder" "/sysroot/$folder" || fail "the root filesystem has no /$folder"
done
exec switch_root /sysroot "$init" "$@"
