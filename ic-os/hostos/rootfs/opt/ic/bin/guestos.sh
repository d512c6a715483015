#!/bin/sh
# The machine of the guest, from its start to its end.
#
#   guestos.sh run    starts it, of what generate-guestos-config.sh made, and ends when it is gone
#   guestos.sh stop   has it shut down in order; what has not within the limit is switched off
#   guestos.sh wait   ends when it runs, and has for a while
#
# Exit status 2: one line says what is wrong.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
RUN="${ROOT}/run/guestos"
PID_FILE="${ROOT}/run/libvirt/qemu/guestos.pid"
LOG="${ROOT}/var/log/libvirt/qemu/guestos.log"

DEVICE_SECONDS=60
SHUTDOWN_SECONDS=300
STEADY_SECONDS=60 # a machine that cannot start its system is gone before

say() {
    printf 'guestos: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 2
}

# On one line.
line() {
    printf '%s' "$1" | sed 's/^error: //' | tr '\n' ' ' | sed 's/ *$//'
}

runs() {
    found="$(virsh list --name 2>&1)" || die "libvirt does not say which guests run: $(line "${found}")"
    printf '%s\n' "${found}" | grep -q -x guestos
}

# Waits for what is made as this system starts.
need() {
    udevadm wait --timeout="${DEVICE_SECONDS}" "$1" || die "there is no $1"
}

start() {
    [ -f "${RUN}/guestos.xml" ] || die "there is no guestos.xml; generate-guestos-config.service says why"
    need /dev/hostlvm/guestos
    need /sys/class/net/br6
    end_with_service
    said="$(virsh create --file "${RUN}/guestos.xml" 2>&1)" || die "the guest cannot be started: $(line "${said}")"
    starts="$(cat "${RUN}/starts" 2> /dev/null || echo 0)"
    date +%s > "${RUN}/started"
    echo "$((starts + 1))" > "${RUN}/starts"
    say "started ($(sed -n 's/^acceleration=//p' "${RUN}/launch")); its console is in ${LOG%/*}/guestos-console.log"
}

# libvirt makes the machine also when nobody waits for it any more. A stop that comes while it is being made finds none; so when
# the service manager then ends this, the machine that was made is shut down after all.
end_with_service() {
    trap 'stop; exit 0' TERM
}

follow() {
    pid="$(cat "${PID_FILE}" 2> /dev/null)" || pid=
    # Gone already, where there is none.
    if [ -n "${pid}" ]; then
        # A signal ends a wait at once, but not a command that is waited for.
        tail --pid="${pid}" -f /dev/null &
        wait "$!"
    fi
    reason="$(tail -n 20 "${LOG}" 2> /dev/null | sed -n 's/.*shutting down, reason=//p' | tail -n 1)"
    say "stopped: ${reason:-reason unknown}"
}

stop() {
    runs || return 0
    virsh shutdown --domain guestos --mode acpi > /dev/null 2>&1 || say "it does not hear that it is to shut down"
    waited=0
    while runs; do
        if [ "${waited}" -ge "${SHUTDOWN_SECONDS}" ]; then
            say "it did not shut down within ${SHUTDOWN_SECONDS} s, and is switched off"
            said="$(virsh destroy --domain guestos 2>&1)" || die "it cannot be switched off: $(line "${said}")"
            return 0
        fi
        sleep 1
        waited=$((waited + 1))
    done
}

wait_steady() {
    since=0
    last=none
    while [ "${since}" -lt "${STEADY_SECONDS}" ]; do
        count="$(cat "${RUN}/starts" 2> /dev/null || echo 0)"
        if [ "${count}" = "${last}" ] && runs; then
            since=$((since + 1))
        else
            since=0
        fi
        last="${count}"
        sleep 1
    done
}

case "${1:-}" in
    run)
        if runs; then
            say "runs already"
            end_with_service
        else
            start
        fi
        follow
        ;;
    stop) stop ;;
    wait) wait_steady ;;
    *) die "usage: guestos.sh run|stop|wait" ;;
esac
