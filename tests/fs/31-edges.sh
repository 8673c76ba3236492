#!/bin/bash
# Small promises at the edges: who leaves a listing, what control files refuse,
# what a sparse file costs, a mount that another one follows at once.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

none_running()
{
	[ "$(status running) $(status waiting)" = "0 0" ]
}

# left COMMAND...: killed while it waits, it leaves no computation behind
left()
{
	local i

	for i in 1 2 3 4 5 6; do
		echo "{in: [], run: 'sleep 100; : $i'}" >"$M/f$i.recipe"
	done
	"$@" >/dev/null 2>&1 &
	wait_for grep -q f1 "$M/.deriva/jobs"
	kill -9 $!
	wait_for none_running
}

test_whoever_leaves_a_listing_stops_what_it_began()
{
	left ls -l "$M"
}

test_whoever_leaves_find_stops_what_it_began()
{
	left find "$M" -size +3
}

test_control_files_keep_their_attributes()
{
	not chmod 777 "$M/.deriva" 2>"$T/said"
	has "not permitted" "$(cat "$T/said")"
	not touch -d yesterday "$M/.deriva/status" 2>"$T/said"
	has "not permitted" "$(cat "$T/said")"
	not grep -q "Invalid argument" "$S/log"
}

test_holes_take_no_blocks()
{
	truncate -s 1T "$M/sparse"
	echo end >>"$M/sparse"
	at_most 64 "$(du -k "$M/sparse" | cut -f1)"
	timeout 10 cp "$M/sparse" "$M/copy"
	eq end "$(tail -c 4 "$M/copy")"
	at_most 64 "$(du -k "$M/copy" | cut -f1)"
}

unmounted()
{
	! mountpoint -q "$M"
}

test_mounted_again_at_once_after_fusermount_and_sigterm()
{
	local i

	for i in 1 2 3 4 5 6; do
		head -c 300000 /dev/urandom >"$T/w$i"
		cp "$T/w$i" "$M/w$i"
		if [ $((i % 2)) = 0 ]; then
			fusermount3 -u "$M"
		else
			kill -TERM "$(status pid)"
			wait_for unmounted
		fi
		mount_it
	done
	for i in 1 2 3 4 5 6; do
		same "$T/w$i" "$M/w$i"
	done
}

run_tests "$@"
