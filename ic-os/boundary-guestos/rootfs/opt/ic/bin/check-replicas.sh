#!/bin/sh
# Asks the replicas how they are, and has nginx forward calls to those that are healthy.
#
#   check-replicas.sh once      one round
#   check-replicas.sh forever   a round every few seconds
#
# A replica is taken out of the list when FALL rounds in a row found it not healthy, and back when RISE rounds found it healthy; in
# between nginx avoids it by itself. The list is written anew, and nginx told, only when it changes.
set -eu
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
SHARE="${ROOT}/opt/ic/share"
REPLICAS="${ROOT}/run/ic-gateway/replicas"
WORK="${ROOT}/run/ic-replicas"
LIST="${WORK}/upstreams.conf"
# A line a replica: ADDRESS STATE COUNT, where STATE is up or down, and COUNT how many rounds in a row found it otherwise.
STATE="${WORK}/state"
METRICS="${ROOT}/run/ic/metrics"
NGINX="${ROOT}/run/nginx/nginx.pid"

PORT=8080
INTERVAL=5 # seconds between two rounds
CONNECT=2  # seconds
ANSWER=4   # seconds
SIZE=65536 # bytes of an answer
FALL=3
RISE=2

say() {
    printf 'check-replicas: %s\n' "$*"
}

# Asks all of them at once: of each that answers there is a file.
ask() {
    rm -rf "${WORK}/answers"
    mkdir "${WORK}/answers"
    while read -r address; do
        printf 'url = "http://[%s]:%s/api/v2/status"\noutput = "%s/answers/%s"\n' "${address}" "${PORT}" "${WORK}" "${address}"
    done < "${REPLICAS}" > "${WORK}/questions"
    [ -s "${WORK}/questions" ] || return 0
    # It fails whenever one of them does, which is nothing to complain about here.
    if ! curl --disable --config "${WORK}/questions" --globoff --noproxy '*' --silent --no-progress-meter --fail --parallel --parallel-immediate \
        --parallel-max 100 --connect-timeout "${CONNECT}" --max-time "${ANSWER}" --max-filesize "${SIZE}"; then
        return 0
    fi
}

is_healthy() {
    [ -f "${WORK}/answers/$1" ] || return 1
    health="$(od -A n -v -t u1 "${WORK}/answers/$1" | awk -f "${SHARE}/replica-health.awk")" || return 1
    [ "${health}" = healthy ]
}

# The states that follow from the answers and the states so far. One that was never asked before is what it is.
judge() {
    while read -r address; do
        if is_healthy "${address}"; then found=up; else found=down; fi
        before="$(sed -n "s/^${address} //p" "${STATE}")"
        state="${before% *}" count="${before#* }"
        if [ -z "${before}" ]; then
            state="${found}" count=0
        elif [ "${found}" = "${state}" ]; then
            count=0
        else
            count=$((count + 1))
            if [ "${found}" = up ]; then enough="${RISE}"; else enough="${FALL}"; fi
            if [ "${count}" -ge "${enough}" ]; then
                state="${found}" count=0
                say "[${address}] is ${state}" >&2
            fi
        fi
        echo "${address} ${state} ${count}"
    done < "${REPLICAS}"
}

# "zone" makes all workers of nginx know the same; a connection is kept for less long than a replica keeps it. Of an empty list nothing is
# ever asked.
upstreams() {
    up="$(sed -n 's/^\(.*\) up .*/\1/p' "${STATE}.new")"
    echo "# Made by check-replicas.sh: the replicas that are healthy."
    echo "upstream replicas {"
    echo "    zone replicas 512k;"
    echo "    least_conn;"
    for address in ${up}; do
        echo "    server [${address}]:${PORT} max_fails=3 fail_timeout=5s;"
    done
    [ -n "${up}" ] || echo "    server [::1]:9 down;"
    echo "    keepalive 128;"
    echo "    keepalive_timeout 15s;"
    echo "}"
    echo "map \$host \$any_replica {"
    echo "    default $([ -n "${up}" ] && echo 1 || echo 0);"
    echo "}"
}

metrics() {
    echo "# HELP ic_gateway_replica_up 1: calls are forwarded to this replica."
    echo "# TYPE ic_gateway_replica_up gauge"
    while read -r address state _; do
        echo "ic_gateway_replica_up{replica=\"[${address}]:${PORT}\"} $([ "${state}" = up ] && echo 1 || echo 0)"
    done < "${STATE}"
    echo "# HELP ic_gateway_replica_lists_total How often the list of healthy replicas changed since the gateway began."
    echo "# TYPE ic_gateway_replica_lists_total counter"
    echo "ic_gateway_replica_lists_total $(cat "${WORK}/lists")"
    echo "# HELP ic_gateway_replica_check_time_seconds When the replicas were asked last, in unixtime."
    echo "# TYPE ic_gateway_replica_check_time_seconds gauge"
    echo "ic_gateway_replica_check_time_seconds $(date +%s)"
}

round() {
    [ -e "${STATE}" ] || : > "${STATE}"
    [ -e "${WORK}/lists" ] || echo 0 > "${WORK}/lists"
    ask
    judge > "${STATE}.new"
    upstreams > "${LIST}.new"
    if cmp -s "${LIST}.new" "${LIST}"; then
        rm "${LIST}.new"
    else
        mv "${LIST}.new" "${LIST}"
        echo $(($(cat "${WORK}/lists") + 1)) > "${WORK}/lists"
        say "healthy: $(awk '$2 == "up" { up++ } END { print up + 0, "of", NR }' "${STATE}.new") replicas"
        # The same account runs both. A master that is ending takes no signal any more.
        if [ -s "${NGINX}" ]; then
            kill -HUP "$(cat "${NGINX}")" || say "nginx is not told: it is ending"
        fi
    fi
    mv "${STATE}.new" "${STATE}"
    metrics > "${METRICS}/gateway.prom.new"
    chmod 0644 "${METRICS}/gateway.prom.new"
    mv "${METRICS}/gateway.prom.new" "${METRICS}/gateway.prom"
}

case "$#:${1:-}" in
    1:once) round ;;
    1:forever)
        while :; do
            round
            sleep "${INTERVAL}"
        done
        ;;
    *)
        say "usage: check-replicas.sh once, or check-replicas.sh forever" >&2
        exit 2
        ;;
esac
