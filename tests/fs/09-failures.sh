#!/bin/bash
# When something goes wrong, the reader gets one errno, and beside it a message
# that says what, where and what to do. Nothing half-made is ever shown.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

output()
{
	cat "$M/.deriva/output/$1"
}

test_a_failed_command_is_eio_with_what_it_said()
{
	recipe bad <<'END'
in: []
run: |
  echo on stdout
  echo on stderr >&2
  exit 7
END
	errno EIO open r "$M/bad"
	has "on stderr" "$(output bad)"
	has 7 "$(attr error "$M/bad")"
	has "bad.recipe:" "$(attr error "$M/bad")"
	eq failed "$(state bad)"
	has "on stderr" "$("$DERIVA" output "$M/bad")"
	has 7 "$("$DERIVA" why "$M/bad")"
	eq 1 "$(status failures)"
}

test_a_command_that_is_not_there()
{
	recipe bad <<'END'
in: []
run: no-such-program --now
END
	errno EIO open r "$M/bad"
	has no-such-program "$(output bad)"
	recipe worse <<'END'
in: []
run: [no-such-program, --now]
END
	errno EIO open r "$M/worse"
	has no-such-program "$(attr error "$M/worse")$(output worse)"
}

test_killed_by_a_signal_names_it()
{
	recipe bad <<'END'
in: []
run: kill -SEGV $$
END
	errno EIO open r "$M/bad"
	[[ "$(attr error "$M/bad")" =~ SEGV|egmentation|signal\ 11|139 ]]
}

test_half_written_output_is_not_shown()
{
	recipe bad <<'END'
in: []
run: |
  head -c 100000 /dev/zero >"$out"
  exit 1
END
	errno EIO open r "$M/bad"
	eq 0 "$(stat -c %s "$M/bad")"
	recipe worse <<'END'
in: []
run: echo half; exit 1
END
	errno EIO open r "$M/worse"
	eq "" "$(cat "$M/worse" 2>/dev/null || true)"
}

test_a_failure_is_remembered_until_its_input_changes()
{
	echo no >"$M/in"
	recipe d <<END
in: [in]
run: $UUID >&2; grep yes in
END
	errno EIO open r "$M/d"
	first=$(output d)
	errno EIO open r "$M/d"
	eq "$first" "$(output d)"
	echo yes >"$M/in"
	content yes d
	eq fresh "$(state d)"
	echo no >"$M/in"
	errno EIO open r "$M/d"
	eq "$first" "$(output d)"
}

test_retry_forgets_a_failure()
{
	recipe d <<END
in: []
run: $UUID >&2; exit 1
END
	errno EIO open r "$M/d"
	first=$(output d)
	"$DERIVA" retry "$M/d"
	errno EIO open r "$M/d"
	ne "$first" "$(output d)"
}

test_time_out()
{
	local start

	recipe slow <<'END'
in: []
timeout: 1s
run: echo begun >&2; sleep 60
END
	start=$(ms)
	errno ETIMEDOUT open r "$M/slow"
	at_most 10000 $(($(ms) - start))
	at_least 900 $(($(ms) - start))
	has begun "$(output slow)"
	has slow.recipe "$(attr error "$M/slow")"
	eq failed "$(state slow)"
}

test_time_out_of_one_that_ignores_sigterm()
{
	recipe slow <<'END'
in: []
timeout: 1s
run: |
  trap '' TERM INT HUP
  while :; do sleep 1; done
END
	errno ETIMEDOUT open r "$M/slow"
	wait_for no_bwrap
}

# no sandbox of this test's daemon is left
no_bwrap()
{
	local pid helper

	pid=$(status pid)
	for helper in "$pid" $(pgrep -P "$pid"); do
		not pgrep -P "$helper" -x bwrap || return 1
	done
}

test_a_forked_daemon_does_not_outlive_the_run()
{
	local start

	start=$(ms)
	recipe d <<'END'
in: []
run: |
  (setsid sleep 300 >/dev/null 2>&1 </dev/null &)
  echo done
END
	content "done" d
	at_most 20000 $(($(ms) - start))
	wait_for no_bwrap
}

