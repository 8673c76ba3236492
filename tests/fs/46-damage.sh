#!/bin/bash
# A page of the database is damaged: whoever asks after what stood on it
# gets EIO, and never another error, another byte or a file that is not there.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

# flip FILE OFFSET
flip()
{
	"$PYTHON" - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte[0] ^ 0x10]))
END
}

# What every file is, or why it cannot be told.
look()
{
	local i

	for ((i = 0; i < 6; i++)); do
		stat -c '%n %s' "$M/d/f$i" 2>&1 || true
		cat "$M/d/f$i" 2>&1 || true
		getfattr -n user.deriva.addr "$M/d/f$i" 2>&1 || true
	done
	ls "$M" "$M/d" 2>&1 || true
}

test_a_damaged_page_is_eio()
{
	local i size seen=0

	mount_it
	mkdir "$M/d"
	for ((i = 0; i < 6; i++)); do
		echo "$i $i" >"$M/d/f$i"
	done
	umount_it
	cp -a "$S" "$T/good"
	size=$(stat -c %s "$S/deriva.db")
	for ((i = 4096; i < size; i += 8192)); do
		rm -rf "$S"
		cp -a "$T/good" "$S"
		flip "$S/deriva.db" $((i + 3000))
		mount_it 2>/dev/null || continue
		look >"$T/said"
		kill_daemon
		seen=$((seen + $(grep -c 'Input/output error' "$T/said" || true)))
		if grep -n -E 'Bad message|needs cleaning|No such' "$T/said"; then
			echo "page at $i"
			return 1
		fi
	done
	at_least 1 "$seen"
}

run_tests
