#!/bin/sh
# Takes the configuration of this node over from an ic-bootstrap.tar: all of it or, where anything in it is malformed, nothing. What is
# taken, and where it goes, says bootstrap.conf of the system.
#
#   take-bootstrap.sh TAR         takes it over; exit status 3: it is malformed
#   take-bootstrap.sh --finish    completes what a power cut interrupted
#
# All of it is staged, checked and on the disk before one rename, to /boot/config/bootstrap, makes it count. What comes
# behind the rename needs no medium: at the next boot it is completed.
set -eu
umask 077
export LC_ALL=C

ROOT="${BOOTSTRAP_ROOT:-}" # for tests
SHARE="${ROOT}/opt/ic/share"
CONFIG="${ROOT}/boot/config"
WORK="${ROOT}/run/bootstrap-ic-node"
# What a system checks besides, of the files together; it prints the reason where they are none.
CHECK="${ROOT}/opt/ic/bin/check-bootstrap.sh"

REFUSED=3
# Bytes of a tar up to the end of the word "ustar" in its first header; what is compressed has no such word there.
MAGIC_END=262

# Each system has its own.
# shellcheck source=/dev/null
. "${SHARE}/bootstrap.conf"
COPY="${ROOT}${SCRATCH}"

say() {
    printf 'bootstrap-ic-node: %s\n' "$*" >&2
}

one_line() {
    printf '%s' "$1" | tr '\n' ' '
}

# each_store COMMAND: for every store, with its NAME, STORE, FOLDER and MODE behind it.
each_store() {
    while read -r name store folder mode; do
        if [ -n "${name}" ]; then
            "$1" "${name}" "${ROOT}${store}" "${folder}" "${mode}"
        fi
    done << END
${STORES}
END
}

clean_store() {
    rm -rf "$2/.bootstrap"
}

clean() {
    rm -rf "${CONFIG}/bootstrap.new" "${COPY}"
    each_store clean_store
}

refuse() {
    say "REFUSED, nothing of it is applied: $*"
    clean
    exit "${REFUSED}"
}

# Moves what is in a folder to its place, whatever was there before. What a power cut leaves is moved the next time.
publish() {
    from="$1" to="$2"
    [ -d "${from}" ] || return 0
    find "${from}" -mindepth 1 -maxdepth 1 | while IFS= read -r entry; do
        rm -rf "${to:?}/${entry##*/}"
        mv -T "${entry}" "${to}/${entry##*/}"
    done
}

publish_store() {
    case "$3" in
        */) publish "$2/.bootstrap/${3%/}" "$2" ;;
        *) publish "$2/.bootstrap" "$2" ;;
    esac
}

sync_store() {
    sync -f "$2"
}

finish() {
    each_store publish_store
    each_store sync_store
    clean
    : > "${CONFIG}/CONFIGURED"
    sync -f "${CONFIG}"
    say "the node is configured"
}

# The members of a kind, taken out of the copy into a folder.
extract() {
    kind="$1" target="$2"
    sed -n "s/^${kind} //p" "${WORK}/members" > "${WORK}/${kind}"
    [ -s "${WORK}/${kind}" ] || return 0
    tar --extract --file=- --directory="${target}" --no-same-owner --no-same-permissions --touch \
        --no-recursion --verbatim-files-from --files-from="${WORK}/${kind}" \
        < "${COPY}" 2> "${WORK}/errors" || refuse "its ${kind} files cannot be unpacked"
}

stage_store() {
    mkdir "$2/.bootstrap"
}

extract_store() {
    extract "$1" "$2/.bootstrap"
}

# What comes into a store belongs to whom the store belongs to.
own_store() {
    chmod -R "$4" "$2/.bootstrap"
    chown -R --reference="$2" "$2/.bootstrap"
}

check_file() {
    name="${1##*/}"
    if [ "$(tr -d '\n -~' < "$1" | wc -c)" -ne 0 ]; then
        refuse "${name}: has other characters than printable ASCII"
    fi
    reason="$(awk -v file="${name}" -f "${SHARE}/settings.awk" -f "${SHARE}/bootstrap-file.awk" "$1")" || refuse "${reason}"
}

own_secrets() {
    while read -r secret owner; do
        file="${CONFIG}/bootstrap.new/${secret}"
        if [ -f "${file}" ]; then
            chmod 0400 "${file}"
            chown "${owner}:${owner}" "${file}"
        fi
    done << END
${SECRETS}
END
}

if [ "$1" = "--finish" ]; then
    finish
    exit 0
fi

mkdir -p "${WORK}"
clean

# A copy, so that what is checked is what is used, whatever the medium does meanwhile.
head -c "$((TAR_MAX + 1))" "$1" > "${COPY}" 2> "${WORK}/errors" || refuse "it cannot be read"
[ "$(stat -c %s "${COPY}")" -le "${TAR_MAX}" ] || refuse "it has more than ${TAR_MAX} bytes"
magic="$(head -c "${MAGIC_END}" "${COPY}" | tail -c 5 | tr -cd '[:alnum:]')"
[ "${magic}" = "ustar" ] || refuse "it is not a tar archive"
tar --list --verbose --numeric-owner --utc --block-number --quoting-style=escape --file=- \
    < "${COPY}" > "${WORK}/list" 2> "${WORK}/errors" || refuse "it is damaged"
awk -v files="$(one_line "${FILES}")" -v accounts="${ACCOUNTS}" -v stores="$(one_line "${STORES}")" \
    -f "${SHARE}/bootstrap-members.awk" "${WORK}/list" > "${WORK}/members"
reason="$(sed -n 's/^refuse //p' "${WORK}/members")"
[ -z "${reason}" ] || refuse "${reason}"
sed -n 's/^ignore //p' "${WORK}/members" | while IFS= read -r name; do
    say "ignored, for it is not on the list of what is taken: ${name}"
done

# Staged: where it will be renamed to its place, so on the same volumes.
mkdir "${CONFIG}/bootstrap.new"
each_store stage_store
extract config "${CONFIG}/bootstrap.new"
each_store extract_store
for file in "${CONFIG}/bootstrap.new"/* "${CONFIG}/bootstrap.new/accounts_ssh_authorized_keys"/*; do
    [ ! -f "${file}" ] || check_file "${file}"
done
if [ -x "${CHECK}" ]; then
    reason="$("${CHECK}" "${CONFIG}/bootstrap.new")" || refuse "${reason}"
fi

find "${CONFIG}/bootstrap.new" -type d -exec chmod 0755 {} +
find "${CONFIG}/bootstrap.new" -type f -exec chmod 0644 {} +
own_secrets
each_store own_store

each_store sync_store
sync -f "${CONFIG}"
mv -T "${CONFIG}/bootstrap.new" "${CONFIG}/bootstrap"
sync -f "${CONFIG}"
finish
