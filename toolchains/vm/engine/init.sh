#!/bin/sh
# First program of a machine's initrd: loads its modules and starts the system on the first disk.
set -eu
PATH=/bin

mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
while read -r module; do
    insmod "/modules/${module}"
done < /modules/order
mount -t ext4 /dev/vda /sysroot
umount /proc
mount -o move /dev /sysroot/dev
exec switch_root /sysroot /init
