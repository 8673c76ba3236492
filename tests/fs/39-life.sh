#!/bin/bash
# A mount stays for months. What the daemon has of memory, descriptors, threads
# and log must not depend on how long it has been at work. Longer:
# LIFE=10000000 LIMIT=9999.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
HERE=$(dirname "$(realpath "$0")")

test_nothing_grows()
{
	"$PYTHON" "$HERE/life.py" "$M" "$S" "$(status pid)" "${LIFE:-8000}"
	umount_it
	"$DERIVA" fsck --store "$S"
}

run_tests "$@"
