#!/usr/bin/env bash
# Rebuilds a published image from its revision, in the build environment, and says whether the bytes are equal.
#
#   ic-os/scripts/verify-release.sh --revision=v1.2 --target=//ic-os/guestos/envs/dev:disk-img.tar.zst --published=disk-img.tar.zst.sha256
#
# --published may be the image itself: then every difference is named. --help lists all flags (they are those of
# //py/tools:rebuild). Exit status: 0 equal, 1 different, 2 it cannot be found out.
set -o errexit -o nounset -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
shares=() arguments=()
while (($#)); do
  word=$1 && shift
  if [[ ${word} == --published && $# -gt 0 ]]; then
    word=--published=$1 && shift
  fi
  # A file may lie anywhere on this machine; the build environment sees the repository only, and what is shared with it.
  if [[ ${word} == --published=* && -e ${word#*=} ]]; then
    word=--published=$(realpath --no-symlinks -- "${word#*=}")
    shares+=(--share "${word#*=}")
  fi
  arguments+=("${word}")
done
exec "${here}/../../gitlab-ci/container/container-run.sh" "${shares[@]}" bazel run //py/tools:rebuild -- "${arguments[@]}"
