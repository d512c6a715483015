#!/usr/bin/env bash
# Runs a command in the build environment, with this repository at /ic.
#
#   gitlab-ci/container/container-run.sh bazel build //ic-os/guestos/envs/dev/...
#
# The environment is what Dockerfile beside this file lists. Where docker or podman answers, the image is built
# with it; elsewhere the same packages make a root that bubblewrap enters. See --help.
set -o errexit -o nounset -o pipefail

readonly usage='usage: container-run.sh [OPTION] [COMMAND [ARGUMENT...]]

Runs COMMAND (a shell when there is none) in the build environment, with this repository at /ic.

  --as-root   without an engine and started by root: stay root, for programs that must change owners (mmdebstrap, buildah,
              mkosi). Bazel has no sandbox there.
  --share FILE
              a file or folder of this machine that the command sees too, under its own path, read-only; may be repeated
  --write FOLDER
              a folder of this machine that the command may write to as well, under its own path; may be repeated
  --prune     remove what no longer serves: roots of former definitions, Bazel outputs of repositories that are gone
  --help      this text

Environment:
  IC_CONTAINER_ENGINE   docker, podman or bwrap; otherwise the first of them that answers
  DEBIAN_MIRROR         base address of a Debian mirror; otherwise the one that apt is configured with
  XDG_CACHE_HOME        caches lie in its folder ic-container (default: ~/.cache)'

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
repository=$(cd "${here}/../.." && pwd -P)
# Where the command starts: in the folder that the caller is in, if that is in the repository.
case $(pwd -P)/ in
  "${repository}"/*) workdir=/ic$(pwd -P | cut --characters=$((${#repository} + 1))-) ;;
  *) workdir=/ic ;;
esac
readonly here repository workdir
readonly elsewhere='make room there, or set XDG_CACHE_HOME to a folder on another disk'
readonly cache=${XDG_CACHE_HOME:-${HOME:?is not set, so there is no place for caches}/.cache}/ic-container

say() { echo "container-run: $*" >&2; }
die() {
  say "$1 (hint: $2)"
  exit 2
}

# Puts standard input into a file of the cache, whole or not at all.
put() {
  { cat > "$1.$$" && mv "$1.$$" "$1"; } && return
  rm --force "$1.$$"
  die "cannot write $1" "${elsewhere}"
}

# MiB that are left for caches.
room() { echo $(($(df --block-size=1M --output=avail "${cache}" | tail --lines=1))); }

# --- The definition: suite and packages, as the Dockerfile has them -------------------------------------------------

suite() { sed --quiet --regexp-extended 's/^FROM debian:([a-z]+)(-slim)?$/\1/p' "${here}/Dockerfile"; }

packages() {
  sed --quiet --regexp-extended '/apt-get install/,/&& rm/ s/^ +([a-z0-9][a-z0-9.+-]*) \\$/\1/p' "${here}/Dockerfile" |
    paste --serial --delimiters=,
}

definition() { { suite && packages && cat "${here}/make-root.sh"; } | sha256sum | cut --characters=1-16; }

# --- Without an engine: a root of Debian packages ------------------------------------------------------------------

# Says what is missing, or installs it: need PROGRAM-OR-FILE PACKAGE ...
need() {
  local missing=()
  while (($#)); do
    if ! command -v "$1" > /dev/null && [[ ! -e $1 ]]; then missing+=("$2"); fi
    shift 2
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    die "missing on this machine: ${missing[*]}" "as root: apt-get install ${missing[*]}"
  fi
  command -v apt-get > /dev/null || die "missing on this machine: ${missing[*]}" "install what is named; there is no apt-get here to do it with"
  say "installing ${missing[*]} on this machine"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}"; } \
    < /dev/null > "${cache}/install.log" 2>&1 || {
    tail --lines=5 "${cache}/install.log" >&2
    die "could not install ${missing[*]}" "the whole log is ${cache}/install.log"
  }
}

# Ordinary users: mmdebstrap installs as a range of subordinate ids.
need_subordinate_ids() {
  ((EUID != 0)) || return 0
  local name file
  name=$(id --user --name)
  for file in /etc/subuid /etc/subgid; do
    grep --quiet --no-messages --extended-regexp "^(${name}|${EUID}):" "${file}" ||
      die "user ${name} has no subordinate ids, which making the root needs" \
        "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}"
  done
}

# Removes roots of former definitions, except those that something runs in: whoever enters a root holds a lock on it.
prune_roots() {
  local root
  for root in "${cache}"/root-*; do
    if [[ ! -d ${root} || ${root} == "${cache}/root-$(definition)" ]]; then continue; fi
    if flock --nonblock --exclusive "${root}" true; then
      say "removing ${root}, a root of a former definition"
      rm --recursive --force --one-file-system "${root}"
    fi
  done
}

# Makes the root once. It appears under its name only when complete, so an interrupted build leaves nothing that counts.
make_root() {
  local root=$1 building
  need bwrap bubblewrap nsenter util-linux flock util-linux
  [[ ! -d ${root} ]] || return 0
  need mmdebstrap mmdebstrap /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
  ((EUID == 0)) || need newuidmap uidmap
  need_subordinate_ids
  (
    exec 8> "${cache}/making.lock"
    flock --nonblock 8 || { say "another start is making the root; waiting for it" && flock 8; }
    [[ ! -d ${root} ]] || exit 0
    rm --recursive --force --one-file-system "${cache}"/root-*.partial
    building=${root}.partial
    say "making the root of the container from $(packages | tr ',' '\n' | wc --lines) Debian packages: once, about a minute"
    SECONDS=0
    "${here}/make-root.sh" "$(suite)" "$(packages)" "${building}" < /dev/null >&2 || {
      status=$? left=$(room)
      rm --recursive --force --one-file-system "${building}"
      ((status != 3)) || exit 2
      ((left >= 64)) || die "no room for the root: ${left} MiB were left in ${cache}" "${elsewhere}"
      die "the root could not be made: see above" "the next start tries again; if the mirror is at fault, DEBIAN_MIRROR names another"
    }
    # The name comes after the bytes, also when the machine stops right here.
    sync --file-system "${building}"
    mv "${building}" "${root}"
    say "root made in ${SECONDS} s: ${root}"
    prune_roots
  ) || exit $?
}

# Enters the root and becomes the command. bwrap only lays out the mounts for a process that waits in them; the command joins
# it with nsenter, which replaces this shell. So signals, terminal and exit status are the command's own, and a Bazel
# server that it leaves behind lives on and serves the next start.
enter_root() {
  local root=$1 holder mounts=() join=(--mount)
  shift
  for link in bin sbin lib lib64; do mounts+=(--symlink "usr/${link}" "/${link}"); done
  mounts+=(--ro-bind "${root}/usr" /usr --ro-bind "${root}/etc" /etc --ro-bind "${root}/var" /var
    --dev-bind /dev /dev --bind /proc /proc --ro-bind /sys /sys --tmpfs /tmp --tmpfs /run --dir /root)
  for ((i = 0; i < ${#binds[@]}; i += 3)); do mounts+=("--${binds[i]}" "${binds[i + 1]}" "${binds[i + 2]}"); done
  if [[ ${as_root} ]]; then
    mounts+=(--cap-add ALL)
  else
    # Not even root stays root: with one ordinary user mapped, Bazel's linux-sandbox works.
    mounts+=(--unshare-user --uid 1000 --gid 1000)
    join+=(--user --preserve-credentials)
  fi
  # Held by the command, and by a Bazel server that it starts, until they end (see prune_roots).
  exec {fd}< "${root}" && flock --shared "${fd}"
  # The subshell around it hands bwrap over to init, which reaps it.
  # shellcheck disable=SC2016 # $$ is for the inner shell
  exec {fd}< <((exec bwrap "${mounts[@]}" --chdir / -- /bin/sh -c 'echo $$ && exec /usr/bin/sleep 60 > /dev/null' < /dev/null &))
  read -r holder <&"${fd}" || die "bubblewrap could not enter the root" "its message is above; it needs user namespaces, or root"
  exec {fd}<&-
  # shellcheck disable=SC2016 # for the inner shell
  exec nsenter --target="${holder}" "${join[@]}" --wdns="${workdir}" -- /usr/bin/env --ignore-environment "${environment[@]}" \
    /bin/sh -c 'kill "$0" && exec "$@"' "${holder}" "$@"
}

# --- With an engine -------------------------------------------------------------------------------------------------

# The first engine that answers, or bwrap.
engine() {
  local name
  case ${IC_CONTAINER_ENGINE:-} in
    docker | podman | bwrap) echo "${IC_CONTAINER_ENGINE}" ;;
    '')
      for name in docker podman; do
        if command -v "${name}" > /dev/null && timeout 20 "${name}" info > /dev/null 2>&1 < /dev/null; then
          echo "${name}"
          return
        fi
      done
      echo bwrap
      ;;
    *) die "IC_CONTAINER_ENGINE is ${IC_CONTAINER_ENGINE}" "it may be docker, podman or bwrap" ;;
  esac
}

# A container lives as long as its command, so Bazel's server starts anew each time (a few seconds).
run_engine() {
  local name=$1 image=$2 arguments=(--rm --interactive --network=host --workdir="${workdir}")
  shift 2
  if ! "${name}" image inspect "${image}" > /dev/null 2>&1 < /dev/null; then
    say "building ${image} with ${name}: once, about a minute"
    "${name}" build --tag "${image}" "${here}" < /dev/null >&2 ||
      die "${name} could not build ${image}" "IC_CONTAINER_ENGINE=bwrap does without ${name}"
  fi
  # Bazel's sandbox makes namespaces and mounts of its own, which an engine's defaults forbid.
  arguments+=(--privileged)
  case ${name} in
    podman)
      if ((EUID != 0)); then arguments+=(--userns=keep-id); fi
      # podman's init is a package of its own; without it, signals reach only commands that wait for them.
      if [[ -x /usr/libexec/podman/catatonit ]] || command -v catatonit > /dev/null; then arguments+=(--init); fi
      ;;
    docker) arguments+=(--init --user "$(id --user):$(id --group)") ;;
  esac
  if [[ -t 0 && -t 1 ]]; then arguments+=(--tty); fi
  for ((i = 0; i < ${#binds[@]}; i += 3)); do
    case ${binds[i]} in
      bind) arguments+=(--mount "type=bind,source=${binds[i + 1]},target=${binds[i + 2]}") ;;
      ro-bind) arguments+=(--mount "type=bind,source=${binds[i + 1]},target=${binds[i + 2]},readonly") ;;
    esac
  done
  for variable in "${environment[@]}"; do arguments+=(--env "${variable}"); done
  exec "${name}" run "${arguments[@]}" "${image}" "$@"
}

# --- What reaches inside --------------------------------------------------------------------------------------------

# binds: triples of how (bind or ro-bind), place on the machine, place inside. environment: NAME=VALUE, nothing else is set.
binds=() environment=()
# shared: absolute paths of what --share and --write name, each behind how it is bound.
shared=()

# The machine's ways to its package registries: variables, certificates, configuration of apt, pip and npm.
share_configuration() {
  local name file word
  for name in $(compgen -e); do
    case ${name} in
      SSL_CERT_FILE | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | NODE_EXTRA_CA_CERTS | PIP_CERT)
        [[ -f ${!name} ]] || continue
        environment+=("${name}=/run/certificates/${name}")
        binds+=(ro-bind "$(realpath "${!name}")" "/run/certificates/${name}")
        ;;
      TERM | COLORTERM | NO_COLOR | CI | *_proxy | *_PROXY | IC_* | DEBIAN*_MIRROR | PIP_* | NPM_CONFIG_* | npm_config_* | SSL_CERT_DIR)
        environment+=("${name}=${!name}")
        ;;
    esac
  done
  for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt /etc/apt/sources.list; do
    [[ ! -f ${file} ]] || binds+=(ro-bind "$(realpath "${file}")" "${file}")
  done
  if [[ -d /etc/apt/sources.list.d ]]; then binds+=(ro-bind /etc/apt/sources.list.d /etc/apt/sources.list.d); fi
  for file in .config/pip/pip.conf .pip/pip.conf .npmrc; do
    [[ ! -f ${HOME}/${file} ]] || binds+=(ro-bind "$(realpath "${HOME}/${file}")" "/home/builder/${file}")
  done
  # Folders of packages on this machine that pip is told to look in; an index (.../simple) refers to files beside it.
  while read -r word; do
    [[ ! -d ${word} || ${word} == /etc/* || ${word} == /usr/* ]] || binds+=(ro-bind "${word}" "${word}")
  done < <({
    cat /etc/pip.conf "${HOME}/.config/pip/pip.conf" "${HOME}/.pip/pip.conf" 2> /dev/null
    env | grep '^PIP_'
  } | grep --only-matching --extended-regexp '(file://)?/[^[:space:]=]+' | sed 's#^file://##; s#/simple/*$##' | sort --unique)
}

# What a running Bazel server sees of the machine's files: their places, and which files they were when it started.
shared_files() {
  printf '%s\n' "${binds[@]}"
  for ((i = 0; i < ${#binds[@]}; i += 3)); do stat --format=%d:%i "${binds[i + 1]}"; done
}

# Caches, under the same paths inside and outside, so that the links that Bazel leaves in the repository lead somewhere on both sides.
share_caches() {
  local key outputs bazelrc settings
  key=$(printf '%s' "${repository}" | sha256sum | cut --characters=1-16)
  outputs=${cache}/bazel/${key}
  bazelrc=${outputs}/container.bazelrc
  mkdir --parents "${outputs}" "${cache}/repository" "${cache}/home" "${cache}/tmp" || die "cannot write ${cache}" "${elsewhere}"
  put "${outputs}/repository" <<< "${repository}"
  settings=$(
    cat "${here}/bazel.bazelrc"
    printf '%s\n' '' '# Added by container-run.sh.' \
      "startup --output_user_root=${outputs}" \
      '# A server that was started in another root, or with other files of the machine in it, stops when this changes.' \
      "startup --host_jvm_args=-Dcontainer.definition=$1-$(shared_files | sha256sum | cut --characters=1-8)" \
      '# Tests look at the tools of another root anew.' \
      "build --test_env=CONTAINER_DEFINITION=$1" \
      "common --repository_cache=${cache}/repository"
  )
  # The file that a running server sees stays as it is, unless there is something to change.
  if [[ ! -f ${bazelrc} || $(< "${bazelrc}") != "${settings}" ]]; then
    put "${bazelrc}" <<< "${settings}"
  fi
  binds+=(bind "${cache}/home" /home/builder bind "${cache}/tmp" /var/tmp bind "${outputs}" "${outputs}"
    bind "${cache}/repository" "${cache}/repository" ro-bind "${bazelrc}" /etc/bazel.bazelrc bind "${repository}" /ic)
  environment+=(HOME=/home/builder USER=builder LANG=C.UTF-8
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
}

prune() {
  local folder of
  prune_roots
  for folder in "${cache}"/bazel/*; do
    of=$(cat "${folder}/repository" 2> /dev/null) || continue
    # A disk that was full may have left the file empty: whose outputs they are is not known then.
    if [[ ${of} && ! -d ${of} ]]; then
      say "removing ${folder}"
      chmod --recursive u+w "${folder}" && rm --recursive --force --one-file-system "${folder}"
    fi
  done
}

main() {
  local name key i
  as_root=
  while (($#)); do
    case $1 in
      --help) echo "${usage}" && exit ;;
      --prune) prune && exit ;;
      --as-root) as_root=1 && shift ;;
      --share)
        [[ -e ${2:-} ]] || die "--share ${2:-}: there is no such file" "name one that exists"
        shared+=(ro-bind "$(realpath --no-symlinks -- "$2")") && shift 2
        ;;
      --write)
        [[ -d ${2:-} ]] || die "--write ${2:-}: there is no such folder" "name one that exists"
        shared+=(bind "$(realpath --no-symlinks -- "$2")") && shift 2
        ;;
      --*) die "unknown option $1" "container-run.sh --help lists them" ;;
      *) break ;;
    esac
  done
  (($#)) || set -- /bin/bash
  [[ ! ${as_root} || ${EUID} == 0 ]] || die "--as-root is for root" "start it as root"
  mkdir --parents "${cache}" || die "cannot write ${cache}" "${elsewhere}"
  name=$(engine)
  key=$(definition)
  share_configuration
  share_caches "${key}"
  # After the caches: a running Bazel server need not see these.
  for ((i = 0; i < ${#shared[@]}; i += 2)); do
    binds+=("${shared[i]}" "$(realpath -- "${shared[i + 1]}")" "${shared[i + 1]}")
  done
  if [[ ${name} == bwrap ]]; then
    make_root "${cache}/root-${key}"
    enter_root "${cache}/root-${key}" "$@"
  else
    run_engine "${name}" "ic-container:${key}" "$@"
  fi
}

main "$@"
