#!/bin/sh
# Puts the keys of the accounts in force, out of ssh_authorized_keys of the config volume: sshd reads the copies in /run, which
# have owners and modes that it accepts, whatever SetupOS had to copy from. What is no key is left out, and said; the others count.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
SHARE="${ROOT}/opt/ic/share"
SOURCE="ssh_authorized_keys"
TARGET="${ROOT}/run/ic/ssh_authorized_keys"

umask 022
rm -rf "${TARGET}.new"
mkdir -p "${TARGET}.new"
for account in admin backup readonly; do
    [ -f "${ROOT}/boot/config/${SOURCE}/${account}" ] || continue
    tr '\000' '\001' < "${ROOT}/boot/config/${SOURCE}/${account}" |
        awk -v file="${SOURCE}/${account}" -f "${SHARE}/settings.awk" -f "${SHARE}/ssh-keys.awk" > "${TARGET}.new/${account}"
done
rm -rf "${TARGET}"
mv "${TARGET}.new" "${TARGET}"
