#!/bin/bash
# A daemon as it is released, and a disk that fails, or loses its power: every
# call that writes is watched by a library that is loaded before the C library
# (tests/lib/disk.h). POWER_CUTS and FAULTS make it longer.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

MOUNT=no
: "${DISK:?the library that watches}" "${REPLAY:?the program replay}"
CLIENT=$(dirname "$0")/power.py
ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0

# watched COMMAND...: what it writes below $T/disk is watched
watched()
{
	mkdir -p "$T/disk"
	S=$T/disk/store
	LD_PRELOAD=$DISK DISK_ROOT=$T/disk "$@"
}

# Mounts the store as it is, alone and unwatched, and checks it.
check_store()
{
	local said

	S=$1
	shift
	said=$("$DERIVA" fsck --store "$S" 2>&1) || { echo "$said"; return 1; }
	mount_it
	"$PYTHON" "$CLIENT" check "$M" "$@"
	echo more >"$M/more"
	content more more
	umount_it
	said=$("$DERIVA" fsck --store "$S" 2>&1) || { echo "$said"; return 1; }
}

test_power_cut_on_a_mount()
{
	local n i at when

	DISK_LOG=$T/writes watched mount_it
	"$PYTHON" "$CLIENT" write "$M" 150 "$T/acks"
	umount_it
	n=$("$REPLAY" "$T/writes")
	echo "$n records"
	at_least 500 "$n"
	for ((i = 1; i <= ${POWER_CUTS:-15}; i++)); do
		at=$((n / 10 + RANDOM * 32768 % (n * 9 / 10) + RANDOM % 100))
		[ "$at" -le "$n" ] || at=$n
		when=$("$REPLAY" "$T/writes" "$at" "$i" "$T/cut")
		echo "cut $at, seed $i"
		if [ ! -e "$T/cut/store/format" ]; then
			not grep -q fsync <(awk -v t="$when" '$3 <= t' \
				"$T/acks")
		else
			check_store "$T/cut/store" "$T/acks" "$when"
		fi
		rm -rf "$T/cut"
	done
}

# one_fault N HOW
one_fault()
{
	echo "fault $1 $2"
	: >"$T/acks"
	rm -rf "$T/disk"
	if DISK_FAIL="$1 $2" watched mount_it; then
		"$PYTHON" "$CLIENT" write "$M" 40 "$T/acks"
		umount_it || not mountpoint -q "$M"
		# what the umount left may still be ending
		wait_for_nobody
	fi
	[ -e "$S/format" ] || return 0
	check_store "$S" "$T/acks"
}

wait_for_nobody()
{
	local pid

	while read -r pid; do
		wait_for dead "$pid"
	done < <(sort -u "$T/pids")
}

some_faults()
{
	local i

	for ((i = 0; i < ${FAULTS:-4}; i++)); do
		one_fault $((RANDOM % $2 + 1)) "$1"
	done
}

test_an_error_of_the_disk()
{
	some_faults EIO 600
}

test_half_a_write()
{
	some_faults torn 600
}

test_a_full_disk_for_a_moment()
{
	some_faults ENOSPC 600
}

test_a_sync_that_fails()
{
	some_faults nosync 60
}

test_a_disk_that_is_gone()
{
	some_faults dead 600
}

test_killed_at_a_call()
{
	some_faults kill 600
}

run_tests "$@"
