#!/bin/bash
# Scripts and people rely on exit statuses, and on being told what to write
# instead. None of this needs a mount, and none of it may make anything.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

COMMANDS="mount umount build status why output retry log put cat resolve
	functions graph verify fsck gc drop pin unpin pins snapshot diff restore watch
	head prove verify-proof forget branch merge run"

# wrong TEXT COMMAND...: exit status 2, and that on standard error only
wrong()
{
	local want=$1 said rc=0

	shift
	said=$("$@" 2>&1 >"$T/out" </dev/null) || rc=$?
	eq 2 "$rc"
	has "$want" "$said"
	has "deriva: " "$said"
	[ ! -s "$T/out" ]
}

test_help_for_each_command()
{
	local c

	for c in $COMMANDS; do
		"$DERIVA" "$c" --help >"$T/a" 2>"$T/err"
		"$DERIVA" help "$c" >"$T/b"
		"$DERIVA" "$c" -h >"$T/c"
		has "usage: deriva $c" "$(head -1 "$T/a")"
		same "$T/a" "$T/b"
		same "$T/a" "$T/c"
		[ ! -s "$T/err" ]
		eq "" "$(awk 'length > 80' "$T/a")"
		has "  $c " "$("$DERIVA" --help)"
	done
	eq "$("$DERIVA" --help)" "$("$DERIVA" help)"
}

test_help_wins_over_operands()
{
	has "usage: deriva build" "$("$DERIVA" build nothing --help)"
	has "usage: deriva mount" "$("$DERIVA" mount a b c --help)"
}

test_version()
{
	[[ "$("$DERIVA" --version)" =~ ^deriva\ [0-9]+\.[0-9]+ ]]
}

test_wrong_commands()
{
	wrong "a command is missing" "$DERIVA"
	wrong 'did you mean "build"' "$DERIVA" biuld
	wrong 'did you mean "status"' "$DERIVA" stauts
	wrong '"xyzzy" (deriva --help' "$DERIVA" xyzzy
	wrong '"nothing"' "$DERIVA" help nothing
	wrong "one command" "$DERIVA" help build mount
	wrong "--nonsense is no option" "$DERIVA" --nonsense build
}

test_wrong_options()
{
	local c

	for c in $COMMANDS; do
		wrong "--nonsense is no option" "$DERIVA" "$c" --nonsense
		wrong "-% is no option" "$DERIVA" "$c" -%
	done
	wrong "option --store needs an argument" "$DERIVA" build x --store
	wrong "option --store needs an argument" "$DERIVA" --store
	wrong "option --json takes no value" "$DERIVA" status --json=1
	wrong "option -j needs an argument" "$DERIVA" build x -j
	wrong '"0"' "$DERIVA" build -j 0 x
	wrong '"2x"' "$DERIVA" build -j 2x x
	wrong no-such-option "$DERIVA" mount -o no-such-option a b
}

test_wrong_operands()
{
	local c

	for c in umount build why output retry log put cat resolve; do
		wrong "operand is missing" "$DERIVA" "$c"
	done
	wrong "too few" "$DERIVA" mount "$T/s"
	wrong "too many" "$DERIVA" mount "$T/s" "$T/m" more
	wrong "too many" "$DERIVA" umount "$T/m" more
	wrong "too many" "$DERIVA" why a b
	wrong "too many" "$DERIVA" functions a b
	wrong "no address" "$DERIVA" cat abc
	wrong "without --store" "$DERIVA" --store "$T/s" mount "$T/s" "$T/m"
	[ ! -e "$T/s" ]
	[ ! -e "$T/m" ]
}

test_paths_outside_of_mounts()
{
	local c

	cd "$T" || return
	echo x >file
	ln -s file link
	ln -s loop loop
	for c in build status why output retry log resolve; do
		refused "file is not in a Deriva mount" "$DERIVA" "$c" file
		refused "link is not in a Deriva mount" "$DERIVA" "$c" link
	done
	for c in build status why output resolve; do
		refused nothing "$DERIVA" "$c" nothing
		refused no/where "$DERIVA" "$c" no/where
		refused loop "$DERIVA" "$c" loop
	done
	refused "not in a Deriva mount" "$DERIVA" status
	refused "not in a Deriva mount" "$DERIVA" put file
}

test_a_store_that_is_none()
{
	local c

	mkdir "$T/empty"
	for c in build status why output retry log resolve put; do
		refused "empty is no store" "$DERIVA" "$c" --store "$T/empty" x
		refused nothing "$DERIVA" --store "$T/nothing" "$c" x
	done
	eq "" "$(ls -A "$T/empty")"
	[ ! -e "$T/nothing" ]
}

test_names_cannot_steer_the_terminal()
{
	local said

	said=$("$DERIVA" build $'a\e]0;title\ab' 2>&1) || true
	lacks $'\e' "$said"
	has '\033' "$said"
}

test_lost_output_is_a_failure()
{
	local rc=0

	"$DERIVA" --help >/dev/full 2>"$T/err" || rc=$?
	eq 1 "$rc"
	has "No space" "$(cat "$T/err")"
	rc=0
	"$DERIVA" functions --json >/dev/full 2>"$T/err" || rc=$?
	eq 1 "$rc"
	# a reader that went away: no message, no signal
	"$PYTHON" - "$DERIVA" <<'END'
import os, subprocess, sys
r, w = os.pipe()
os.close(r)
p = subprocess.run([sys.argv[1], "--help"], stdout=w, stderr=subprocess.PIPE)
assert p.returncode == 1 and p.stderr == b"", p
END
}

test_functions()
{
	local name n=0

	"$DERIVA" functions --json |
		"$PYTHON" -c 'import json, sys; assert json.load(sys.stdin)'
	while read -r name _; do
		"$DERIVA" functions "$name" >"$T/said"
		has "$name: " "$(head -1 "$T/said")"
		"$DERIVA" functions --json "$name" |
			"$PYTHON" -c 'import json, sys; json.load(sys.stdin)'
		n=$((n + 1))
	done < <("$DERIVA" functions)
	at_least 1 "$n"
	refused "no function" "$DERIVA" functions nonsense
}

run_tests "$@"
