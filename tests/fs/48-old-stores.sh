#!/bin/bash
# A store is kept for years, and the program beside it is not: what each version
# of the schema wrote (tests/fs/stores, made by stores/make) opens with today's
# program, as it was, whether it had been unmounted or killed, and goes on. What
# a version of tomorrow wrote is left alone.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/fs/stores.sh
. "$(dirname "$0")/stores.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no
HERE=$(cd "$(dirname "$0")" && pwd)
export TZ=UTC
umask 022

# each FUNCTION: runs it with every old store in turn, unpacked in $T/old
each()
{
	local archive seen=0

	old_work_before "$T/before"
	cp -a "$T/before" "$T/want"
	old_work_recipes "$T/want"
	old_work_after "$T/want"
	for archive in "$HERE"/stores/*.tar.zst; do
		NAME=$(basename "$archive" .tar.zst)
		echo "$NAME"
		mkdir "$T/old"
		tar -C "$T/old" --zstd -xf "$archive"
		"$1"
		rm -rf "$T/old"
		seen=$((seen + 1))
	done
	at_least 9 "$seen"
}

# with STORE: it is the one that lib.sh speaks of
with()
{
	S=$T/old/$1
}

clean()
{
	"$DERIVA" fsck --store "$S" >"$T/said" || { cat "$T/said"; return 1; }
	has "all good" "$(cat "$T/said")"
}

is_as_it_was()
{
	diff <(old_portrait "$T/want") <(old_portrait "$M")
}

# What was computed then is found, and what changes is computed.
results_are_found()
{
	same "$T/old/unique" "$M/unique"
	content 2030 sum
	eq two "$(gzip -dc "$M/zipped")"
	not cat "$M/bad" 2>/dev/null
	eq failed "$(state bad)"
	echo three >"$M/f"
	eq three "$(head -1 "$M/unique")"
	eq three "$(gzip -dc "$M/zipped")"
	not cmp -s "$T/old/unique" "$M/unique"
	echo more >>"$M/d/text"
	content 2031 sum
	head -2030 "$T/want/d/text" | cmp - <(head -2030 "$M/d/text")
}

goes_on()
{
	mkdir "$M/new"
	cp -a "$T/want/d" "$M/new/d"
	umount_it
	clean
	mount_it
	diff <(old_portrait "$T/want/d") <(old_portrait "$M/new/d")
	eq three "$(cat "$M/f")"
	content 2031 sum
	"$DERIVA" gc --store "$S" >/dev/null
	umount_it
	clean
}

unmounted()
{
	with clean
	mount_it
	is_as_it_was
	diff <(old_portrait "$T/before") \
		<(old_portrait "$M/.deriva/at/$(cat "$T/old/moment")")
	[ ! -s "$T/old/pinned" ] || has d/text "$("$DERIVA" pins --store "$S")"
	[ ! -s "$T/old/pinned" ] || diff <(old_portrait "$T/before") \
		<(old_portrait "$M/.deriva/at/before")
	"$DERIVA" fsck --store "$S" >/dev/null # beside the mount
	results_are_found
	goes_on
}

test_what_was_unmounted_opens_and_goes_on()
{
	each unmounted
}

# Pins and names of moments were rows alone before version 9: whoever mounts
# the store first puts them into the journals.
rebuilt()
{
	with clean
	[ -s "$T/old/pinned" ] || return 0
	mount_it
	umount_it
	rm "$S"/deriva.db*
	"$DERIVA" fsck --store "$S" --repair >"$T/said" 2>&1 || true
	clean
	mount_it
	has d/text "$("$DERIVA" pins --store "$S")"
	diff <(old_portrait "$T/before") <(old_portrait "$M/.deriva/at/before")
	umount_it
}

test_what_was_mounted_once_has_its_pins_without_its_database()
{
	each rebuilt
}

killed()
{
	with killed
	mount_it
	content last last
	content unsynced unsynced
	eq "" "$(cat "$M/none2")"
	not stat "$M/none" 2>/dev/null
	mv "$M/none2" "$M/none"
	rm "$M/last" "$M/unsynced"
	touch -d "$(stat -c %y "$T/want")" "$M"
	is_as_it_was
	results_are_found
	goes_on
}

test_what_was_killed_opens_and_goes_on()
{
	each killed
}

# Whichever command is the first that sees it: for each store two of them, or
# all with ALL=yes.
first()
{
	local command i=0 a

	a=$(b3sum --no-names "$T/want/f")
	for command in fsck "fsck --repair" "cat $a" "put $T/want/f" status \
		"log /f" "gc -n" gc; do
		i=$((i + 1))
		[ -n "${ALL-}" ] || [ $(((i + FIRST) % 4)) = 0 ] || continue
		for S in "$T/old/clean" "$T/old/killed"; do
			rm -rf "$T/copy"
			cp -a "$S" "$T/copy"
			# shellcheck disable=SC2086 # words
			"$DERIVA" --store "$T/copy" $command >"$T/said" 2>&1 || {
				echo "$command: $S"
				cat "$T/said"
				return 1
			}
			"$DERIVA" --store "$T/copy" fsck >"$T/said" ||
				{ cat "$T/said"; return 1; }
		done
	done
	FIRST=$((FIRST + 1))
}

test_any_command_may_be_the_first()
{
	FIRST=0
	each first
}

# --- tomorrow ------------------------------------------------------------------

# Every byte of every file, and which there are.
bytes_of()
{
	(cd "$1" && find . -printf '%P %y %m %s %T@\n' | sort &&
		find . -type f -exec sha256sum {} + | sort)
}

# Nothing that could be done to it is done.
is_left_alone()
{
	local command a

	a=$(printf 'x\n' | b3sum --no-names)
	echo y >"$T/y"
	bytes_of "$S" >"$T/bytes"
	for command in "mount $S $M" "--store $S put $T/y" "--store $S cat $a" \
		"--store $S gc" "--store $S gc -n" "--store $S status" \
		"--store $S log /f" "--store $S fsck --repair" \
		"--store $S pin /f" "--store $S snapshot now"; do
		# shellcheck disable=SC2086 # words
		refused "newer" "$DERIVA" $command || { echo "$command"; return 1; }
		bytes_of "$S" | diff "$T/bytes" - || { echo "$command"; return 1; }
	done
	not "$DERIVA" --store "$S" fsck >"$T/said" 2>&1
	has newer "$(cat "$T/said")"
	bytes_of "$S" | diff "$T/bytes" -
}

a_store()
{
	mount_it
	echo x >"$M/f"
	"$SYS" noise 1 3 >"$M/g"
	umount_it
}

test_a_later_schema_is_left_alone()
{
	a_store
	PYTHONPATH=$HERE/../format "$PYTHON" -B - "$S/deriva.db" <<'END'
import sys
from common import blake3
with open(sys.argv[1], "r+b") as f:
    page = bytearray(f.read(4096))
    assert page[:16] == b"SQLite format 3\0"
    version = int.from_bytes(page[60:64], "big")
    assert version >= 7
    page[60:64] = (version + 1).to_bytes(4, "big")
    page[-8:] = (1).to_bytes(8, "little")
    page[-8:] = blake3(bytes(page), "deriva page v1")[:8]
    f.seek(0)
    f.write(page)
END
	is_left_alone
}

test_a_later_format_is_left_alone()
{
	a_store
	echo "deriva store 2" >"$S/format"
	is_left_alone
}

# later_packs VERSION PACK...
later_packs()
{
	"$PYTHON" - "$@" <<'END'
import os, sys
for name in sys.argv[2:]:
    mode = os.stat(name).st_mode
    os.chmod(name, 0o600)
    with open(name, "r+b") as f:
        f.seek(8)
        assert f.read(4) == b"\1\0\0\0"
        f.seek(8)
        f.write(int(sys.argv[1]).to_bytes(4, "little"))
    os.chmod(name, mode)
END
}

test_a_later_pack_is_left_alone()
{
	a_store
	later_packs 2 "$S"/packs/*
	is_left_alone
}

run_tests "$@"
