#!/bin/bash
# What a command does with `deriva run` is there at once and whole, as one
# change, or not at all: whatever its end, and however it is killed.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

export T # for commands that tell how far they are

run()
{
	(cd "$M" && timeout 120 "$DERIVA" run "$@")
}

changes_of_op()
{
	"$DERIVA" log -r "$M" | awk -v op="$1" '$3 == op {print $1}' | sort -u
}

test_a_command_is_one_change()
{
	local at

	mkdir "$M/d"
	echo 1 >"$M/d/a"
	echo old >"$M/gone"
	printf 'in: [d/a]\nrun: cat d/a\n' >"$M/sum.recipe"
	run -m "all of it" -- sh -euc '
		echo 2 >d/a; cat sum >seen; mkdir e; mv d/a e/b; cp e/b d/a
		chmod 750 e/b; ln e/b e/link; ln -s b e/sym; rm gone'
	content 2 d/a
	content 2 e/b
	content 2 seen
	content 2 sum
	eq 750 "$(stat -c %a "$M/e/b")"
	eq 2 "$(stat -c %h "$M/e/link")"
	eq b "$(readlink "$M/e/sym")"
	not ls "$M/gone" 2>/dev/null
	at=$(changes_of_op run)
	eq 1 "$(printf '%s\n' "$at" | grep -c .)"
	has "all of it" "$("$DERIVA" log "$M/d/a")"
	# the moment before has none of it, that moment all
	eq old "$(cat "$M/.deriva/at/@$((${at#@} - 1))/gone")"
	not ls "$M/.deriva/at/@$((${at#@} - 1))/e" 2>/dev/null
	eq 2 "$(cat "$M/.deriva/at/$at/e/b")"
}

test_status_of_the_command()
{
	local rc=0

	run sh -c 'echo x >x; exit 7' || rc=$?
	eq 7 "$rc"
	rc=0
	run no-such-program 2>/dev/null || rc=$?
	eq 127 "$rc"
	rc=0
	# shellcheck disable=SC2016 # its own pid
	run sh -c 'echo x >x; kill -TERM $$' || rc=$?
	eq 143 "$rc"
	eq "" "$(ls "$M")"
}

test_what_others_changed_meanwhile()
{
	local rc=0 name

	seq 20 >"$M/text"
	echo 1 >"$M/f"
	run sh -euc 'sed -i s/^2$/two/ text; touch "$T/ready"; while [ ! -e "$T/go" ]; do sleep 0.05; done' &
	wait_for test -e "$T/ready"
	sed -i 's/^19$/nineteen/' "$M/text"
	echo 2 >"$M/f"
	touch "$T/go"
	wait $!
	has two "$(cat "$M/text")"
	has nineteen "$(cat "$M/text")"
	content 2 f
	rm "$T/ready" "$T/go"
	run sh -euc 'echo mine >f; echo 1 >new; touch "$T/ready"; while [ ! -e "$T/go" ]; do sleep 0.05; done' 2>"$T/said" &
	wait_for test -e "$T/ready"
	echo theirs >"$M/f"
	touch "$T/go"
	wait $! || rc=$?
	eq 1 "$rc"
	content theirs f
	not ls "$M/new" 2>/dev/null
	has "deriva merge run-" "$(cat "$T/said")"
	rc=0
	name=$(grep -o 'run-[0-9]*' "$T/said" | head -1)
	"$DERIVA" merge "$name" "$M" >"$T/merged" || rc=$?
	eq 1 "$rc"
	content theirs f
	content 1 new
	eq mine "$(cat "$M"/f.run-*)"
}

# Its own process, the one in between, or the command: nothing is half there.
test_killed()
{
	local pid child victim

	for victim in self between; do
		run sh -c "echo half >half; touch $T/ready; exec sleep 987" &
		wait_for test -e "$T/ready"
		rm "$T/ready"
		pid=$(pgrep -f "^$DERIVA run sh -c echo half" | head -1)
		child=$(pgrep -P "$pid" | head -1)
		[ "$victim" = self ] || pid=$child
		kill -9 "$pid"
		wait $! || true
		wait_for no_sleeper
		eq "" "$(ls "$M")"
	done
	umount_it
	mount_it
	eq "" "$(ls "$M")"
	umount_it
	"$DERIVA" fsck --store "$S" >/dev/null
	mount_it
}

no_sleeper()
{
	not pgrep -f '^sleep 987$' >/dev/null
}

run_tests "$@"
