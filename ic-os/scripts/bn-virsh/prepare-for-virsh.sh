#!/usr/bin/env bash
# Makes what libvirt starts a Boundary-guestOS from, out of its disk image, and says with which commands. No root is needed.
#
#   bazel build //ic-os/boundary-guestos/envs/dev-sev/...
#   ic-os/scripts/bn-virsh/prepare-for-virsh.sh --hostname=boundary-1 --ipv6_replica_ips=2001:db8::1
#
# --help lists all flags; those of the bootstrap medium are the ones of //ic-os/scripts:build-boundary-bootstrap-config-image.
# Exit status 2: nothing was made or changed, and one line says why. See ic-os/boundary-guestos/docs/virsh.md.
set -o errexit -o nounset -o pipefail

# Options that name a file or a folder of this machine. The build environment sees the repository only, and what is shared with it.
readonly files='image|firmware|nns_public_key|certificate|certificate_key|accounts_ssh_authorized_keys'

die() {
  echo "error: $1 (hint: $2)" >&2
  exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
out=bn-virsh name=boundary-guestos connect=qemu:///system
shares=() arguments=()
for word in "$@"; do
  case ${word} in
    --out=*) out=${word#*=} && continue ;;
    --name=*) name=${word#*=} ;;
    --connect=*) connect=${word#*=} ;;
  esac
  # --OPTION=FILE, or --OPTION=ACCOUNT=FILE
  if [[ ${word} =~ ^(--(${files})=([a-z]+=)?)(.+)$ && -e ${BASH_REMATCH[4]} ]]; then
    path=$(realpath --no-symlinks -- "${BASH_REMATCH[4]}")
    word=${BASH_REMATCH[1]}${path}
    shares+=(--share "${path}")
  fi
  arguments+=("${word}")
done
if command -v virsh > /dev/null && virsh --connect "${connect}" domstate "${name}" > /dev/null 2>&1; then
  die "there is a machine ${name} already, which has these files" "virsh --connect ${connect} destroy ${name}; or another --name and --out"
fi
# Under its own path, which libvirt is told.
out=$(realpath --no-symlinks --canonicalize-missing -- "${out}")
[[ -d ${out%/*}/ ]] || die "there is no folder ${out%/*}" "make it, or name another one with --out"
exec "${here}/../../../gitlab-ci/container/container-run.sh" "${shares[@]}" --write "${out%/*}/" \
  bazel run //ic-os/scripts/bn-virsh:prepare -- --out="${out}" "${arguments[@]}"
