#!/bin/bash
# kill -9 of the daemon, of commands, of what runs in the sandbox and of mounts
# that are just coming up, at any moment, against a model of what was
# acknowledged (kill.py says which). KILLS makes it longer, KILL_SEED another.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

MOUNT=no
CLIENT=$(dirname "$0")/kill.py

test_whoever_is_killed_nothing_is_lost()
{
	local seed=${KILL_SEED:-$RANDOM}

	echo "seed $seed"
	timeout "$((LIMIT - 5))" "$PYTHON" "$CLIENT" "$DERIVA" "$S" "$M" \
		"${KILLS:-12}" "$seed"
}

run_tests "$@"