test_a_forked_daemon_that_keeps_stdout_does_not_hang_the_reader()
{
	local start

	start=$(ms)
	recipe d <<'END'
in: []
run: |
  setsid sleep 300 &
  echo done
END
	content "done" d
	at_most 20000 $(($(ms) - start))
	wait_for no_bwrap
}

test_a_cycle_is_eloop_and_names_its_members()
{
	recipe a <<'END'
in: [b]
run: cat b
END
	recipe b <<'END'
in: [c]
run: cat c
END
	recipe c <<'END'
in: [a]
run: cat a
END
	errno ELOOP open r "$M/a"
	errno ELOOP open r "$M/b"
	has b "$(attr error "$M/a")"
	has c "$(attr error "$M/a")"
	eq 0 "$(stat -c %s "$M/c")"
	echo source >"$T/c"
	rm "$M/c.recipe"
	cp "$T/c" "$M/c"
	content source a
}

test_a_recipe_that_needs_itself_is_eloop()
{
	recipe a <<'END'
in: [a]
run: cat a
END
	errno ELOOP open r "$M/a"
}

test_a_missing_input_is_named()
{
	recipe d <<'END'
in:
  - there
  - not-there
run: cat there not-there
END
	echo 1 >"$M/there"
	errno EIO open r "$M/d"
	has not-there "$(attr error "$M/d")"
	has "d.recipe:3" "$(attr error "$M/d")"
	echo 2 >"$M/not-there"
	eq $'1\n2' "$(cat "$M/d")"
	rm "$M/not-there"
	errno EIO open r "$M/d"
}

test_a_failed_input_fails_what_needs_it_and_says_which()
{
	recipe bad <<'END'
in: []
run: echo the reason >&2; exit 1
END
	recipe user <<'END'
in: [bad]
run: cat bad
END
	errno EIO open r "$M/user"
	has bad "$(attr error "$M/user")"
	cat >"$M/bad.recipe" <<'END'
in: []
run: echo good
END
	content good user
}

test_an_unreadable_recipe_is_einval_with_its_line()
{
	recipe d <<'END'
in: []
run: echo x
rnu: typo
END
	errno EINVAL open r "$M/d"
	has "d.recipe:3" "$(attr error "$M/d")"
	has rnu "$(attr error "$M/d")"
	has rnu "$(output d)"
	eq failed "$(state d)"
	cat >"$M/d.recipe" <<'END'
in: []
run: echo mended
END
	content mended d
}

test_a_device_is_no_file()
{
	mkfifo "$M/dir"
	recipe d <<'END'
in: [dir]
run: ls dir
END
	ne ok "$("$SYS" open r "$M/d")"
	has dir "$(attr error "$M/d")"
}

test_an_input_nobody_may_read_cannot_be_opened()
{
	[ "$(id -u)" != 0 ] || return 0
	echo secret >"$M/in"
	chmod 0 "$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	ne ok "$("$SYS" open r "$M/d")"
}

test_a_flood_on_stderr_is_kept_in_bounds()
{
	recipe bad <<'END'
in: []
run: |
  echo the beginning >&2
  yes 0123456789abcdef | head -c 50M >&2
  echo the end >&2
  exit 1
END
	errno EIO open r "$M/bad"
	at_most 20000000 "$(output bad | wc -c)"
	at_least 1000 "$(output bad | wc -c)"
}

test_no_output_at_all_is_an_empty_file()
{
	recipe d <<'END'
in: []
run: 'true'
END
	content "" d
}

test_an_output_that_is_a_directory_is_refused()
{
	recipe d <<'END'
in: []
run: mkdir "$out"
END
	errno EIO open r "$M/d"
	has out "$(attr error "$M/d")$(output d)"
	recipe l <<'END'
in: []
run: ln -s /etc/passwd "$out"
END
	errno EIO open r "$M/l"
}

run_tests "$@"
