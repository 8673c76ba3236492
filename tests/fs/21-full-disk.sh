#!/bin/bash
# A full disk is an ordinary day: who writes gets ENOSPC, what was there before
# stays, and with room again everything goes on.
#
# Needs root, to give the store a small file system of its own.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

small_disk()
{
	mkdir "$T/disk"
	mount -t tmpfs -o "size=$1" none "$T/disk"
	S=$T/disk/store
	mount_it
}

end_disk()
{
	umount_it
	umount "$T/disk"
}

test_enospc_and_nothing_lost()
{
	local i rc=0

	small_disk 32M
	"$SYS" noise 4 1 >"$T/kept"
	cp "$T/kept" "$M/kept"
	sync "$M/kept"
	# fill it up
	"$SYS" noise 64 2 >"$T/big"
	cp "$T/big" "$M/big" 2>"$T/said" || rc=$?
	ne 0 "$rc"
	grep -i 'no space' "$T/said"
	same "$T/kept" "$M/kept"
	rm -f "$M/big"
	mount -o remount,size=200M "$T/disk"
	cp "$T/big" "$M/big"
	same "$T/big" "$M/big"
	umount_it
	mount_it
	same "$T/kept" "$M/kept"
	same "$T/big" "$M/big"
	end_disk
}

# What could not be kept is gone for everybody: no page of it, and not its size,
# is left over in the kernel, between those of the version that stays.
test_what_did_not_fit_is_not_half_seen()
{
	local free

	small_disk 96M
	"$SYS" noise 9 1 >"$T/old"
	"$SYS" noise 20 2 >"$T/new"
	cp "$T/old" "$M/f"
	sync "$M/f"
	free=$(stat -f -c '%a * %S' "$T/disk")
	fallocate -l $((free - (40 << 20))) "$T/disk/other"
	if dd if="$T/new" of="$M/f" bs=1M conv=notrunc 2>"$T/said"; then
		echo 'it fitted, which it cannot'
		return 1
	fi
	grep -i 'no space' "$T/said"
	wait_for cmp -s "$T/old" "$M/f"
	rm "$T/disk/other"
	cp "$T/new" "$M/f"
	same "$T/new" "$M/f"
	umount_it
	mount_it
	same "$T/new" "$M/f"
	end_disk
}

# Who closes a large file is answered before it is taken in: when somebody else
# takes the room meanwhile it waits for room, and can be read.
test_closed_files_wait_for_room()
{
	local i

	small_disk 310M
	for i in 1 2 3 4 5 6; do
		"$SYS" noise 20 "$i" >"$T/f$i"
	done
	for i in 1 2 3 4 5 6; do
		cp "$T/f$i" "$M/f$i"
	done
	cat /dev/zero >"$T/disk/other" 2>/dev/null || true
	truncate -s -8M "$T/disk/other"
	for i in 1 2 3 4 5 6; do
		same "$T/f$i" "$M/f$i"
	done
	wait_for rm "$M/f6" # what is being taken in may fill the disk for a moment
	sleep 0.7
	for i in 1 2 3 4 5; do
		same "$T/f$i" "$M/f$i"
	done
	rm "$T/disk/other"
	umount_it
	"$DERIVA" fsck --store "$S"
	mount_it
	for i in 1 2 3 4 5; do
		same "$T/f$i" "$M/f$i"
	done
	end_disk
}

test_many_small_files_until_it_is_full()
{
	local i n=0

	small_disk 8M
	mkdir "$M/d"
	for ((i = 0; i < 400; i++)); do
		head -c 60000 /dev/urandom >"$T/f"
		cp "$T/f" "$M/d/f$i" 2>/dev/null || break
		sync "$M/d/f$i" 2>/dev/null || break
		b3sum --no-names "$T/f" >>"$T/sums"
		n=$((n + 1))
	done
	echo "$n files fitted"
	at_least 20 "$n"
	at_most 399 "$n"
	for ((i = 0; i < n; i++)); do
		b3sum --no-names "$M/d/f$i"
	done >"$T/got"
	same "$T/sums" "$T/got"
	kill_daemon
	mount -o remount,size=64M "$T/disk"
	mount_it
	for ((i = 0; i < n; i++)); do
		b3sum --no-names "$M/d/f$i"
	done >"$T/got"
	same "$T/sums" "$T/got"
	echo works >"$M/again"
	content works again
	end_disk
}

test_an_output_that_does_not_fit()
{
	small_disk 24M
	echo x >"$M/x"
	recipe d <<'END'
in: []
run: head -c 100M /dev/urandom
END
	ne ok "$("$SYS" open r "$M/d")"
	has d.recipe "$(attr error "$M/d")"
	content x x
	eq 0 "$(status results)"
	echo y >"$M/y"
	content y y
	mount -o remount,size=400M "$T/disk"
	"$DERIVA" retry "$M/d" || true
	eq 104857600 "$(stat -c %s "$M/d")"
	end_disk
}

# Nor is one that nobody can write to a damaged store.
test_a_disk_that_is_read_only_is_what_is_wrong()
{
	small_disk 48M
	echo x >"$M/x"
	umount_it
	mount -o remount,ro "$T/disk"
	refused "Read-only" "$DERIVA" mount "$S" "$M"
	refused "disk writable" "$DERIVA" log --store "$S" x
	refused "disk writable" "$DERIVA" status --store "$S"
	mount -o remount,rw "$T/disk"
	mount_it
	content x x
	end_disk
}

test_a_command_that_fills_the_scratch()
{
	small_disk 48M
	echo x >"$M/x"
	recipe d <<'END'
in: []
timeout: 60s
run: cat /dev/zero >"$out"
END
	ne ok "$("$SYS" open r "$M/d")"
	has d.recipe "$(attr error "$M/d")"
	# what it had written is gone again
	wait_for room_for 20000
	content x x
	echo y >"$M/y"
	content y y
	end_disk
}

room_for()
{
	[ "$(df -k --output=avail "$T/disk" | tail -1)" -ge "$1" ]
}

test_a_mount_of_a_store_on_a_full_disk()
{
	small_disk 16M
	echo x >"$M/x"
	umount_it
	head -c 100M /dev/zero >"$T/disk/filler" 2>/dev/null || true
	# either it can be read, or the reason is named
	if "$DERIVA" mount "$S" "$M" 2>"$T/said"; then
		status pid >>"$T/pids"
		content x x
		umount_it
	else
		grep -i 'no space' "$T/said"
	fi
	rm "$T/disk/filler"
	mount_it
	content x x
	end_disk
}

run_tests "$@"
