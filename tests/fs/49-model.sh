#!/bin/bash
# Random graphs of recipes (patterns, globs, several outputs, observed inputs,
# commands that fail), edited at random, against a model that computes everything
# from scratch after each edit; and nothing runs that need not (engine.py).
# ENGINE_SECONDS=1200 goes on for so long, with one seed after the other.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
LIMIT=$((${ENGINE_SECONDS:-0} + 120))

test_random_graphs_agree_with_a_model()
{
	local seed=${ENGINE_SEED:-1} end=$((SECONDS + ${ENGINE_SECONDS:-0})) said

	while :; do
		said=$(timeout 100 "$PYTHON" "$(dirname "$0")/engine.py" "$M" "$seed" \
			"${ENGINE_STEPS:-4}") || { echo "$said"; return 1; }
		[ "$SECONDS" -lt "$end" ] || break
		seed=$((seed + 1))
		umount_it
		rm -rf "$S"
		mount_it
	done
}

run_tests "$@"
