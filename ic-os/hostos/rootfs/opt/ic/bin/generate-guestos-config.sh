#!/bin/sh
# Makes what the guest starts from, in /run/guestos: its bootstrap medium, its firmware's variables and the description of its machine.
# At each start anew, out of the configuration of this host; a guest that runs keeps what it has.
#
#   generate-guestos-config.sh             the guest has UEFI and its own boot loader
#   generate-guestos-config.sh --sev-snp   it is launched measured, under SEV-SNP, without either, where this machine can
#
# Exit status 2: not done, and one line says why. Then there is no guestos.xml, and no guest is started.
set -eu
umask 077
export LC_ALL=C

ROOT="${IC_ROOT:-}" # for tests
BIN="${ROOT}/opt/ic/bin"
SHARE="${ROOT}/opt/ic/share"
CONFIG="${ROOT}/boot/config"
OUT="${ROOT}/run/guestos"
STAGE="${OUT}/bootstrap"

# As build-bootstrap-config-image has them: 2025-08-09, and the medium's volume id.
EPOCH=1754697600
VOLUME_ID=1c05e593
MEDIUM_KIB=16384
# What this system needs for itself.
RESERVE_GIB=1
KEY_MAX=65536 # bytes of a file on the medium
PRINTABLE='\n -~'

say() {
    printf 'generate-guestos-config: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 2
}

# A value of the configuration.
get() {
    "${BIN}/host-config.sh" get "$1"
}

# setting FILE KEY VALUE: a line of the medium's, where there is a value.
setting() {
    [ -z "$3" ] || printf '%s=%s\n' "$2" "$3" >> "${STAGE}/$1"
}

write_settings() {
    prefix_length="$(get ipv4_prefix_length)"
    ipv4_address="$(get ipv4_address)"
    setting network.conf ipv6_address "$("${BIN}/deterministic-address.sh" ipv6 guestos)/64"
    setting network.conf ipv6_gateway "$(get ipv6_gateway)"
    setting network.conf name_servers "$(get name_servers)"
    setting network.conf hostname "guest-$(get mgmt_mac | tr -d :)"
    setting network.conf ipv4_address "${ipv4_address:+${ipv4_address}/${prefix_length}}"
    setting network.conf ipv4_gateway "$(get ipv4_gateway)"
    setting network.conf domain "$(get domain)"
    setting nns.conf nns_url "$(get nns_url)"
}

# take FILE NAME: a file of the config volume, under its name on the medium; nothing where there is none.
take() {
    [ -e "${CONFIG}/$1" ] || return 0
    mkdir -p "$(dirname "${STAGE}/$2")"
    head -c "$((KEY_MAX + 1))" "${CONFIG}/$1" > "${STAGE}/$2"
    [ "$(stat -c %s "${STAGE}/$2")" -le "${KEY_MAX}" ] || die "$1 has more than ${KEY_MAX} bytes"
    [ "$(tr -d "${PRINTABLE}" < "${STAGE}/$2" | wc -c)" -eq 0 ] || die "$1 has other characters than printable ASCII"
}

# By the rules of the guest, which refuses a medium as a whole.
check_files() {
    for file in "${STAGE}"/* "${STAGE}"/accounts_ssh_authorized_keys/*; do
        [ -f "${file}" ] || continue
        reason="$(awk -v file="${file##*/}" -f "${SHARE}/settings.awk" -f "${SHARE}/bootstrap-file.awk" "${file}")" ||
            die "the guest would not take its configuration: ${reason}"
    done
}

# What build-bootstrap-config-image makes of the same values: the same members in the same order, to the byte.
make_medium() {
    rm -rf "${STAGE}"
    mkdir "${STAGE}"
    write_settings
    take nns_public_key.pem nns_public_key.pem
    take node_operator_private_key.pem node_operator_private_key.pem
    for account in admin backup readonly; do
        take "ssh_authorized_keys/${account}" "accounts_ssh_authorized_keys/${account}"
    done
    check_files
    find "${STAGE}" -type d -exec chmod 0755 {} +
    find "${STAGE}" -type f ! -name node_operator_private_key.pem -exec chmod 0644 {} +
    (cd "${STAGE}" && tar --create --file=../ic-bootstrap.tar --format=ustar --blocking-factor=1 --sort=name \
        --owner=0 --group=0 --numeric-owner --mtime="@${EPOCH}" -- *)
    rm -f "${OUT}/bootstrap.img"
    mkfs.fat -C -F 16 -n CONFIG -i "${VOLUME_ID}" "${OUT}/bootstrap.img" "${MEDIUM_KIB}" > "${OUT}/mkfs.log" 2>&1 ||
        die "mkfs.fat cannot make the bootstrap medium: $(tail -n 1 "${OUT}/mkfs.log")"
    mcopy -i "${OUT}/bootstrap.img" "${OUT}/ic-bootstrap.tar" ::/ic-bootstrap.tar ||
        die "mcopy cannot fill the bootstrap medium"
    rm -r "${STAGE}" "${OUT}/ic-bootstrap.tar" "${OUT}/mkfs.log"
}

