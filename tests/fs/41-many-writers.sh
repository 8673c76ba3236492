#!/bin/bash
# Ten processes write to one store at the same time, through three mounts, with
# commands beside them; one mount is killed again and again. All get on, and all
# that was acknowledged is there in the end. LONG=SECONDS makes it longer.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
LONG=${LONG:-4}
LIMIT=$((LONG * 4 + 120))

# many KILL
many()
{
	mount_at "$S" "$T/n"
	mount_at "$S" "$T/o"
	"$PYTHON" "$(dirname "$0")/many_writers.py" "$DERIVA" "$S" "$LONG" \
		"$1" "$M" "$T/n" "$T/o"
	status pid >>"$T/pids"
	umount_it
	"$DERIVA" fsck --store "$S"
}

test_ten_writers_lose_nothing()
{
	many 0
}

test_ten_writers_and_a_mount_that_is_killed()
{
	many 1
}

run_tests "$@"
