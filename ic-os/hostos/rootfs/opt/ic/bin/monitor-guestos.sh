#!/bin/sh
# How the guest is, for Prometheus: a file that node_exporter takes up. And a line in the journal whenever that changes.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
RUN="${ROOT}/run/guestos"
CONFIG="${ROOT}/boot/config/config.ini"
METRICS="${ROOT}/run/ic/metrics"
TARGET="${METRICS}/guestos.prom"
LAST="${ROOT}/run/monitor-guestos/last"
LIBVIRT_SECONDS=20

# metric NAME TYPE HELP VALUE
metric() {
    printf '# HELP %s %s\n# TYPE %s %s\n%s %s\n' "$1" "$3" "$1" "$2" "$1" "$4"
}

# yes_no VALUE WANTED: 1 or 0.
yes_no() {
    if [ "$1" = "$2" ]; then echo 1; else echo 0; fi
}

value() {
    sed -n "s/^$1=//p" "${RUN}/launch" 2> /dev/null
}

# A number out of a file that guestos.sh writes, or 0.
number() {
    cat "${RUN}/$1" 2> /dev/null || echo 0
}

configured=0 acceleration='' sev_snp=''
if [ -f "${CONFIG}" ]; then
    configured=1
    acceleration="$(value acceleration)" || acceleration=
    sev_snp="$(value sev_snp)" || sev_snp=
    listed="$(timeout "${LIBVIRT_SECONDS}" virsh list --name 2> /dev/null)" || listed=unknown
    case "${listed}" in
        unknown) state=unknown ;;
        guestos) state="$(timeout "${LIBVIRT_SECONDS}" virsh domstate --domain guestos 2> /dev/null)" || state=unknown ;;
        *) state="not running" ;;
    esac
    starts="$(number starts)"
    started="$(number started)"
else
    state="not configured" starts=0 started=0
fi
# The first line of several; the rest is empty.
state="$(printf '%s\n' "${state}" | head -n 1)"

mkdir -p "${METRICS}"
{
    metric hostos_guest_configured gauge "1: this host has a configuration, so a guest is to run." "${configured}"
    metric hostos_guest_up gauge "1: the guest's machine runs." "$(yes_no "${state}" running)"
    metric hostos_guest_state_known gauge "1: libvirt says what the guest does." "$((1 - $(yes_no "${state}" unknown)))"
    metric hostos_guest_starts_total counter "How often the guest's machine was started since this host was." "${starts}"
    metric hostos_guest_start_time_seconds gauge "When it was started last, in unixtime; 0: never." "${started}"
    metric hostos_guest_emulated gauge "1: without KVM, so many times slower than it should be." "$(yes_no "${acceleration}" emulation)"
    metric hostos_guest_sev_snp gauge "1: launched under SEV-SNP." "$(yes_no "${sev_snp}" yes)"
} > "${TARGET}.new"
chmod 0644 "${TARGET}.new"
mv "${TARGET}.new" "${TARGET}"

case "${state}" in
    "not configured") now="no guest: there is no /boot/config/config.ini" ;;
    unknown) now="libvirt does not say how the guest is" ;;
    *) now="the guest is ${state}${acceleration:+ (${acceleration})}, start ${starts}" ;;
esac
if [ "${now}" != "$(cat "${LAST}" 2> /dev/null)" ]; then
    printf 'monitor-guestos: %s\n' "${now}"
    mkdir -p "${LAST%/*}"
    printf '%s\n' "${now}" > "${LAST}"
fi
