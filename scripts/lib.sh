# shellcheck shell=bash
# scripts/lib.sh - what the scripts share: packages, the build, /dev/fuse.
#
# Sourced, never run. Nothing here asks a question: what is missing is
# installed where that needs no question, and named with one command where it
# does not.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT

# Tools are looked for where a root shell has them, too.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s\n' "$*" >&2
	exit 1
}

# --- packages ----------------------------------------------------------------

# Debian's names. What is needed to build and to run is needed by everybody;
# the rest only by those who run the tests or the benchmarks.
# shellcheck disable=SC2034 # used by those who source this
{
BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config libfuse3-dev \
libsqlite3-dev libzstd-dev zlib1g-dev liblzma-dev libpcre2-dev \
libarchive-dev libyaml-dev libsodium-dev libseccomp-dev check scdoc"
RUN_PACKAGES="fuse3 bubblewrap"
TEST_PACKAGES="b3sum rsync acl attr python3 git zip unzip jq xz-utils zstd clang-format shellcheck \
valgrind vim-tiny util-linux procps"
BENCH_PACKAGES="python3 ccache util-linux"
}

# What the same things are called elsewhere: how to see whether it is there (a
# program, or for pkg-config a name that ends in .pc), Debian's, Fedora's and
# Arch's name.
ELSEWHERE="gcc gcc gcc gcc
meson meson meson meson
ninja ninja-build ninja-build ninja
pkg-config pkg-config pkgconf pkgconf
scdoc scdoc scdoc scdoc
fuse3.pc libfuse3-dev fuse3-devel fuse3
sqlite3.pc libsqlite3-dev sqlite-devel sqlite
libzstd.pc libzstd-dev libzstd-devel zstd
zlib.pc zlib1g-dev zlib-devel zlib
liblzma.pc liblzma-dev xz-devel xz
libpcre2-8.pc libpcre2-dev pcre2-devel pcre2
libarchive.pc libarchive-dev libarchive-devel libarchive
yaml-0.1.pc libyaml-dev libyaml-devel libyaml
libsodium.pc libsodium-dev libsodium-devel libsodium
libseccomp.pc libseccomp-dev libseccomp-devel libseccomp
libblake3.pc libzstd-dev blake3-devel libblake3
check.pc check check-devel check
fusermount3 fuse3 fuse3 fuse3
bwrap bubblewrap bubblewrap bubblewrap
b3sum b3sum b3sum b3sum
rsync rsync rsync rsync
getfacl acl acl acl
getfattr attr attr attr
python3 python3 python3 python
git git git git
zip zip zip zip
unzip unzip unzip unzip
jq jq jq jq
xz xz-utils xz xz
zstd zstd zstd zstd
clang-format clang-format clang-tools-extra clang
shellcheck shellcheck ShellCheck shellcheck
valgrind valgrind valgrind valgrind
vim vim-tiny vim-enhanced vim
ccache ccache ccache ccache
taskset util-linux util-linux util-linux
pgrep procps procps-ng procps-ng"

installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# BLAKE3 for C: its own package from Debian 13 on; on Debian 12 the sources
# that the package of the Rust crate brings along.
blake3_package()
{
	if installed libblake3-dev || installed librust-blake3-dev; then
		return
	fi
	if apt-cache show libblake3-dev >/dev/null 2>&1; then
		echo libblake3-dev
	else
		echo librust-blake3-dev
	fi
}

have_lists()
{
	compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null
}

# apt_get ARG...: as root, or through sudo when that needs no password.
apt_get()
{
	local as=()

	[ "$(id -u)" = 0 ] || as=(sudo -n)
	"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=120 "$@" </dev/null
}

may_install()
{
	[ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

need_debian()
{
	local missing=() lists='' p

	for p in "$@"; do
		installed "$p" || missing+=("$p")
	done
	if [ ${#missing[@]} != 0 ] && ! have_lists && may_install; then
		apt_get update || die "apt-get update failed, see above"
	fi
	if ! installed libblake3-dev && ! installed librust-blake3-dev; then
		missing+=("$(blake3_package)")
	fi
	[ ${#missing[@]} != 0 ] || return 0
	if ! may_install; then
		say "Packages are missing. As root, or with sudo:" >&2
		say >&2
		have_lists || lists="apt-get update && "
		say "    ${lists}apt-get install ${missing[*]}" >&2
		exit 1
	fi
	say "Installing ${missing[*]}"
	if ! apt_get install --no-install-recommends "${missing[@]}" \
		>/dev/null; then
		# Lists that are older than the archive name files that are
		# no longer there.
		apt_get update || die "apt-get update failed, see above"
		apt_get install --no-install-recommends "${missing[@]}" \
			>/dev/null || die "apt-get install failed, see above"
	fi
}

# need_elsewhere FIELD COMMAND NAME...: FIELD of the table above, COMMAND that
# installs.
need_elsewhere()
{
	local field=$1 install=$2 row missing=()

	shift 2
	while read -r -a row; do
		[[ " $* " == *" ${row[1]} "* ]] || continue
		case ${row[0]} in
		*.pc)
			pkg-config --exists "${row[0]%.pc}" 2>/dev/null &&
				continue
			;;
		*)
			command -v "${row[0]}" >/dev/null && continue
			;;
		esac
		missing+=("${row[field]}")
	done <<<"$ELSEWHERE"
	[ ${#missing[@]} != 0 ] || return 0
	say "Packages are missing. As root, or with sudo:" >&2
	say >&2
	say "    $install $(printf '%s\n' "${missing[@]}" | sort -u | xargs)" >&2
	exit 1
}

# need_packages NAME...: Debian's names; returns when all are there.
need_packages()
{
	if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null
	then
		need_debian "$@"
	elif command -v dnf >/dev/null; then
		need_elsewhere 2 "dnf install" "$@"
	elif command -v pacman >/dev/null; then
		need_elsewhere 3 "pacman -S --needed" "$@"
	else
		say "Neither apt-get, dnf nor pacman is here; taking for" \
			"granted that what Debian calls" "$@" "is installed."
	fi
}

# --- the machine --------------------------------------------------------------

# Says what is wrong with /dev/fuse and how to mend it, and ends.
need_fuse()
{
	[ -e /dev/fuse ] || die "/dev/fuse does not exist: as root,
    modprobe fuse
(in a container, start it with --device /dev/fuse --cap-add SYS_ADMIN)"
	# Opening it changes nothing as long as nothing is mounted with it.
	(exec 9<>/dev/fuse) 2>/dev/null ||
		die "/dev/fuse cannot be opened by $(id -un): as root,
    chmod 666 /dev/fuse
(what udev gives it on an ordinary machine; in a container as root, start it
with --device /dev/fuse --cap-add SYS_ADMIN)"
}

# The interpreter itself, not a shim of a version manager in front of it.
find_python()
{
	if [ -x /usr/bin/python3 ]; then
		echo /usr/bin/python3
	else
		command -v python3 || die "python3 is missing"
	fi
}

# --- the build ------------------------------------------------------------------

# build DIR OPTION...: configures the first time, builds; says nothing while
# all is well.
build()
{
	local dir=$1 log

	shift
	log=$(mktemp)
	if [ ! -f "$dir/build.ninja" ]; then
		if ! meson setup "$dir" "$ROOT" "$@" >"$log" 2>&1; then
			cat "$log" >&2
			rm -rf "$log" "$dir"
			die "meson setup $dir failed, see above"
		fi
	elif ! meson configure "$dir" "$@" >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "meson configure $dir failed, see above"
	fi
	if ! ninja -C "$dir" >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "the build in $dir failed, see above"
	fi
	rm -f "$log"
}
