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

client()
{
	"$PYTHON" "$CLIENT" "$@"
}

fsck_clean()
{
	local said

	said=$("$DERIVA" fsck --store "$S" 2>&1) || { echo "$said"; return 1; }
}

# check_store STORE COMMAND...: mounts it as it is, alone and unwatched, with
# the options in ON, and lets the client check it
ON=()
check_store()
{
	S=$1
	shift
	fsck_clean
	mount_it "${ON[@]}"
	client "$@"
	echo more >"$M/more"
	content more more
	umount_it
	fsck_clean
}

# a_cut N: makes $T/cut as the power leaves it before a record of the later nine
# tenths, or of those behind FROM; sets `when`
a_cut()
{
	local n=$1 from=${2:-$(($1 / 10))} at

	at=$((from + RANDOM * 32768 % (n - from) + RANDOM % 100))
	[ "$at" -le "$n" ] || at=$n
	rm -rf "$T/cut"
	seed=$((RANDOM + 1))
	when=$("$REPLAY" "$T/writes" "$at" "$seed" "$T/cut")
	echo "cut $at, seed $seed"
}

# What the packs alone say is the same, also when changes were undone.
check_rebuilt()
{
	local before after

	mount_it
	before=$(cd "$M" && sha256sum f*)
	umount_it
	rm "$S"/deriva.db*
	"$DERIVA" fsck --repair --store "$S"
	mount_it
	after=$(cd "$M" && sha256sum f*)
	eq "$before" "$after"
	umount_it
	fsck_clean
}

test_power_cut_on_a_mount()
{
	local n i when

	DISK_LOG=$T/writes watched mount_it
	client write "$M" 150 "$T/acks"
	umount_it
	n=$("$REPLAY" "$T/writes")
	echo "$n records"
	at_least 500 "$n"
	for ((i = 1; i <= ${POWER_CUTS:-15}; i++)); do
		a_cut "$n"
		if [ ! -e "$T/cut/store/format" ]; then
			not grep -q fsync <(awk -v t="$when" '$4 <= t' \
				"$T/acks")
			continue
		fi
		check_store "$T/cut/store" check "$M" "$T/acks" "$when"
		[ $((i % 5)) != 1 ] || check_rebuilt
	done
}

test_power_cut_on_a_branch()
{
	local n i when from

	DISK_LOG=$T/writes watched mount_it
	"$DERIVA" branch work "$M"
	umount_it
	from=$("$REPLAY" "$T/writes")
	ON=(-o branch=work)
	DISK_LOG=$T/writes watched mount_it "${ON[@]}"
	client write "$M" 100 "$T/acks"
	umount_it
	n=$("$REPLAY" "$T/writes")
	for ((i = 1; i <= ${POWER_CUTS:-8}; i++)); do
		a_cut "$n" "$from"
		check_store "$T/cut/store" check "$M" "$T/acks" "$when"
	done
	ON=()
}

# without any fsync; files that are sealed when they are closed and taken in
# later among them
test_power_cut_loses_at_most_the_last_second()
{
	local n i when aged=0

	DISK_LOG=$T/writes watched mount_it
	client write "$M" 64 "$T/acks" slow large
	umount_it
	n=$("$REPLAY" "$T/writes")
	for ((i = 1; i <= ${POWER_CUTS:-6}; i++)); do
		a_cut "$n" $((n / 2))
		aged=$((aged + $(client ages "$T/acks" "$when")))
		check_store "$T/cut/store" check "$M" "$T/acks" "$when"
	done
	echo "$aged were over a second before"
	at_least 1 "$aged"
}

test_power_cut_while_large_files_are_taken_in()
{
	local n i when

	DISK_LOG=$T/writes watched mount_it
	client write "$M" 40 "$T/acks" large
	umount_it
	n=$("$REPLAY" "$T/writes")
	for ((i = 1; i <= ${POWER_CUTS:-5}; i++)); do
		a_cut "$n"
		check_store "$T/cut/store" check "$M" "$T/acks" "$when"
	done
}

# two mounts of one store, names that are used again, and gc all the time
test_power_cut_while_others_write_and_collect()
{
	local n i when

	mkdir -p "$T/m2"
	DISK_LOG=$T/writes watched mount_it -o retention="last 1"
	DISK_LOG=$T/writes watched mount_at "$S" "$T/m2"
	mkdir "$M/a" "$M/b"
	sync "$M/b"
	client write "$M/a" 80 "$T/acks.a" names=7 &
	client write "$T/m2/b" 80 "$T/acks.b" names=5 to=1000 &
	while [ -n "$(jobs -rp)" ]; do
		DISK_LOG=$T/writes watched "$DERIVA" gc --store "$S"
	done
	wait
	"$DERIVA" umount "$T/m2"
	umount_it
	n=$("$REPLAY" "$T/writes")
	for ((i = 1; i <= ${POWER_CUTS:-6}; i++)); do
		a_cut "$n" $((n / 4))
		check_store "$T/cut/store" moment "$when" "$M/a" "$T/acks.a" \
			"$M/b" "$T/acks.b"
	done
}

# one_fault N HOW
one_fault()
{
	local all=

	echo "fault $1 $2"
	: >"$T/acks"
	rm -rf "$T/disk"
	if DISK_FAIL="$1 $2" watched mount_it; then
		client write "$M" 30 "$T/acks" large
		# of a dead daemon it only clears the mount away
		if umount_it; then
			[ "$2" = kill ] || all=end
		else
			not mountpoint -q "$M"
		fi
		# what the umount left may still be ending
		wait_for_nobody
	fi
	[ -e "$S/format" ] || return 0
	# who was told by nobody that anything is lost finds all
	check_store "$S" check "$M" "$T/acks" ${all:+"$all"}
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
