#!/bin/sh
# Makes the ssh host key of this machine, once. It is kept in the config partition: the root is read-only, and the
# key must outlive an upgrade.
set -eu

DIRECTORY=/boot/config/ssh
KEY=ssh_host_ed25519_key

if [ -s "${DIRECTORY}/${KEY}" ]; then
    exit 0
fi

# The private key takes its name last, so that a power cut leaves either a whole pair or none.
umask 077
mkdir -p "${DIRECTORY}"
rm -f "${DIRECTORY}/new" "${DIRECTORY}/new.pub"
ssh-keygen -q -t ed25519 -N "" -C "" -f "${DIRECTORY}/new"
chmod 0644 "${DIRECTORY}/new.pub"
mv "${DIRECTORY}/new.pub" "${DIRECTORY}/${KEY}.pub"
sync "${DIRECTORY}/new" "${DIRECTORY}/${KEY}.pub"
mv "${DIRECTORY}/new" "${DIRECTORY}/${KEY}"
sync "${DIRECTORY}"
