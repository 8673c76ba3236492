# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# tests/fs/lib.sh - what the tests on real mounts share.
#
# A test file defines functions test_PROMISE and ends with run_tests. Each of
# them runs in a subshell under `set -e` with a store of its own, mounted at
# $M; what fails first fails the test, and is named. Output is TAP.
#
# From the environment: DERIVA, the program; SYS, the helper beside this file
# (sys.c); PYTHON. Nothing outside $TMPDIR is touched.

set -u
: "${DERIVA:?the deriva program to test}" "${SYS:?the helper sys}"
PYTHON=${PYTHON:-/usr/bin/python3}
[ -x "$PYTHON" ] || PYTHON=$(command -v python3)
export LC_ALL=C.UTF-8
unset CDPATH
# A file that does not want a mounted store before each test says MOUNT=no.
MOUNT=yes
# Seconds after which a test's daemons are killed, so that it ends.
LIMIT=${LIMIT:-120}

# --- the mount -------------------------------------------------------------------

# mount_at STORE DIR [OPTION...]
mount_at()
{
	local store=$1 dir=$2

	shift 2
	"$DERIVA" mount "$@" "$store" "$dir"
	status_of "$dir" pid >>"$T/pids"
}

mount_it()
{
	mount_at "$S" "$M" "$@"
}

umount_it()
{
	"$DERIVA" umount "$M"
}

# A figure of M/.deriva/status.
status_of()
{
	sed -n 's/.*"'"$2"'": *"\{0,1\}\([^",}]*\).*/\1/p' "$1/.deriva/status"
}

status()
{
	status_of "$M" "$1"
}

# dead PID: it has ended, whether or not its parent has taken note. One whose
# first thread is done while another still waits for the disk has not: it holds
# what it has open.
dead()
{
	local tasks

	tasks=$(ls "/proc/$1/task" 2>/dev/null) || return 0
	[ "$tasks" = "$1" ] && grep -q '^State:.Z' "/proc/$1/status"
}

kill_daemon()
{
	local pid

	pid=$(status pid)
	kill -9 "$pid"
	wait_for dead "$pid"
	fusermount3 -uz "$M"
}

# --- what tests do ----------------------------------------------------------------

# recipe PATH: standard input is what $M/PATH.recipe says
recipe()
{
	cat >"$M/$1.recipe"
}

# A line that no other run of a command prints.
UUID='cat /proc/sys/kernel/random/uuid'

# attr NAME PATH: user.deriva.NAME of a file, which is not computed for it
attr()
{
	"$SYS" getxattr "user.deriva.$1" "$2"
}

state()
{
	attr state "$M/$1"
}

# A moment to name as .deriva/at/TIME, surely after what was done before and
# before what is done next.
moment()
{
	sleep 0.05
	date +%FT%T.%N
	sleep 0.05
}

ms()
{
	echo $(($(date +%s%N) / 1000000))
}

# wait_for COMMAND...: until it succeeds, 10 s at most
wait_for()
{
	local i

	for ((i = 0; i < 200; i++)); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.05
	done
	echo "waited in vain for: $*"
	return 1
}

# --- what tests claim ----------------------------------------------------------------

eq()
{
	[ "$1" = "$2" ] && return
	printf 'want %q\ngot  %q\n' "${1:0:500}" "${2:0:500}"
	return 1
}

ne()
{
	[ "$1" != "$2" ] && return
	printf 'both are %q\n' "$1"
	return 1
}

# content WANT PATH: the file below the mount holds just that line
content()
{
	eq "$1" "$(cat "$M/$2")"
}

# not COMMAND...: it fails ("!" alone would not end the test)
not()
{
	if "$@"; then
		echo "succeeded: $*"
		return 1
	fi
}

same()
{
	cmp -- "$1" "$2"
}

# errno NAME SYS-COMMAND...: "ok" or a name such as EPERM
errno()
{
	local want=$1

	shift
	eq "$want" "$("$SYS" "$@")"
}

