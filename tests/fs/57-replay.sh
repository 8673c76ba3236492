#!/bin/bash
# A history that is known from elsewhere: commits of a git repository, replayed
# into the mount one after the other. Each of them is found again in the past,
# exactly, and two of them differ in what git says they do.
# REPLAY_COMMITS (default 60) and REPLAY_SEED make it longer, and another.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_each_commit_is_found_again()
{
	DERIVA=$DERIVA "$PYTHON" "$(dirname "$0")/replay_git.py" "$M" "$T/repo" \
		"${REPLAY_COMMITS:-60}" "${REPLAY_SEED:-1}"
}

run_tests "$@"
