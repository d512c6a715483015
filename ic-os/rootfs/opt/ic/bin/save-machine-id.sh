#!/bin/sh
# Keeps the identity that this machine got at its first boot: the initrd provides it to every later one. A valid one is never
# replaced, even if the initrd could not read it this time.
set -eu

KEPT=/boot/config/machine-id

if grep -qsx '[0-9a-f]\{32\}' "${KEPT}"; then
    exit 0
fi
cat /etc/machine-id > "${KEPT}.new"
sync "${KEPT}.new"
mv "${KEPT}.new" "${KEPT}"
sync "${KEPT%/*}"
