#!/bin/sh
# Installs Debian packages for real, maintainer scripts and all, as an ordinary user. Called by real_install.py.
#
#   real_install.sh enter STAGE     in namespaces of its own: makes STAGE a machine of a kind and goes on in there
#   real_install.sh install         in the stage, under fakeroot: installs into /target, writes /tmp/oracle/target.tar
#
# The stage is the essential packages, merely unpacked, and fakeroot: all programs that work on /target from
# outside come from it. fakeroot talks to its server by System V messages, since by TCP it was seen to hang.
# /tmp/oracle is the same folder in the stage and in the target (over whose /tmp a tmpfs lies):
#
#   essential/*.deb, rest/*.deb    the packages
#   libfakeroot-sysv.so            fakeroot's library, so that it can be loaded in both
set -eu

shared=/tmp/oracle

# A /dev with what scripts use; the directory itself must be 755, or what runs as somebody else cannot look into it.
make_devices() {
  mount -t tmpfs -o mode=755 tmpfs "$1"
  for node in null zero full random urandom tty; do
    : > "$1/${node}"
    mount --bind "/dev/${node}" "$1/${node}"
  done
  ln -s /proc/self/fd "$1/fd"
}

enter() {
  make_devices "$1/dev"
  mount --rbind /proc "$1/proc"
  exec chroot "$1" /usr/bin/env --ignore-environment \
    PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH}" \
    DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true FAKEROOTDONTTRYCHOWN=1 \
    fakeroot-sysv --lib "${shared}/libfakeroot-sysv.so" -- /bin/sh "${shared}/real_install.sh" install
}

mount_target() {
  mount --rbind /dev /target/dev
  mount --rbind /proc /target/proc
  mount -t tmpfs -o mode=1777 tmpfs /target/tmp
  mkdir "/target${shared}"
  mount --bind "${shared}" "/target${shared}"
}

install() {
  umask 022
  mkdir /target
  # What can run must be there before the first package can be installed: unpacked as dpkg does it, scripts not run.
  for deb in "${shared}"/essential/*.deb; do
    dpkg-deb --fsys-tarfile "${deb}" | tar --directory=/target --extract --preserve-permissions --keep-directory-symlink
  done
  mount_target
  # Nothing is to be started, as always where no system runs; dpkg's own folders are in its package.
  printf '#!/bin/sh\nexit 101\n' > /target/usr/sbin/policy-rc.d
  chmod 755 /target/usr/sbin/policy-rc.d
  touch /target/var/lib/dpkg/status
  # The order of the essential packages is no order at all (they need each other), so dpkg must not insist on one.
  chroot /target dpkg --force-depends --install "${shared}"/essential/*.deb
  if [ -n "$(ls "${shared}/rest")" ]; then
    chroot /target dpkg --force-depends --unpack "${shared}"/rest/*.deb
    chroot /target dpkg --configure --pending
  fi
  problems=$(chroot /target dpkg --audit)
  if [ -n "${problems}" ]; then
    echo "dpkg is not content: ${problems}"
    exit 1
  fi
  rm /target/usr/sbin/policy-rc.d
  umount --recursive /target/tmp /target/proc /target/dev
  tar --directory=/target --create --format=posix --xattrs --xattrs-include='*' --sort=name \
    --file="${shared}/target.tar" .
}

"$@"
