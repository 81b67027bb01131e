# shellcheck shell=bash
# Shared by the rig's scripts: messages, the cache folder, the Debian mirror
# and a few probes. Sourced, never run.

# shellcheck disable=SC2034 # used by the scripts
RIG_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Where images and sysroots are kept. Nothing outside it is written.
RIG_CACHE=${RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rig}
# Debian release of the guests. Keep it the same as the build machine's, so
# that programs built there run in the guest.
RIG_SUITE=${RIG_SUITE:-bookworm}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit "${RIG_DIE_STATUS:-125}"; }

# need COMMAND PACKAGE [COMMAND PACKAGE]...: stop unless each one is installed.
need() {
    local missing=()
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null || missing+=("$2")
        shift 2
    done
    [ ${#missing[@]} -eq 0 ] || die "missing Debian packages: ${missing[*]} (./dev lists them)"
}

# The guests' apt sources, as one-line entries: RIG_SOURCES if it is set (a
# file), else the Debian sources that this machine itself uses, so that a
# local mirror or snapshot configured here is used for the guests too.
apt_sources() {
    if [ -n "${RIG_SOURCES:-}" ]; then
        cat "$RIG_SOURCES"
        return
    fi
    # shellcheck disable=SC2016 # apt expands these
    apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
        --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
        awk -v suite="$RIG_SUITE" '
            $2 ~ "^" suite "(-updates|-security)?$" { print "deb", $1, $2, $3 }' |
        sort -u
}

# Folder name part that changes whenever one of the given strings or files does.
fingerprint() {
    local arg
    for arg; do
        if [ -f "$arg" ]; then cat "$arg"; else printf '%s\n' "$arg"; fi
    done | sha256sum | cut -c1-12
}

# Let this kernel run arm64 programs (chroots, package scripts) through
# qemu-user-static. The F flag opens the interpreter now, so that it also
# works inside a chroot that lacks it. Needs root.
enable_arm64_binfmt() {
    local reg=/proc/sys/fs/binfmt_misc
    [ -e $reg/register ] || mount -t binfmt_misc binfmt_misc $reg 2>/dev/null ||
        die "cannot mount binfmt_misc (root and CONFIG_BINFMT_MISC are needed)"
    [ -e $reg/qemu-aarch64 ] ||
        cat /usr/lib/binfmt.d/qemu-aarch64.conf >$reg/register ||
        die "cannot register qemu-aarch64 with binfmt_misc"
}

# kvm_works: true if this machine can run a Debian kernel with KVM. In a VM
# /dev/kvm may be there without the processor's help; it then starts VMs, but
# runs an ordinary kernel slower than no KVM would.
kvm_works() {
    [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo &&
        timeout 10 qemu-system-x86_64 -accel kvm -machine none -nodefaults \
            -display none -monitor stdio <<<quit >/dev/null 2>&1
}
