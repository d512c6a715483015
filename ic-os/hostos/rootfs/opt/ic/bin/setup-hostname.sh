#!/bin/sh
# Names this machine by its management MAC. /etc/hostname belongs to the image, which is read-only: the name is the kernel's.
set -eu

ROOT="${IC_ROOT:-}" # for tests

if ! mac="$("${ROOT}/opt/ic/bin/host-config.sh" get mgmt_mac)"; then
    echo "setup-hostname: the host keeps the name of the image" >&2
    exit 0
fi
printf 'host-%s\n' "$(printf '%s' "${mac}" | tr -d :)" > "${ROOT}/proc/sys/kernel/hostname"
