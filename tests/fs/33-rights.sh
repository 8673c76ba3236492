#!/bin/bash
# Modes of files and directories are kept in an ordinary user's own mount, also
# for what the kernel has looked up before. As root there is nothing to check:
# the same is run as an ordinary user's only where this is one.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

root()
{
	[ "$(id -u)" = 0 ]
}

test_modes_are_kept()
{
	mkdir "$M/d"
	echo x >"$M/d/f"
	cat "$M/d/f" >/dev/null
	chmod 000 "$M/d/f"
	if root; then
		errno ok open r "$M/d/f"
	else
		errno EACCES open r "$M/d/f"
		errno EACCES open w "$M/d/f"
	fi
	chmod 600 "$M/d/f"
	content x d/f
	chmod 400 "$M/d/f"
	root || errno EACCES open w "$M/d/f"
}

test_a_directory_that_is_closed_closes_what_was_looked_up()
{
	mkdir -p "$M/d/e"
	echo x >"$M/d/e/f"
	cat "$M/d/e/f" >/dev/null
	chmod 000 "$M/d"
	if ! root; then
		errno EACCES open r "$M/d/e/f"
		not ls "$M/d" 2>/dev/null
		errno EACCES mkdir "$M/d/new"
	fi
	chmod 500 "$M/d"
	content x d/e/f
	root || errno EACCES mkdir "$M/d/new"
	chmod 700 "$M/d"
	mkdir "$M/d/new"
}

test_the_owner_stays()
{
	echo x >"$M/f"
	root || not chown 0:0 "$M/f" 2>/dev/null
	eq "$(id -u)" "$(stat -c %u "$M/f")"
}

run_tests
