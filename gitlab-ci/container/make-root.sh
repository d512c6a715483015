#!/usr/bin/env bash
# Makes the root of the container out of Debian packages, for machines without a container engine.
#
#   make-root.sh SUITE PACKAGES ROOT
#
# PACKAGES is separated by commas, ROOT a folder that does not exist yet. container-run.sh calls this; it rebuilds
# the root when one byte of this file changes. As root the packages keep their owners; for an ordinary user
# mmdebstrap needs a range of subordinate ids while it installs, and the result belongs to that user alone.
# Exit status 3 says that the message on standard error is all there is to say.
set -o errexit -o nounset -o pipefail

readonly suite=$1 packages=$2 root=$3
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Base addresses of Debian's own archive, best first: the environment, else what apt is configured with. apt itself is asked,
# so every way to write a source is understood; the archive is known by the last part of its path.
mirrors() {
  if [[ -n ${DEBIAN_MIRROR:-} ]]; then
    # An address with {snapshot} is for locks: it means nothing to a suite that moves on.
    tr --squeeze-repeats ' ' '\n' <<< "${DEBIAN_MIRROR}" | sed '/{snapshot}/d'
    return
  fi
  apt-get update --print-uris 2> /dev/null | sed --quiet --regexp-extended \
    "s#^'([^']*/debian(/[0-9]{8}T[0-9]{6}Z)?)/?/dists/[a-z0-9.-]+/InRelease'.*#\1#p" | sort --unique
}

# Ways of the machine to its mirror that hold inside too: proxies, timeouts, date checks, certificates.
apt_options() {
  apt-config dump --format '%f "%v";%n' 2> /dev/null |
    grep --extended-regexp '^Acquire::(https?::|Check-Valid-Until|Check-Date|Retries|ForceIPv)' |
    grep --invert-match '::User-Agent' | grep --invert-match ' "";$'
}

main() {
  local sources=() options=() mirror option mode=root
  while read -r mirror; do
    sources+=("deb [signed-by=${keyring}] ${mirror} ${suite} main")
  done < <(mirrors)
  if ((${#sources[@]} == 0)); then
    echo "container-run: no Debian mirror is known (hint: set DEBIAN_MIRROR to the base address of one, http://HOST/debian)" >&2
    exit 3
  fi
  # The index of a testing suite may be past its date; what it says is still signed.
  options+=(--aptopt='Acquire::Check-Valid-Until "false"')
  while read -r option; do
    options+=(--aptopt="${option%;}")
  done < <(apt_options)
  # Places that container-run.sh mounts files of the machine on.
  # shellcheck disable=SC2016 # $1 is for the hook's shell
  options+=(--customize-hook='cd "$1/etc" && touch bazel.bazelrc pip.conf hosts resolv.conf && : > apt/sources.list &&
    chroot "$1" useradd --uid 1000 --user-group --home-dir /home/builder --shell /bin/bash builder')
  ((EUID == 0)) || mode=unshare

  if [[ ${mode} == root ]]; then
    # A mount namespace of its own: whatever way this ends, no mount stays behind.
    printf '%s\n' "${sources[@]}" | unshare --mount -- mmdebstrap --mode=root --variant=apt --format=directory \
      --include="${packages}" "${options[@]}" "${suite}" "${root}" -
  else
    mkdir "${root}"
    printf '%s\n' "${sources[@]}" | mmdebstrap --mode=unshare --variant=apt --format=tar \
      --include="${packages}" "${options[@]}" "${suite}" - - |
      tar --extract --no-same-owner --exclude='./dev/*' --directory="${root}"
  fi
}

main
