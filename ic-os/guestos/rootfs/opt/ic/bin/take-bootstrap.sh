#!/bin/sh
# Takes the configuration of this node over from an ic-bootstrap.tar: all of it or, where anything in it is malformed, nothing.
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
CRYPTO="${ROOT}/var/lib/ic/crypto"
DATA="${ROOT}/var/lib/ic/data"
WORK="${ROOT}/run/bootstrap-ic-node"

REFUSED=3
TAR_MAX=536870912 # bytes
# Bytes of a tar up to the end of the word "ustar" in its first header; what is compressed has no such word there.
MAGIC_END=262

say() {
    printf 'bootstrap-ic-node: %s\n' "$*" >&2
}

clean() {
    rm -rf "${CONFIG}/bootstrap.new" "${CRYPTO}/.bootstrap" "${DATA}/.bootstrap" "${DATA}/.bootstrap.tar"
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

finish() {
    publish "${CRYPTO}/.bootstrap/ic_crypto" "${CRYPTO}"
    publish "${DATA}/.bootstrap" "${DATA}"
    sync -f "${CRYPTO}"
    sync -f "${DATA}"
    clean
    : > "${CONFIG}/CONFIGURED"
    sync -f "${CONFIG}"
    say "the node is configured"
}

# The members of a kind, taken out of the copy into a folder.
extract() {
    kind="$1" folder="$2"
    sed -n "s/^${kind} //p" "${WORK}/members" > "${WORK}/${kind}"
    [ -s "${WORK}/${kind}" ] || return 0
    tar --extract --file=- --directory="${folder}" --no-same-owner --no-same-permissions --touch \
        --no-recursion --verbatim-files-from --files-from="${WORK}/${kind}" \
        < "${DATA}/.bootstrap.tar" 2> "${WORK}/errors" || refuse "its ${kind} files cannot be unpacked"
}

check_file() {
    name="${1##*/}"
    if [ "$(tr -d '\n -~' < "$1" | wc -c)" -ne 0 ]; then
        refuse "${name}: has other characters than printable ASCII"
    fi
    reason="$(awk -v file="${name}" -f "${SHARE}/settings.awk" -f "${SHARE}/bootstrap-file.awk" "$1")" || refuse "${reason}"
}

if [ "$1" = "--finish" ]; then
    finish
    exit 0
fi

mkdir -p "${WORK}"
clean

# A copy, so that what is checked is what is used, whatever the medium does meanwhile.
head -c "$((TAR_MAX + 1))" "$1" > "${DATA}/.bootstrap.tar" 2> "${WORK}/errors" || refuse "it cannot be read"
[ "$(stat -c %s "${DATA}/.bootstrap.tar")" -le "${TAR_MAX}" ] || refuse "it has more than ${TAR_MAX} bytes"
magic="$(head -c "${MAGIC_END}" "${DATA}/.bootstrap.tar" | tail -c 5 | tr -cd '[:alnum:]')"
[ "${magic}" = "ustar" ] || refuse "it is not a tar archive"
tar --list --verbose --numeric-owner --utc --block-number --quoting-style=escape --file=- \
    < "${DATA}/.bootstrap.tar" > "${WORK}/list" 2> "${WORK}/errors" || refuse "it is damaged"
awk -f "${SHARE}/bootstrap-members.awk" "${WORK}/list" > "${WORK}/members"
reason="$(sed -n 's/^refuse //p' "${WORK}/members")"
[ -z "${reason}" ] || refuse "${reason}"
sed -n 's/^ignore //p' "${WORK}/members" | while IFS= read -r name; do
    say "ignored, for it is not on the list of what is taken: ${name}"
done

# Staged: where it will be renamed to its place, so on the same volumes.
mkdir "${CONFIG}/bootstrap.new" "${CRYPTO}/.bootstrap" "${DATA}/.bootstrap"
extract config "${CONFIG}/bootstrap.new"
extract crypto "${CRYPTO}/.bootstrap"
extract data "${DATA}/.bootstrap"
for file in "${CONFIG}/bootstrap.new"/* "${CONFIG}/bootstrap.new/accounts_ssh_authorized_keys"/*; do
    [ ! -f "${file}" ] || check_file "${file}"
done

find "${CONFIG}/bootstrap.new" -type d -exec chmod 0755 {} +
find "${CONFIG}/bootstrap.new" -type f -exec chmod 0644 {} +
if [ -f "${CONFIG}/bootstrap.new/node_operator_private_key.pem" ]; then
    chmod 0400 "${CONFIG}/bootstrap.new/node_operator_private_key.pem"
    chown ic-replica:ic-replica "${CONFIG}/bootstrap.new/node_operator_private_key.pem"
fi
chmod -R u=rwX,go= "${CRYPTO}/.bootstrap"
chmod -R u=rwX,g=rX,o= "${DATA}/.bootstrap"
# What comes into a store belongs to whom the store belongs to.
for store in "${CRYPTO}" "${DATA}"; do
    chown -R --reference="${store}" "${store}/.bootstrap"
done

sync -f "${CRYPTO}"
sync -f "${DATA}"
sync -f "${CONFIG}"
mv -T "${CONFIG}/bootstrap.new" "${CONFIG}/bootstrap"
sync -f "${CONFIG}"
finish
