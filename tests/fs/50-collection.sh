#!/bin/bash
# Collection: what nothing needs goes and the disk is free again; what a file,
# the kept history, a snapshot, a pin, an open file needs stays. Dropped results
# keep their size and address and come back.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

disk()
{
	du -sk "$S/packs" | cut -f1
}

set_to()
{
	echo "$1" >"$M/.deriva/settings"
}

gc()
{
	"$DERIVA" gc --store "$S" "$@"
}

figure()
{
	sed -n 's/.*"'"$1"'":\([0-9]*\).*/\1/p'
}

clean()
{
	"$DERIVA" fsck --store "$S"
}

test_nothing_goes_while_all_is_kept()
{
	local i

	for i in 1 2 3; do
		"$SYS" noise 1 "$i" >"$M/f"
	done
	rm "$M/f"
	eq 0 "$(gc --json | figure objects)"
	"$SYS" noise 1 2 | cmp - "$M/.deriva/history/f"/*/ 2>/dev/null || true
	clean
}

test_old_versions_go_by_the_setting()
{
	local i before would freed t

	for i in 1 2 3 4 5; do
		"$SYS" noise 4 "$i" >"$M/f"
		if [ "$i" = 4 ]; then
			t=$(moment)
		fi
	done
	sync "$M/f"
	set_to "retention: last 2"
	eq "retention: last 2" "$(head -1 "$M/.deriva/settings")"
	before=$(disk)
	would=$(gc -n --json)
	eq "$before" "$(disk)"
	freed=$(gc --json)
	eq "${would/\"dry\":true/}" "${freed/\"dry\":false/}"
	at_most $((before - 3 * 4000)) "$(disk)"
	"$SYS" noise 4 5 | cmp - "$M/f"
	"$SYS" noise 4 4 | cmp - "$M/.deriva/at/$t/f"
	eq 0 "$(gc --json | figure objects)"
	clean
}

# The first rule that matches a file's path says what is kept of it.
test_rules_are_told_apart_by_patterns()
{
	local t message

	mkdir "$M/build"
	for i in 1 2 3; do
		echo "$i" >"$M/a.o"
		echo "$i" >"$M/a.c"
		echo "$i" >"$M/build/log"
		if [ "$i" = 2 ]; then
			t=$(moment)
		fi
	done
	set_to "retention: *.o: last 1; build/**: last 2; *: all"
	eq "retention: *.o: last 1; build/**: last 2; *: all" \
		"$(head -1 "$M/.deriva/settings")"
	has "keeps     *.o: last 1; build/**: last 2; *: all" \
		"$(cd "$M" && "$DERIVA" status)"
	has '"retention":"*.o: last 1; build/**: last 2; *: all"' \
		"$(cd "$M" && "$DERIVA" status --json)"
	gc
	errno ENODATA open r "$M/.deriva/at/$t/a.o"
	eq 2 "$(cat "$M/.deriva/at/$t/a.c")"
	eq 2 "$(cat "$M/.deriva/at/$t/build/log")"
	not set_to "retention: *.o: sometimes"
	message=$("$DERIVA" mount -o 'retention=*.o: last 1; x[: all' \
		"$T/s2" "$T/m2" 2>&1) && fail "a bad pattern is taken"
	has 'column 15: `[` without' "$message"
	clean
	"$DERIVA" umount "$M"
	has "*: all" "$("$DERIVA" status --store "$S")"
	mount_it
}

test_what_was_let_go_of_is_known_and_says_so()
{
	local t

	echo one >"$M/f"
	t=$(moment)
	echo longer >"$M/f"
	set_to "retention: last 1"
	gc
	eq 4 "$(stat -c %s "$M/.deriva/at/$t/f")"
	errno ENODATA open r "$M/.deriva/at/$t/f"
	has "not kept" "$("$DERIVA" log "$M/f")"
	has '"kept":false' "$("$DERIVA" log --json "$M/f")"
	clean
}

# Nobody had asked for them then; that is no damage.
test_what_was_never_made_of_it_says_so_too()
{
	local t d

	mkdir "$M/dir"
	echo one >"$M/f"
	echo one >"$M/dir/f"
	echo "in: [f]
fn: concat" >"$M/built.recipe"
	echo "in: [f]
run: cat f" >"$M/ran.recipe"
	echo "run: cat f" >"$M/saw.recipe"
	echo "in: [dir/]
run: cat dir/*" >"$M/under.recipe"
	t=$(moment)
	echo longer >"$M/f"
	echo longer >"$M/dir/f"
	set_to "retention: last 1"
	gc
	for d in built ran saw under; do
		errno ENODATA open r "$M/.deriva/at/$t/$d"
		content longer "$d"
	done
	has "built.recipe:2: its input f, as it was then, is not kept" \
		"$(cat "$S/log")"
	lacks "is damaged" "$(cat "$S/log")"
	clean
}

test_a_save_by_rename_counts_as_a_version()
{
	local i before

	for i in 1 2 3 4 5 6; do
		"$SYS" noise 4 "$i" >"$M/f.tmp"
		mv "$M/f.tmp" "$M/f"
	done
	sync "$M/f"
	before=$(disk)
	set_to "retention: last 2"
	gc
	at_most $((before - 4 * 4000)) "$(disk)"
	at_least 8000 "$(disk)"
}

test_a_removed_file_goes()
{
	local before

	"$SYS" noise 8 1 >"$M/f"
	sync "$M/f"
	before=$(disk)
	rm "$M/f"
	set_to "retention: last 1"
	gc
	at_most $((before - 8000)) "$(disk)"
}

test_a_duration_keeps_what_was_there_then()
{
	local t

	echo old >"$M/f"
	t=$(moment)
	echo new >"$M/f"
	set_to "retention: for 1h"
	gc
	eq old "$(cat "$M/.deriva/at/$t/f")"
	set_to "retention: for 10ms"
	sleep 0.1
	gc
	errno ENODATA open r "$M/.deriva/at/$t/f"
}

test_snapshots_keep()
{
	echo one >"$M/f"
	"$DERIVA" snapshot --store "$S" first
	echo two >"$M/f"
	echo three >"$M/f"
	set_to "retention: last 1"
	gc
	eq one "$(cat "$M/.deriva/at/first/f")"
	eq first "$(ls "$M/.deriva/at")"
	refused "already" "$DERIVA" snapshot --store "$S" first
	refused "is a time" "$DERIVA" snapshot --store "$S" yesterday
	clean
}

test_pins_keep()
{
	mkdir -p "$M/d/e"
	echo one >"$M/f"
	echo one >"$M/d/e/g"
	echo one >"$M/h"
	"$DERIVA" pin "$M/f" "$M/d"
	local t
	t=$(moment)
	echo two | tee "$M/f" "$M/d/e/g" "$M/h"
	set_to "retention: last 1"
	gc
	eq one "$(cat "$M/.deriva/at/$t/f")"
	eq one "$(cat "$M/.deriva/at/$t/d/e/g")"
	errno ENODATA open r "$M/.deriva/at/$t/h"
	eq 2 "$("$DERIVA" pins --store "$S" | wc -l)"
	(cd "$M" && "$DERIVA" unpin f d)
	eq "" "$("$DERIVA" pins --store "$S")"
	gc
	errno ENODATA open r "$M/.deriva/at/$t/f"
	refused "not pinned" "$DERIVA" unpin "$M/f"
}

test_an_open_file_is_read_to_its_end()
{
	local t

	"$SYS" noise 8 1 >"$T/old"
	cp "$T/old" "$M/f"
	cp "$T/old" "$M/gone"
	t=$(moment)
	exec 3<"$M/.deriva/at/$t/f" 4<"$M/gone"
	echo new >"$M/f"
	rm "$M/gone"
	set_to "retention: last 1"
	gc
	cmp - "$T/old" <&3
	cmp - "$T/old" <&4
	exec 3<&- 4<&-
	at_least 100 "$(gc --json | figure objects)"
	at_most 100 "$(disk)"
	clean
}

test_a_dropped_result_keeps_size_and_address()
{
	local addr

	recipe d <<'END'
in: []
run: echo ran >&2; seq 100000
END
	eq 588895 "$(wc -c <"$M/d")"
	addr=$(attr addr "$M/d")
	"$DERIVA" drop "$M/d"
	eq dropped "$(state d)"
	at_least 5 "$(gc --json | figure objects)"
	eq dropped "$(state d)"
	eq 588895 "$(stat -c %s "$M/d")"
	eq "$addr" "$(attr addr "$M/d")"
	eq dropped "$(state d)"
	umount_it
	mount_it
	eq dropped "$(state d)"
	eq 588895 "$(stat -c %s "$M/d")"
	eq dropped "$(state d)"
	seq 100000 | cmp - "$M/d"
	eq fresh "$(state d)"
	eq "$addr" "$(attr addr "$M/d")"
	clean
}

test_what_depends_on_a_dropped_result_needs_it_only_to_run()
{
	recipe a <<END
in: []
run: $UUID; seq 10000
END
	recipe b <<'END'
in: [a]
run: tail -1 a
END
	content 10000 b
	"$DERIVA" drop "$M/a"
	gc
	content 10000 b
	eq dropped "$(state a)"
	sed -i 's/tail -1/tail -2/' "$M/b.recipe"
	eq $'9999\n10000' "$(cat "$M/b")"
	eq fresh "$(state a)"
}

test_what_cannot_be_dropped_says_why()
{
	recipe d <<'END'
in: []
run: echo x
END
	refused "never computed" "$DERIVA" drop "$M/d"
	cat "$M/d"
	"$DERIVA" pin "$M/d"
	refused "is pinned" "$DERIVA" drop "$M/d"
	echo >"$M/f"
	refused "no derived file" "$DERIVA" drop "$M/f"
	"$DERIVA" unpin "$M/d"
	"$DERIVA" drop "$M/d"
}

test_settings_are_the_stores()
{
	eq $'retention: all\nbudget: none\ncollect: 10m\nverify: never' \
		"$(cat "$M/.deriva/settings")"
	umount_it
	mount_it -o 'retention=last 3'
	umount_it
	mount_it
	eq "retention: last 3" "$(head -1 "$M/.deriva/settings")"
	not set_to "retention: sometimes"
	eq 3 "$(sed -n 's/retention: last //p' "$M/.deriva/settings")"
	not "$DERIVA" mount -o retention=some "$T/s2" "$T/m2"
}

test_status_agrees_with_du()
{
	local want got

	"$SYS" noise 32 1 >"$M/f"
	sync "$M/f"
	want=$(du -s --block-size=1 "$S" | cut -f1)
	got=$(status disk_bytes)
	at_most $((want * 102 / 100)) "$got"
	at_least $((want * 98 / 100)) "$got"
	umount_it
	want=$(du -s --block-size=1 "$S" | cut -f1)
	got=$("$DERIVA" status --json --store "$S" | figure disk_bytes)
	at_most $((want * 102 / 100)) "$got"
	at_least $((want * 98 / 100)) "$got"
	mount_it
}

# What status says, from the rows and from the mount, is what du says.
du_agrees()
{
	local want got

	# what is written in the background comes to an end
	until want=$(du -s --block-size=1 "$S" | cut -f1)
		got=$("$DERIVA" status --json --store "$S" | figure disk_bytes)
		[ "$want" = "$(du -s --block-size=1 "$S" | cut -f1)" ]; do
		sleep 0.1
	done
	at_most $((want * 102 / 100)) "$got"
	at_least $((want * 98 / 100)) "$got"
}

test_status_agrees_with_du_whatever_happens()
{
	local i

	mkdir "$M/many"
	for i in $(seq 300); do
		echo "$i" >"$M/many/$i"
	done
	du_agrees
	"$SYS" noise 24 1 >"$M/large"
	seq 1000000 >"$M/text"
	sync "$M/text"
	du_agrees
	exec 3>"$M/draft"
	head -c 20000000 /dev/urandom >&3
	du_agrees
	exec 3>&-
	recipe d <<'END'
in: []
run: seq 300000
END
	cat "$M/d" >"$T/d"
	"$DERIVA" drop "$M/d"
	du_agrees
	rm "$M/large" "$M/draft"
	set_to "retention: last 1"
	gc
	du_agrees
	at_most $((30 << 20)) "$("$DERIVA" status --json --store "$S" |
		figure disk_bytes)"
	umount_it
	du_agrees
	mount_it
}

test_a_lost_database_comes_back_with_what_is_kept_and_let_go_of()
{
	local t i before

	mkdir "$M/d"
	"$SYS" noise 4 1 >"$M/f"
	echo one >"$M/d/g"
	"$DERIVA" snapshot --store "$S" first
	"$DERIVA" pin "$M/d"
	t=$(moment)
	for i in 2 3 4; do
		"$SYS" noise 4 "$i" >"$M/f"
		echo "$i" >"$M/d/g"
	done
	recipe r <<'END'
in: []
run: seq 100000
END
	cat "$M/r" >"$T/r"
	"$DERIVA" pin "$M/r"
	"$DERIVA" unpin "$M/r"
	"$DERIVA" drop "$M/r"
	set_to "retention: last 1"
	set_to "budget: 1G"
	set_to "collect: never"
	gc
	before=$("$DERIVA" log --json "$M/f")
	has '"kept":false' "$before"
	umount_it
	rm "$S"/deriva.db*
	"$DERIVA" fsck --store "$S" --repair >"$T/repair" || true
	not grep -E "set and pin|cannot be read" "$T/repair"
	clean
	mount_it
	eq "$before" "$("$DERIVA" log --json "$M/f")"
	eq $'retention: last 1\nbudget: 1G\ncollect: never' \
		"$(head -3 "$M/.deriva/settings")"
	has '"path":"d"' "$("$DERIVA" pins --json --store "$S")"
	not grep -q '"path":"r"' <<<"$("$DERIVA" pins --json --store "$S")"
	eq first "$(ls "$M/.deriva/at")"
	"$SYS" noise 4 1 | cmp - "$M/.deriva/at/first/f"
	eq one "$(cat "$M/.deriva/at/$t/d/g")"
	eq dropped "$(state r)"
	cmp "$T/r" "$M/r"
	gc
	"$SYS" noise 4 1 | cmp - "$M/.deriva/at/first/f"
	eq one "$(cat "$M/.deriva/at/$t/d/g")"
	"$SYS" noise 4 4 | cmp - "$M/f"
	clean
}

# stops SIGNAL: a collection, if it still is at it, ends at once and says so
stops()
{
	local pid began

	"$DERIVA" gc --store "$S" >"$T/gc" 2>&1 &
	pid=$!
	sleep 0.1
	began=$(ms)
	kill "-$1" "$pid" 2>/dev/null || return 0
	! wait "$pid" || return 0
	at_most 5000 $(($(ms) - began))
	! [ -s "$T/gc" ] || has "stopped" "$(cat "$T/gc")"
}

test_a_collection_is_stopped_at_once_and_loses_nothing()
{
	local i j began

	for i in 1 2 3; do
		for j in 1 2 3 4; do
			"$SYS" noise 8 "$i$j" >"$M/f$j"
		done
	done
	sync "$M/f4"
	set_to "retention: last 1"
	stops INT
	stops TERM
	for j in 1 2 3 4; do
		"$SYS" noise 8 "3$j" | cmp - "$M/f$j"
	done
	clean
	umount_it
	mount_it -o collect=100ms
	"$SYS" noise 24 5 >"$M/g"
	"$SYS" noise 24 6 >"$M/g"
	sync "$M/g"
	began=$(ms)
	umount_it
	at_most 10000 $(($(ms) - began))
	clean
	mount_it -o collect=never
	gc
	for j in 1 2 3 4; do
		"$SYS" noise 8 "3$j" | cmp - "$M/f$j"
	done
	at_most 70000 "$(disk)"
	clean
}

# break_a_node: the first of a pack
break_a_node()
{
	"$PYTHON" - "$S" <<'END'
import glob, os, struct, sys
for path in glob.glob(sys.argv[1] + "/packs/*.pack"):
    data = open(path, "rb").read()
    at = 32
    while at + 52 <= len(data) and data[at:at + 4] == b"\xf6DVR":
        stored, = struct.unpack_from("<I", data, at + 8)
        if data[at + 4] == 2:
            os.chmod(path, 0o600)
            with open(path, "r+b") as f:
                f.seek(at + 52 + stored // 2)
                f.write(bytes([data[at + 52 + stored // 2] ^ 1]))
            os.chmod(path, 0o400)
            sys.exit(0)
        at += 52 + stored
sys.exit("no node")
END
}

# What is below it is not known: nothing may be taken away.
test_a_damaged_node_stops_collection()
{
	local objects

	"$SYS" noise 4 1 >"$M/f"
	sync "$M/f"
	umount_it
	break_a_node
	mount_it
	"$SYS" noise 4 2 >"$M/g"
	sync "$M/g"
	rm "$M/g"
	set_to "retention: last 1"
	objects=$(status objects)
	refused "damaged or missing, a part of /f as of @" gc
	refused "deriva fsck --repair" gc
	at_least "$objects" "$(status objects)"
	"$SYS" noise 4 1 | "$DERIVA" put --store "$S" -
	gc
	"$SYS" noise 4 1 | cmp - "$M/f"
	at_most 6000 "$(disk)"
	clean
}

test_two_collections_take_turns()
{
	local i

	for i in 1 2 3 4 5 6; do
		"$SYS" noise 4 "$i" >"$M/f"
	done
	set_to "retention: last 1"
	gc >"$T/1" &
	gc >"$T/2"
	wait $!
	"$SYS" noise 4 6 | cmp - "$M/f"
	clean
}

run_tests "$@"