# The device alone says nothing: where the processor has no virtualization extension, opening it can succeed all the same.
has_kvm() {
    grep -q -E "^flags[[:space:]]*:.* (svm|vmx)( |\$)" "${ROOT}/proc/cpuinfo" && [ -c "${ROOT}/dev/kvm" ] && (: <> "${ROOT}/dev/kvm") 2> /dev/null
}

# Sets "type", "cpu", "cpu_features" and "acceleration".
choose_acceleration() {
    type=kvm cpu=host-passthrough cpu_features='' acceleration=kvm
    if [ "$(get cpu)" = qemu ]; then
        reason="deployment.json says so (cpu)"
    elif ! has_kvm; then
        reason="this machine has no usable /dev/kvm; look for SVM in its firmware's settings"
    else
        return 0
    fi
    # What an emulated processor promises is believed, and these cost an emulator more than they give: byte strings, wide registers
    # that are saved at each change of process, more page tables and checks of them. A boot takes a third less without.
    type=qemu cpu=maximum acceleration=emulation
    for feature in erms fsrm avx avx2 mpx la57 smap pku; do
        cpu_features="${cpu_features}<feature policy='disable' name='${feature}'/>"
    done
    say "WARNING: the guest is EMULATED, and many times slower than it should be: ${reason}"
}

# Sets "sev": whether the guest is launched under SEV-SNP.
choose_protection() {
    [ "${sev}" = yes ] || return 0
    if [ "${acceleration}" = kvm ] && [ -c "${ROOT}/dev/sev" ] &&
        grep -q -x '[1Y]' "${ROOT}/sys/module/kvm_amd/parameters/sev_snp" 2> /dev/null; then
        [ -s "${SHARE}/sev-firmware.fd" ] ||
            die "there is no firmware for SEV-SNP in this image: build it with --//ic-os/hostos:sev_firmware"
    else
        sev=no
        say "WARNING: the guest is NOT PROTECTED from this host: this machine has no usable SEV-SNP"
    fi
}

# Sets "memory".
choose_memory() {
    memory="$(get memory)"
    total="$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "${ROOT}/proc/meminfo")"
    [ "$(((memory + RESERVE_GIB) * 1048576))" -le "${total}" ] ||
        die "the guest is to have ${memory} GiB of memory, but this machine has $((total / 1048576)) GiB and needs ${RESERVE_GIB} for itself; change resources.memory in deployment.json"
}

# The same at each start of the same guest, so that it knows its machine again.
make_uuid() {
    printf '%s\n' "guestos ${mac}" | sha256sum |
        sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-8\3-8\4-\5/'
}

# fill: the description of the machine, with values in the place of @NAMES@. Only the command line may have characters that XML takes for its own.
fill() {
    VALUES="NAME=guestos
TYPE=${type}
CPU=${cpu}
CPU_FEATURES=${cpu_features}
MAC=${mac}
MEMORY=${memory}
UUID=$(make_uuid)
VCPUS=${vcpus}
FOLDER=/run/guestos
BLOCK_DEVICE=/dev/hostlvm/guestos
BRIDGE=br6
TAP=guestos
VSOCK_CID=3
CONSOLE_LOG=/var/log/libvirt/qemu/guestos-console.log
SEV_FIRMWARE=${sev_firmware}
COMMAND_LINE=$(printf '%s\n' "${command_line}" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g')" \
        awk -f "${SHARE}/fill-template.awk" "${SHARE}/machine.xml.template"
}

sev=no
[ "$#" -eq 0 ] || sev="$1"
case "$#:${sev}" in
    0:no) ;;
    1:--sev-snp) sev=yes ;;
    *) die "there is no argument '$*'; there is --sev-snp" ;;
esac

running="$(virsh list --name 2>&1)" || die "libvirt does not say which guests run: $(printf '%s' "${running}" | tr '\n' ' ')"
if printf '%s\n' "${running}" | grep -q -x guestos; then
    say "the guest runs already; nothing is changed"
    exit 0
fi

mkdir -p "${OUT}"
chmod 0711 "${OUT}" # QEMU, which is not root, opens files in it
rm -f "${OUT}/guestos.xml" "${OUT}/launch"
"${BIN}/host-config.sh" check || die "no guest is started with such a configuration"
mac="$("${BIN}/deterministic-address.sh" mac guestos)"
vcpus="$(get nr_of_vcpus)"
command_line='' sev_firmware=''
choose_memory
choose_acceleration
choose_protection
make_medium
if [ "${sev}" = yes ]; then
    "${BIN}/take-guest-kernel.sh"
    command_line="$(cat "${OUT}/cmdline")" sev_firmware=/opt/ic/share/sev-firmware.fd
else
    cp "${ROOT}/usr/share/OVMF/OVMF_VARS_4M.fd" "${OUT}/firmware-variables.fd"
fi
printf '%s\n' "acceleration=${acceleration}" "sev_snp=${sev}" > "${OUT}/launch"
fill > "${OUT}/guestos.xml.new"
mv "${OUT}/guestos.xml.new" "${OUT}/guestos.xml"