has()
{
	[[ $2 == *"$1"* ]] && return
	printf 'no %q in:\n%s\n' "$1" "${2:0:2000}"
	return 1
}

lacks()
{
	[[ $2 != *"$1"* ]] && return
	printf '%q stands in:\n%s\n' "$1" "$2"
	return 1
}

at_most()
{
	[ "$2" -le "$1" ] && return
	echo "at most $1 was expected, not $2"
	return 1
}

at_least()
{
	[ "$2" -ge "$1" ] && return
	echo "at least $1 was expected, not $2"
	return 1
}

# refused TEXT COMMAND...: it ends with 1 and says that
refused()
{
	local want=$1 said rc=0

	shift
	said=$("$@" 2>&1 </dev/null) || rc=$?
	eq 1 "$rc" || { echo "$said"; return 1; }
	has "$want" "$said"
}

# --- running --------------------------------------------------------------------------

# Ends whatever the test left, and says so.
tear_down()
{
	local pid m rc=0

	if [ -n "${M-}" ] && mountpoint -q "$M" && ! "$DERIVA" umount "$M"
	then
		rc=1
	fi
	while read -r m; do
		if [[ $m == "$T"/* ]]; then
			echo "still mounted: $m"
			fusermount3 -uz "$m" || umount -l "$m"
			rc=1
		fi
	done < <(cut -d' ' -f5 /proc/self/mountinfo | sort -r)
	while read -r pid; do
		# after the lazy unmount above it ends by itself
		if ! dead "$pid" && sleep 0.3 && ! dead "$pid"; then
			echo "daemon $pid was still there"
			kill -9 "$pid"
			rc=1
		fi
	done < <(sort -u "$T/pids")
	# The leak check says of a thread that ended (or was killed) while it
	# looked that its registers cannot be had: no finding.
	for m in "$T"/sanitizer.*; do
		[ ! -e "$m" ] ||
			! grep -v 'Unable to get registers from thread' "$m" ||
			rc=1
	done
	return "$rc"
}

one_test()
{
	T=$(mktemp -d "${TMPDIR:-/tmp}/fs.XXXXXX") || exit 1
	S=$T/store M=$T/m
	: >"$T/pids"
	export ASAN_OPTIONS=${ASAN_OPTIONS-}:log_path=$T/sanitizer
	export UBSAN_OPTIONS=${UBSAN_OPTIONS-}:log_path=$T/sanitizer
	export TSAN_OPTIONS=${TSAN_OPTIONS-}:log_path=$T/sanitizer
	(
		sleep "$LIMIT" || exit
		echo "the test took longer than $LIMIT s" >>"$T/log"
		xargs -r kill -9 <"$T/pids"
	) >/dev/null 2>&1 &
	local watch=$! rc=0
	(
		set -eE
		trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
		if [ "$MOUNT" = yes ]; then
			mount_it
		fi
		"$1"
	) >"$T/log" 2>&1 </dev/null
	rc=$?
	pkill -P "$watch"
	kill "$watch" 2>/dev/null
	wait "$watch" 2>/dev/null
	tear_down >>"$T/log" 2>&1 || rc=1
	[ "$rc" = 0 ] || sed 's/^/# /' "$T/log"
	chmod -R u+rwX "$T" 2>/dev/null
	rm -rf "$T"
	return "$rc"
}

run_tests()
{
	local name n=0 bad=0 rc only=${1-}

	while read -r name; do
		n=$((n + 1))
		if [ -n "$only" ] && [ "$only" != "$name" ]; then
			echo "ok $n - $name # SKIP not asked for"
			continue
		fi
		# in no condition: there set -e would be without effect
		(one_test "$name")
		rc=$?
		if [ "$rc" = 0 ]; then
			echo "ok $n - ${name#test_}"
		else
			echo "not ok $n - ${name#test_}"
			bad=1
		fi
	done < <(sed -n 's/^\(test_[a-z0-9_]*\)()$/\1/p' "$0")
	echo "1..$n"
	exit "$bad"
}
