#!/bin/bash
# Waiting for a computation: readers share it, Ctrl-C gets out of it at once and
# stops what nobody waits for any more, and a file that is just being written
# is seen with what has been written so far.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_two_readers_one_computation()
{
	local start

	recipe d <<END
in: []
run: sleep 1; $UUID
END
	start=$(ms)
	cat "$M/d" >"$T/1" &
	cat "$M/d" >"$T/2" &
	wc -c "$M/d" >"$T/3" &
	wait
	at_most 1900 $(($(ms) - start))
	same "$T/1" "$T/2"
	eq 37 "$(cut -d' ' -f1 "$T/3")"
	eq 1 "$(status results)"
}

test_a_reader_of_a_copy_shares_it_too()
{
	local start

	for i in d e; do
		recipe "$i" <<END
in: []
run: sleep 1; $UUID
END
	done
	start=$(ms)
	cat "$M/d" >"$T/1" &
	cat "$M/e" >"$T/2" &
	wait
	at_most 1900 $(($(ms) - start))
	same "$T/1" "$T/2"
}

test_a_source_that_is_open_and_half_written()
{
	recipe d <<'END'
in: [in]
run: wc -c <in
END
	exec 5>"$M/in"
	printf 12345 >&5
	content 5 d
	printf 67890 >&5
	content 10 d
	printf x >&5
	exec 5>&-
	content 11 d
}

test_a_source_half_written_through_a_mapping()
{
	head -c 8192 /dev/zero >"$M/in"
	recipe d <<'END'
in: [in]
run: tr -d '\0' <in
END
	content "" d
	cat >"$T/p.py" <<'END'
import mmap, sys
source, derived = sys.argv[1:]
with open(source, "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    for text in (b"one", b"second"):
        m[5000:5000 + len(text)] = text
        with open(derived, "rb") as d:
            got = d.read()
        assert got == text, (got, text)
END
	"$PYTHON" "$T/p.py" "$M/in" "$M/d"
}

test_a_run_sees_its_inputs_as_they_stood()
{
	echo before >"$M/in"
	recipe d <<'END'
in: [in]
run: sleep 1; cat in
END
	cat "$M/d" >"$T/got" &
	sleep 0.4
	echo after >"$M/in"
	wait
	# whichever was served: never a mixture, and now the new one
	[[ $(cat "$T/got") == before || $(cat "$T/got") == after ]]
	content after d
}

running()
{
	[ "$(status running)" != 0 ]
}

idle()
{
	local pid

	[ "$(status running)" = 0 ]
	pid=$(status pid)
	for pid in "$pid" $(pgrep -P "$pid"); do
		not pgrep -P "$pid" -x bwrap
	done
}

test_ctrl_c_comes_back_at_once_and_stops_the_run()
{
	local took

	recipe d <<END
in: []
run: sleep 300; $UUID
END
	took=$("$SYS" interrupt "$M/d" 500)
	echo "took $took ms"
	at_most 500 "$took"
	wait_for idle
	eq 0 "$(status results)"
	ne failed "$(state d)"
}

test_ctrl_c_of_one_reader_leaves_the_other()
{
	recipe d <<'END'
in: []
run: sleep 1.5; echo x
END
	cat "$M/d" >"$T/got" &
	sleep 0.3
	at_most 500 "$("$SYS" interrupt "$M/d" 200)"
	wait
	eq x "$(cat "$T/got")"
}

test_ctrl_c_of_a_chain_stops_what_it_waits_for()
{
	recipe a <<'END'
in: []
run: sleep 300
END
	recipe b <<'END'
in: [a]
run: cat a
END
	at_most 500 "$("$SYS" interrupt "$M/b" 500)"
	wait_for idle
}

test_after_ctrl_c_it_can_be_read()
{
	recipe d <<'END'
in: [in]
run: sleep $(cat in); echo x
END
	echo 300 >"$M/in"
	at_most 500 "$("$SYS" interrupt "$M/d" 300)"
	echo 0.1 >"$M/in"
	content x d
}

test_sigkill_of_a_reader_stops_the_run()
{
	recipe d <<'END'
in: []
run: sleep 300
END
	cat "$M/d" &
	wait_for running
	kill -9 $!
	wait $! || true
	wait_for idle
}

test_a_stat_that_waits_can_be_interrupted()
{
	local start

	recipe d <<'END'
in: []
run: sleep 300
END
	start=$(ms)
	timeout -s INT 0.5 stat -c %s "$M/d" || true
	at_most 3000 $(($(ms) - start))
	wait_for idle
}

test_jobs_shows_what_runs()
{
	recipe d <<'END'
in: []
run: sleep 3
END
	cat "$M/d" &
	wait_for running
	has d "$(cat "$M/.deriva/jobs")"
	eq running "$(state d)"
	wait
	eq fresh "$(state d)"
	eq "" "$(cat "$M/.deriva/jobs")"
}

test_other_files_are_served_meanwhile()
{
	local start

	echo x >"$M/x"
	recipe d <<'END'
in: []
run: sleep 2
END
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		cat "$M/d" &
	done
	wait_for running
	start=$(ms)
	content x x
	echo y >"$M/y"
	ls "$M" >/dev/null
	at_most 1000 $(($(ms) - start))
	wait
}

test_unmount_while_something_is_computed()
{
	local rc=0

	recipe d <<'END'
in: []
run: sleep 300
END
	cat "$M/d" 2>/dev/null &
	wait_for running
	"$DERIVA" umount "$M" || rc=$?
	eq 1 "$rc"
	kill $!
	wait $! || true
	wait_for idle
	umount_it
}

test_many_at_once_with_few_jobs()
{
	local i

	umount_it
	mount_it -o jobs=2
	for i in $(seq 30); do
		echo "{in: [], run: 'echo $i'}" >"$M/f$i.recipe"
	done
	for i in $(seq 30); do
		cat "$M/f$i" >"$T/$i" &
	done
	wait
	for i in $(seq 30); do
		eq "$i" "$(cat "$T/$i")"
	done
}

run_tests "$@"
