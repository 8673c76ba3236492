#!/bin/bash
# On a disk without room for one more block nothing is acknowledged that is not
# kept: names, too, are refused with ENOSPC and never vanish again.
#
# Needs root, to give the store a small file system of its own.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

# The disk is full for reasons that have nothing to do with the store.
filled_disk()
{
	mkdir "$T/disk"
	mount -t tmpfs -o size=40M none "$T/disk"
	S=$T/disk/store
	mount_it
	echo kept >"$M/kept"
	exec 7>"$M/open"
	echo one >&7
	sync "$M/open"
	dd if=/dev/zero of="$T/disk/filler" bs=64k 2>/dev/null ||:
}

end_disk()
{
	umount_it
	umount "$T/disk"
}

test_what_is_acknowledged_is_there_afterwards()
{
	local i acked=()

	filled_disk
	for ((i = 0; i < 40; i++)); do
		if echo "$i" >"$M/f$i"; then
			acked+=("$i")
		fi 2>>"$T/said"
		if mkdir "$M/d$i"; then
			acked+=("d$i")
		fi 2>>"$T/said"
	done
	exec 7>&-
	sleep 0.2
	rm "$T/disk/filler"
	umount_it
	mount_it
	echo "${#acked[@]} acknowledged"
	for i in "${acked[@]}"; do
		if [[ $i == d* ]]; then
			[ -d "$M/$i" ]
		else
			content "$i" "f$i"
		fi
	done
	content kept kept
	end_disk
}

test_an_open_file_goes_on_when_there_is_room_again()
{
	filled_disk
	echo two >&7 ||:
	sync "$M/open" ||:
	rm "$T/disk/filler"
	sleep 0.3
	echo three >&7
	sync "$M/open"
	exec 7>&-
	eq one "$(head -1 "$M/open")"
	eq three "$(tail -1 "$M/open")"
	echo again >"$M/again"
	umount_it
	mount_it
	content again again
	eq three "$(tail -1 "$M/open")"
	end_disk
}

run_tests "$@"
