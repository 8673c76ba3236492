#!/bin/bash
# A person whose disk went bad has to be told what is hurt, and to get back what
# can be had: derived files, a lost database, and whatever is stored again.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"

fsck()
{
	"$DERIVA" fsck --store "$S" "$@"
}

# status_is N COMMAND...: it ends so; what it said is in $T/said
status_is()
{
	local want=$1 rc=0

	shift
	"$@" >"$T/said" 2>&1 </dev/null || rc=$?
	eq "$want" "$rc" || { cat "$T/said"; return 1; }
}

# flip FILE AT: another byte than what is there
flip()
{
	"$PYTHON" - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1) or b"\0"
    f.seek(int(sys.argv[2]))
    f.write(bytes([b[0] ^ 0x58]))
END
}

# damage FILE: a byte of its content, wherever it lies in a pack
damage()
{
	chmod u+w "$S"/packs/*
	"$PYTHON" - "$S" "$1" <<'END'
import glob, sys
want = open(sys.argv[2], "rb").read()[1000:1032]
for name in glob.glob(sys.argv[1] + "/packs/*"):
    data = bytearray(open(name, "rb").read())
    at = data.find(want)
    if at >= 0:
        data[at] ^= 1
        open(name, "r+b").write(data)
        break
else:
    sys.exit("not found in any pack")
END
}

tree()
{
	(cd "$1" && find . -printf '%p %m %U %G %s %T@ %l\n' | sort)
}

test_a_good_store_is_clean_also_beside_a_mount()
{
	head -c 100000 /dev/urandom >"$M/f"
	status_is 0 fsck
	has "all good" "$(cat "$T/said")"
	status_is 0 "$DERIVA" --store "$S" fsck --repair
	(cd "$M" && status_is 0 "$DERIVA" fsck)
	umount_it
	status_is 0 fsck --json
	"$PYTHON" -c 'import json, sys
s = json.load(open(sys.argv[1]))
assert s["clean"] and not s["findings"] and s["versions"] >= 2, s' "$T/said"
}

test_a_damaged_source_is_named_and_heals_when_written_again()
{
	head -c 100000 /dev/urandom >"$T/f"
	mkdir "$M/d"
	cp "$T/f" "$M/d/name"
	cp "$T/f" "$M/old"
	echo new >"$M/old"
	umount_it
	damage "$T/f"
	status_is 1 fsck
	has "/d/name@" "$(cat "$T/said")"
	has "holds now" "$(grep /d/name "$T/said")"
	has "an old version" "$(grep /old@ "$T/said")"
	has "$(find "$S/packs" -type f -printf '%f\n' | sort | head -1)" "$(cat "$T/said")"
	status_is 1 fsck --repair
	has "left " "$(cat "$T/said")"
	mount_it
	not cat "$M/d/name" >/dev/null 2>"$T/err"
	has "Input/output error" "$(cat "$T/err")"
	has "/d/name: damaged or missing" "$(cat "$S/log")"
	cp "$T/f" "$M/other" # the same content, under any name
	same "$T/f" "$M/d/name"
	umount_it
	status_is 0 fsck
}

test_writing_the_same_again_heals_before_anybody_knew()
{
	head -c 100000 /dev/urandom >"$T/f"
	cp "$T/f" "$M/f"
	umount_it
	damage "$T/f"
	mount_it
	cp "$T/f" "$M/again"
	same "$T/f" "$M/again"
	same "$T/f" "$M/f"
	umount_it
	status_is 0 fsck
}

test_a_damaged_result_is_computed_again()
{
	recipe d <<'END'
in: []
run: for i in $(seq 20000); do echo $i $((i * 7919 % 10007)); done >"$out"
END
	cat "$M/d" >"$T/want"
	umount_it
	chmod u+w "$S"/packs/*
	"$PYTHON" - "$S" <<'END'
import glob, struct, sys
# the longest payloads are the result's chunks
for name in glob.glob(sys.argv[1] + "/packs/*"):
    data = bytearray(open(name, "rb").read())
    at, best = 32, (0, 0)
    while at + 52 <= len(data):
        stored = struct.unpack_from("<I", data, at + 8)[0]
        best = max(best, (stored, at))
        at += 52 + stored
    if best[0] > 1000:
        data[best[1] + 60] ^= 1
        open(name, "r+b").write(data)
END
	status_is 1 fsck
	has "/d: its result is damaged" "$(cat "$T/said")"
	status_is 0 fsck --repair
	status_is 0 fsck
	mount_it
	same "$T/want" "$M/d"
}

# A command that met damage in an input has said nothing about that input.
test_damage_in_an_input_is_no_outcome_of_the_command()
{
	head -c 3000000 /dev/urandom >"$T/f"
	cp "$T/f" "$M/f"
	echo x >"$M/g"
	recipe bad <<'END'
in: [f, g]
run: wc -c <f && cat f >"$out"
END
	recipe hides <<'END'
in: [f]
run: cat f | wc -c || true
END
	recipe hash <<'END'
in: [f]
fn: sha256
END
	recipe other <<'END'
in: [g]
run: cat g; exit 3
END
	umount_it
	damage "$T/f"
	mount_it
	for n in bad hides hash; do
		not cat "$M/$n" >"$T/err" 2>&1 || return 1
		has "Input/output error" "$(cat "$T/err")"
		not grep "$n: 0" "$T/err"
	done
	has "input f is damaged" "$(attr error "$M/bad")"
	has "input f is damaged" "$(attr error "$M/hides")"
	has "f" "$(attr error "$M/hash")"
	not cat "$M/other" 2>/dev/null
	has "exit status 3" "$(attr error "$M/other")"
	cp "$T/f" "$M/again" # heals, and nothing has to be retried
	same "$T/f" "$M/bad"
	eq 3000000 "$(cat "$M/hides")"
	eq "$(sha256sum <"$T/f" | cut -d' ' -f1)" "$(cut -d' ' -f1 "$M/hash")"
}

test_a_lost_database_comes_back_from_the_packs()
{
	local seq

	mkdir -p "$M/a/b"
	echo 1 >"$M/a/b/f"
	chmod 640 "$M/a/b/f"
	ln -s b/f "$M/a/l"
	ln "$M/a/b/f" "$M/a/hard"
	"$SYS" setxattr user.x y "$M/a/l" 2>/dev/null || true
	seq=$("$DERIVA" log "$M/a/b/f" | tail -1 | cut -d' ' -f1)
	echo 22 >"$M/a/b/f"
	touch -d 2001-02-03T04:05:06Z "$M/a/b/f"
	mv "$M/a" "$M/c"
	recipe r <<END
in: []
run: $UUID
END
	cat "$M/r" >"$T/r"
	tree "$M" >"$T/want"
	tree "$M/.deriva/at/$seq" >"$T/past"
	umount_it
	rm "$S"/deriva.db*
	refused "deriva fsck" "$DERIVA" mount "$S" "$M"
	status_is 1 fsck
	has "deriva.db" "$(cat "$T/said")"
	status_is 0 fsck --repair
	has "what commands printed" "$(cat "$T/said")"
	status_is 0 fsck
	mount_it
	has random/uuid "$("$DERIVA" cat --store "$S" "$(attr recipe "$M/r")" | tr -d '\0')"
	tree "$M" | diff "$T/want" -
	tree "$M/.deriva/at/$seq" | diff "$T/past" -
	same "$T/r" "$M/r" # found, not run again
}

# Both are as valid as can be, but they are what the store was once.
an_older_state_is_refused_and_comes_back()
{
	refused "deriva fsck" "$DERIVA" mount "$S" "$M"
	status_is 1 fsck
	status_is 0 fsck --repair
	status_is 0 fsck
	mount_it
	tree "$M" | diff "$T/want" -
}

test_a_log_that_was_removed_is_noticed()
{
	echo 1 >"$M/old"
	umount_it
	mount_it
	echo 2 >"$M/new"
	rm "$M/old"
	sync "$M/new"
	tree "$M" >"$T/want"
	kill_daemon
	rm "$S/deriva.db-wal"
	an_older_state_is_refused_and_comes_back
}

test_a_log_from_before_is_noticed()
{
	echo 1 >"$M/old"
	sync "$M/old"
	cp "$S/deriva.db-wal" "$T/log"
	umount_it
	mount_it
	echo 2 >"$M/new"
	rm "$M/old"
	sync "$M/new"
	tree "$M" >"$T/want"
	kill_daemon
	cp "$T/log" "$S/deriva.db-wal"
	an_older_state_is_refused_and_comes_back
}

test_an_older_copy_of_the_database_is_noticed()
{
	echo 1 >"$M/old"
	umount_it
	cp "$S/deriva.db" "$T/db"
	mount_it
	echo 2 >"$M/new"
	rm "$M/old"
	tree "$M" >"$T/want"
	umount_it
	cp "$T/db" "$S/deriva.db"
	an_older_state_is_refused_and_comes_back
}

# Another program that reads the database checkpoints its log when it ends.
test_a_log_that_another_program_took_in_is_not_missed()
{
	echo 1 >"$M/f"
	sync "$M/f"
	kill_daemon
	"$PYTHON" -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(c.execute("select count(*) from change").fetchall())
c.close()' "$S/deriva.db" >/dev/null
	mount_it
	content 1 f
	umount_it
	status_is 0 fsck
}

# What tells an older log from the right one: nothing else would miss it.
test_damaged_marks_are_found_and_begun_anew()
{
	local at

	echo 1 >"$M/f"
	umount_it
	for at in 5 40 70 101 140 200; do
		flip "$S/deriva.db-mark" "$at"
		status_is 1 fsck
		has "deriva.db-mark" "$(cat "$T/said")"
		status_is 0 fsck --repair
		has "begun anew" "$(cat "$T/said")"
		status_is 0 fsck
		mount_it
		content 1 f
		echo 2 >"$M/g"
		umount_it
		status_is 0 fsck
	done
	# and a mount goes on without them, and makes them good
	flip "$S/deriva.db-mark" 66
	mount_it
	echo 3 >"$M/g"
	sync "$M/g"
	kill_daemon
	mount_it
	content 3 g
	umount_it
	status_is 0 fsck
}

test_parts_of_the_directory_that_are_lost_are_made_again()
{
	echo 1 >"$M/f"
	umount_it
	printf 'deriva stork 1\n' >"$S/format"
	status_is 1 fsck
	has format "$(cat "$T/said")"
	status_is 0 fsck --repair
	has "format" "$(cat "$T/said")"
	status_is 0 fsck
	rm -r "$S/format" "$S/drafts"
	refused "deriva fsck --repair" "$DERIVA" mount "$S" "$M"
	status_is 1 fsck
	status_is 0 fsck --repair
	mount_it
	content 1 f
	umount_it
	mv "$S/packs" "$T/packs"
	status_is 1 fsck
	status_is 1 fsck --repair
	has "/f@" "$(cat "$T/said")"
	mv "$T/packs"/* "$S/packs"
	status_is 0 fsck --repair
	mount_it
	content 1 f
}

test_an_empty_database_is_put_aside()
{
	echo 1 >"$M/f"
	umount_it
	rm -f "$S"/deriva.db-wal "$S"/deriva.db-shm "$S"/deriva.db-mark
	: >"$S/deriva.db"
	status_is 1 fsck
	status_is 0 fsck --repair
	ls "$S"/deriva.db.damaged-* >/dev/null
	mount_it
	content 1 f
}

test_only_a_store_at_rest_is_repaired()
{
	echo 1 >"$M/f"
	umount_it
	chmod u+w "$S"/packs/*
	printf x | dd of="$(find "$S/packs" -type f | sort | head -1)" conv=notrunc 2>/dev/null
	mount_it
	status_is 1 fsck --repair
	has "$M" "$(cat "$T/said")"
	umount_it
	status_is 0 fsck --repair
	has "header was written anew" "$(cat "$T/said")"
	status_is 0 fsck
}

test_usage()
{
	status_is 2 fsck nothing
	status_is 1 "$DERIVA" fsck --store "$T/nowhere"
}

run_tests "$@"
