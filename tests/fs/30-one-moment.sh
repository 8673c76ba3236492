#!/bin/bash
# What is derived from one source by two ways shows one state of it: a change
# that comes in the middle of a computation shows everywhere or nowhere.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

diamond()
{
	echo 1 >"$M/s"
	recipe slow <<'END'
in: [s]
run: cat s; sleep 1
END
	recipe slow_first <<'END'
in: [slow, s]
fn: concat
END
	recipe slow_last <<'END'
in: [s, slow]
fn: concat
END
}

# The change comes while `slow` runs, which waits for nobody else.
of_one_moment()
{
	local got

	diamond
	cat "$M/$1" >"$T/got" &
	wait_for grep -q slow "$M/.deriva/jobs"
	echo 2 >"$M/s"
	wait $!
	got=$(xargs <"$T/got")
	[ "$got" = "1 1" ] || eq "2 2" "$got"
	eq "2 2" "$(xargs <"$M/$1")"
}

test_a_change_during_the_first_input()
{
	of_one_moment slow_first
}

test_a_change_during_the_last_input()
{
	of_one_moment slow_last
}

run_tests "$@"
