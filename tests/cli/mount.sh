#!/bin/bash
# Mounting and unmounting go wrong in ordinary ways: somebody is still in there,
# the daemon was killed, the directory is another one. Each time the command has
# to say who or what it is, and to leave nothing behind.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"

busy()
{
	refused "$1" "$DERIVA" umount "$M"
	mountpoint -q "$M"
}

test_mount_keeps_a_log_beside_the_store()
{
	[ -f "$S/log" ]
	eq 600 "$(stat -c %a "$S/log")"
	umount_it
	head -c 2000000 /dev/zero >"$S/log"
	mount_it
	eq 2000000 "$(stat -c %s "$S/log.1")"
	at_most 100000 "$(stat -c %s "$S/log")"
}

test_mount_refused_changes_nothing()
{
	umount_it
	rm "$S/log"
	mkdir "$T/full"
	echo x >"$T/full/x"
	cp -a "$S" "$T/copy"
	refused "$T/full" "$DERIVA" mount "$S" "$T/full"
	[ ! -e "$S/log" ]
}

test_umount_by_other_names()
{
	ln -s m "$T/link"
	"$DERIVA" umount "$T/link"
	not mountpoint -q "$M"
	mount_it
	cd "$T" || return
	"$DERIVA" umount ./m/
	not mountpoint -q "$M"
	mount_it
}

test_umount_names_who_has_a_file_open()
{
	echo x >"$M/f"
	exec 5<"$M/f"
	busy "$(cat "/proc/$BASHPID/comm") (pid $BASHPID) has $M/f open"
	exec 5<&-
}

test_umount_names_who_works_there()
{
	local pid

	mkdir "$M/d"
	env -C "$M/d" sleep 60 &
	pid=$!
	wait_for grep -q sleep "/proc/$pid/comm"
	busy "sleep (pid $pid) works in $M/d"
	kill "$pid"
	wait "$pid" || true
}

test_umount_names_who_runs_or_maps_something()
{
	local pid

	cp "$(command -v sleep)" "$M/mysleep"
	"$M/mysleep" 60 &
	pid=$!
	sleep 0.2
	busy "(pid $pid) runs $M/mysleep"
	kill "$pid"
	wait "$pid" || true
	head -c 5000 /dev/zero >"$M/f"
	"$PYTHON" -c '
import mmap, sys, time
f = open(sys.argv[1], "rb")
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
f.close()
m.madvise(mmap.MADV_NORMAL)
print("ready", flush=True)
time.sleep(60)' "$M/f" >"$T/said" &
	pid=$!
	wait_for test -s "$T/said"
	busy "(pid $pid) has $M/f"
	kill "$pid"
	wait "$pid" || true
}

test_umount_names_a_mount_inside()
{
	[ "$(id -u)" = 0 ] || return 0
	mkdir "$M/d"
	mount -t tmpfs none "$M/d"
	busy "$M/d"
	umount "$M/d"
}

test_umount_of_a_place_inside()
{
	mkdir "$M/d"
	refused "lies in the Deriva mount $M" "$DERIVA" umount "$M/d"
}

test_umount_lazily_while_a_file_is_open()
{
	local pid

	pid=$(status pid)
	echo kept >"$M/f"
	exec 5<"$M/f"
	"$DERIVA" umount -l "$M"
	not mountpoint -q "$M"
	eq kept "$(cat <&5)"
	exec 5<&-
	wait_for test ! -d "/proc/$pid"
	mount_it
	content kept f
}

test_a_dead_mount_is_cleared_away_by_umount()
{
	local pid

	pid=$(status pid)
	kill -9 "$pid"
	wait_for test ! -d "/proc/$pid"
	has "lost its daemon" "$("$DERIVA" umount "$M" 2>&1)"
	not mountpoint -q "$M"
	[ -d "$M" ]
}

test_a_dead_mount_is_cleared_away_by_mount()
{
	local pid

	pid=$(status pid)
	echo x >"$M/f"
	sleep 0.1
	kill -9 "$pid"
	wait_for test ! -d "/proc/$pid"
	has "lost its daemon" "$("$DERIVA" mount "$S" "$M" 2>&1)"
	status pid >>"$T/pids"
	content x f
	eq 1 "$(grep -c " $M " /proc/self/mountinfo)"
}

test_commands_on_a_dead_mount_say_so()
{
	local pid

	pid=$(status pid)
	kill -9 "$pid"
	wait_for test ! -d "/proc/$pid"
	refused "$M" timeout 10 "$DERIVA" status "$M/f"
	refused "$M" timeout 10 "$DERIVA" build "$M"
	refused "$M" timeout 10 "$DERIVA" why "$M/f"
	"$DERIVA" umount "$M"
}

test_umount_names_who_has_it_in_another_namespace()
{
	local pid said rc=0

	unshare -rm sleep 60 &
	pid=$!
	wait_for grep -qx sleep "/proc/$pid/comm"
	said=$("$DERIVA" umount "$M" 2>&1) || rc=$?
	kill "$pid"
	wait "$pid" || true
	eq 1 "$rc"
	has "sleep (pid $pid)" "$said"
	not mountpoint -q "$M"
	wait_for dead "$(tail -1 "$T/pids")"
	mount_it
}

run_tests "$@"
