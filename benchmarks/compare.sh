#!/usr/bin/env bash
# Measures ours beside the peers, in the container, as root there (the peers change owners).
#
#   benchmarks/compare.sh --runs 3
#   benchmarks/compare.sh --only ext4 --only verity
set -o errexit -o nounset -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
exec "${here}/../gitlab-ci/container/container-run.sh" --as-root \
  env PYTHONPATH=/ic/py PYTHONDONTWRITEBYTECODE=1 python3 -m benchmarks.run "$@"
