#!/bin/sh
# Stands in for a program of the node, which is an input of the image (../docs/payload.md), until the program itself
# is given. It serves HTTP, answers what it can answer truthfully, and always says what it is.
#
#     NAME [--listen=ADDRESS] [--WORD=/DIRECTORY ...]    serves, on ADDRESS or on the sockets that systemd hands over
#     NAME --answer ...                                  answers one request, from standard input to standard output
#
# Every directory that it is told of is one that the program writes to, but for that of --config; with --listen it needs an
# IPv6 address as well. What is missing makes the answer 503.
set -eu

MALICIOUS=false
LINE_BYTES=4096  # of the first line of a request; no more is ever read into memory
WAIT_SECONDS=5   # for that line to come
DRAIN_SECONDS=2  # for the rest of the request, whatever it is, to go by

export LC_ALL=C
program="${0##*/}"
carriage_return="$(printf '\r')"
newline="
"

# respond STATUS TYPE BODY
respond() {
    printf '%s\r\n' "HTTP/1.1 $1" "Content-Type: $2" "Content-Length: ${#3}" "Allow: GET, HEAD" "Connection: close" ""
    if [ "${method}" != HEAD ]; then
        printf '%s' "$3"
    fi
}

refuse() {
    respond "$1" text/plain "${program} (stand-in): $2${newline}"
}

# Addresses of global scope (00 in the fourth column), in quotes, with commas between them.
ipv6_addresses() {
    sed -n -E '/^[0-9a-f]{32} [0-9a-f]+ [0-9a-f]+ 00 /{ s/ .*//; s/.{4}/&:/g; s/.*(.{39}):/"\1"/; p }' /proc/net/if_inet6 |
        paste -s -d , -
}

status() {
    healthy=true
    addresses="$(ipv6_addresses)"
    if [ -n "${listen}" ] && [ -z "${addresses}" ]; then
        healthy=false
    fi
    mounts=
    for directory in ${directories}; do
        if [ ! -d "${directory}" ]; then
            device=missing
            healthy=false
        elif [ ! -w "${directory}" ]; then
            device=read-only
            healthy=false
        else
            device="$(findmnt -nro SOURCE -T "${directory}")"
        fi
        mounts="${mounts}${mounts:+, }\"${directory}\": \"${device}\""
    done
    body="{
  \"stand_in\": true,
  \"message\": \"a stand-in for ${program}, which is an input of the image\",
  \"program\": \"${program}\",
  \"malicious\": ${MALICIOUS},
  \"version\": \"$(tr -cd 'A-Za-z0-9._+~-' < "${version_file}")\",
  \"mounts\": {${mounts}},
  \"ipv6_addresses\": [${addresses}],
  \"healthy\": ${healthy}
}${newline}"
    case "${healthy}" in
        true) respond "200 OK" application/json "${body}" ;;
        false) respond "503 Service Unavailable" application/json "${body}" ;;
    esac
}

# metric NAME TYPE HELP VALUE
metric() {
    printf '# HELP %s %s\n# TYPE %s %s\n%s %s\n' "$1" "$3" "$1" "$2" "$1" "$4"
}

metrics() {
    read -r load _ < /proc/loadavg
    total="$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
    available="$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
    booted="$(sed -n 's/^btime //p' /proc/stat)"
    body="$(
        metric stand_in gauge "1: these are from a stand-in for ${program}." 1
        metric node_load1 gauge "1m load average." "${load}"
        metric node_memory_MemTotal_bytes gauge "Memory information field MemTotal_bytes." "$((total * 1024))"
        metric node_memory_MemAvailable_bytes gauge "Memory information field MemAvailable_bytes." "$((available * 1024))"
        metric node_boot_time_seconds gauge "Node boot time, in unixtime." "${booted}"
        metric node_time_seconds gauge "System time in seconds since epoch (1970)." "$(date +%s)"
    )"
    respond "200 OK" "text/plain; version=0.0.4; charset=utf-8" "${body}${newline}"
}

answer() {
    method=
    request="$({ timeout "${WAIT_SECONDS}" head -n 1 || printf '\nlate'; } | head -c "$((LINE_BYTES + 1))")"
    if [ "${#request}" -gt "${LINE_BYTES}" ]; then
        refuse "414 URI Too Long" "the first line of a request has at most ${LINE_BYTES} bytes"
        return
    fi
    case "${request}" in
        *"${newline}late")
            refuse "408 Request Timeout" "no line came within ${WAIT_SECONDS} seconds"
            return
            ;;
    esac
    # METHOD TARGET VERSION, in words.
    set -f
    # shellcheck disable=SC2086  # it is to be split
    set -- ${request%"${carriage_return}"}
    case "$#:${3:-}" in
        3:HTTP/1.[01]) ;;
        *)
            refuse "400 Bad Request" "this is no request of HTTP/1.0 or HTTP/1.1"
            return
            ;;
    esac
    method="$1"
    case "${method}" in
        GET | HEAD) ;;
        *)
            refuse "405 Method Not Allowed" "only GET and HEAD are served"
            return
            ;;
    esac
    case "${program}:${2%%\?*}" in
        *:/status) status ;;
        node_exporter:/metrics) metrics ;;
        *) refuse "404 Not Found" "there is only /status here" ;;
    esac
}

mode=serve
listen=
directories=
version_file=/opt/ic/share/version.txt
for argument; do
    case "${argument}" in
        --answer) mode=answer ;;
        --listen=?* | --web.listen-address=?*) listen="${argument#*=}" ;;
        --config=/*) ;; # an unconfigured node has none
        --version-file=/*) version_file="${argument#*=}" ;;
        --*=/*) directories="${directories} ${argument#*=}" ;;
        *)
            echo "error: ${program} (stand-in): unknown argument ${argument} (hint: --listen=ADDRESS, or --WORD=/DIRECTORY)" >&2
            exit 2
            ;;
    esac
done

if [ "${mode}" = answer ]; then
    answer
    # What is not read when the connection closes would make the answer be thrown away at the other end.
    if ! timeout "${DRAIN_SECONDS}" head -c 65536 > /dev/null; then
        exit 0
    fi
else
    if [ -z "${listen}" ] && [ "${LISTEN_PID:-}" != "$$" ]; then
        echo "error: ${program} (stand-in): there is nothing to listen on (hint: --listen=ADDRESS, or a socket unit)" >&2
        exit 2
    fi
    echo "This is a stand-in for ${program}, which is an input of the image; it does nothing but answer GET /status." >&2
    export SYSTEMD_LOG_LEVEL=warning
    exec systemd-socket-activate --accept --inetd ${listen:+"--listen=${listen}"} "$0" --answer "$@"
fi
