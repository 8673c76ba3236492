#!/bin/bash
# kill -9 of the daemon, at any moment: what was closed more than 20 ms before is
# there after the next mount, the rest is a prefix of what happened, and the
# store opens by itself.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

killed_while_writing()
{
	local pid killed writer last

	pid=$(status pid)
	mkdir "$M/w"
	"$SYS" writer "$M/w" 1000000 >"$T/written" 2>/dev/null &
	writer=$!
	wait_for test -s "$T/written"
	sleep "$1"
	killed=$("$SYS" kill "$pid")
	wait "$writer" || true
	fusermount3 -uz "$M"
	mount_it
	# the last file whose close had returned 20 ms before the end
	last=$(awk -v t="$killed" '$2 < t - 20000000 { n = $1 } END {
		print n + 0 }' "$T/written")
	echo "written $(wc -l <"$T/written"), promised $last"
	at_least 1 "$last"
	"$PYTHON" - "$M/w" "$last" <<'END'
import os, sys
path, promised = sys.argv[1], int(sys.argv[2])
n = 0
while os.path.exists(f"{path}/f{n + 1}"):
    n += 1
    text = open(f"{path}/f{n}").read()
    # the very last may have been created and not closed yet
    whole = text == f"{n}\n"
    assert whole or (text == "" and n > promised), (n, text)
assert n >= promised, (n, promised)
assert len(os.listdir(path)) == n, "not a prefix of what happened"
END
}

test_during_writes()
{
	killed_while_writing 0.5
}

test_again_and_again()
{
	local i

	for i in 0.1 0.2 0.05 0.3; do
		killed_while_writing "$i"
		rm -r "$M/w"
	done
}

test_during_a_computation()
{
	echo 1 >"$M/in"
	recipe d <<END
in: [in]
run: echo begun; sleep 2; cat in
END
	sleep 0.05
	cat "$M/d" >"$T/got" 2>/dev/null &
	sleep 0.5
	eq 1 "$(status running)"
	kill_daemon
	wait $! || true
	eq "" "$(cat "$T/got")"
	# its sandbox goes with it
	wait_for nothing_sleeps
	mount_it
	eq 0 "$(status results)"
	eq 0 "$(status failures)"
	sed -i 's/sleep 2; //' "$M/d.recipe"
	eq $'begun\n1' "$(cat "$M/d")"
	umount_it
	eq "" "$(find "$S/drafts" -mindepth 1 2>/dev/null)"
}

nothing_sleeps()
{
	not pgrep -x -f 'sleep 2'
}

test_results_of_before_are_kept()
{
	echo 1 >"$M/in"
	recipe d <<END
in: [in]
run: cat in; $UUID
END
	cat "$M/d" >"$T/one"
	sleep 0.1
	kill_daemon
	mount_it
	same "$T/one" "$M/d"
}

test_a_large_file_just_closed()
{
	"$SYS" noise 64 5 >"$T/f"
	cp "$T/f" "$M/f"
	sleep 0.05
	kill_daemon
	mount_it
	same "$T/f" "$M/f"
}

test_a_save_by_rename_is_the_old_or_the_new()
{
	local i got

	for i in 1 2 3 4 5; do
		echo "old $i" >"$M/f"
		sleep 0.05
		(
			echo "new $i" >"$M/f.tmp"
			mv "$M/f.tmp" "$M/f"
		) &
		wait $!
		kill_daemon
		mount_it
		got=$(cat "$M/f")
		[ "$got" = "old $i" ] || [ "$got" = "new $i" ]
		rm -f "$M/f.tmp"
	done
}

test_after_fsync_everything_is_there_at_once()
{
	local i

	for i in 1 2 3; do
		"$PYTHON" - "$M/f$i" "$(status pid)" <<'END'
import os, signal, sys
f = open(sys.argv[1], "w")
f.write("kept")
f.flush()
os.fsync(f.fileno())
os.kill(int(sys.argv[2]), signal.SIGKILL)
END
		sleep 0.1
		fusermount3 -uz "$M"
		mount_it
		content kept "f$i"
	done
}

test_during_an_edit_of_a_large_file_the_old_or_the_new_is_there()
{
	"$SYS" noise 16 1 >"$T/old"
	"$SYS" noise 16 2 >"$T/new"
	cp "$T/old" "$M/f"
	sleep 0.05
	dd if="$T/new" of="$M/f" bs=1M conv=notrunc status=none &
	sleep 0.02
	kill_daemon
	wait $! || true
	mount_it
	# a write that was never closed may be lost or have come in part; what
	# is there can be read to its end
	eq 16777216 "$(wc -c <"$M/f")"
	cat "$M/f" >/dev/null
}

test_the_past_survives()
{
	local t

	echo 1 >"$M/f"
	t=$(moment)
	echo 2 >"$M/f"
	sleep 0.05
	kill_daemon
	mount_it
	eq 1 "$(cat "$M/.deriva/at/$t/f")"
	content 2 f
}

test_no_number_is_used_twice_after_a_crash()
{
	local before ino

	echo 1 >"$M/f"
	before=$(status changes)
	ino=$(stat -c %i "$M/f")
	kill_daemon
	mount_it
	at_least "$before" "$(status changes)"
	echo 2 >"$M/g"
	ne "$ino" "$(stat -c %i "$M/g")"
}

test_the_dead_mountpoint_is_named_with_the_remedy()
{
	local pid said rc=0

	pid=$(status pid)
	kill -9 "$pid"
	wait_for dead "$pid"
	# what the dead daemon left can be mounted over, or is named with what
	# to do
	said=$("$DERIVA" mount "$S" "$M" 2>&1) || rc=$?
	if [ "$rc" = 0 ]; then
		status pid >>"$T/pids"
		echo x >"$M/x"
		content x x
	else
		eq 1 "$rc"
		has umount "$said"
		fusermount3 -uz "$M"
		mount_it
	fi
}

test_umount_of_a_dead_mount()
{
	local pid

	pid=$(status pid)
	kill -9 "$pid"
	wait_for dead "$pid"
	"$DERIVA" umount "$M"
	not mountpoint -q "$M"
	mount_it
}

kept()
{
	grep -q "$1" "$M/.deriva/history/log/"*
}

# Nobody closes it, nobody calls fsync, and the kernel would keep what is
# written for half a minute.
test_what_is_written_to_a_file_that_stays_open_is_kept_now_and_then()
{
	exec 8>"$M/log"
	echo one >&8
	wait_for kept one
	echo two >&8
	wait_for kept two
	kill_daemon
	exec 8>&-
	mount_it
	eq "$(printf 'one\ntwo')" "$(cat "$M/log")"
}

run_tests "$@"
