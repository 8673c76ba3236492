#!/bin/bash
# What lies on the disk is what deriva-store(5) says, and says all: a second
# program, written from that page alone, finds every name, attribute and content
# of every moment in the packs of a store that was used.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
FORMAT=$(dirname "$0")/../format

format()
{
	"$PYTHON" "$FORMAT/$1" "${@:2}"
}

# Every kind of change, each with a version of its own.
use_it()
{
	mkdir "$M/d" "$M/d/e"
	echo one >"$M/f"
	: >"$M/empty"
	"$SYS" noise 3 7 >"$M/d/noise"
	truncate -s 100M "$M/sparse"
	echo tail >>"$M/sparse"
	ln -s ../f "$M/d/link"
	ln "$M/f" "$M/d/e/hard"
	mkfifo "$M/d/pipe"
	printf 'x\xff\ny' >"$M/$(printf 'odd\xff name')"
	echo two >"$M/f"
	chmod 4751 "$M/f"
	touch -d '2001-02-03 04:05:06.789' "$M/f" "$M/d"
	setfattr -n user.a -v one "$M/f"
	setfattr -n user.a -v two "$M/f"
	setfattr -n user.b "$M/d"
	setfattr -x user.a "$M/f"
	mv "$M/d/noise" "$M/d/e/moved"
	mv "$M/d/e" "$M/up"
	mv "$M/empty" "$M/up/hard"
	dd if=/dev/zero of="$M/up/moved" bs=1000 seek=1500 count=3 \
		conv=notrunc status=none
	truncate -s 40000 "$M/up/moved"
	rm "$M/d/link"
	rm -r "$M/up"
	[ "$(id -u)" != 0 ] || mknod "$M/dev" b 8 17
	[ "$(id -u)" != 0 ] || chown 12:34 "$M/f"
}

compute_it()
{
	recipe big <<'END'
in: [sparse]
run: tr '\0' x <sparse | head -c 500000
END
	recipe bad <<'END'
in: []
run: exit 3
END
	recipe script <<'END'
in: [f]
run: cp f $out; chmod +x $out
END
	cat "$M/big" "$M/script" >/dev/null
	not cat "$M/bad" 2>/dev/null
	echo other >"$M/f"
	cat "$M/script" >/dev/null
}

test_journals_say_all_that_was_at_every_change()
{
	local said

	use_it
	compute_it
	sync "$M/f"
	said=$(format mounted.py "$S" "$M")
	at_least 30 "${said%% moments*}"
	at_least 100 "$(grep -o '[0-9]* files' <<<"$said" | cut -d' ' -f1)"
}

# A branch is what its own records make of what it began from.
test_journals_say_what_branches_were_at_every_change()
{
	local b=$T/b

	mkdir "$M/d" "$b"
	echo one >"$M/f"
	ln "$M/f" "$M/d/hard"
	setfattr -n user.a -v one "$M/f"
	"$DERIVA" branch b "$M"
	"$DERIVA" branch -m b fix/1 "$M"
	echo main >"$M/f"
	mount_at "$S" "$b" -o branch=fix/1
	echo own >"$b/f"
	mv "$b/d" "$b/moved"
	setfattr -x user.a "$b/f"
	echo new >"$b/g"
	sync "$b/g"
	rm "$M/d/hard"
	sync "$M/f"
	format mounted.py "$S" "$b" fix/1
	format mounted.py "$S" "$M"
	"$DERIVA" umount "$b"
	"$DERIVA" merge fix/1 "$M" >/dev/null || true # with a conflict
	"$DERIVA" branch -D fix/1 "$M"
	sync "$M/f"
	format mounted.py "$S" "$M"
	format format.py log "$S" >"$T/log"
	has "branch number=2 parent=1 since=" "$(cat "$T/log")"
	has "merged number=2 upto=" "$(cat "$T/log")"
	has "unbranch number=2" "$(cat "$T/log")"
}

test_every_object_is_as_the_page_says()
{
	use_it
	compute_it
	umount_it
	format format.py check "$S" >"$T/said"
	lacks damaged "$(format format.py objects "$S")"
	at_least 10 "$(sed -n 's/ chunk$//p' "$T/said")"
	at_least 3 "$(sed -n 's/ recipe$//p' "$T/said")"
}

# log(1) and the journals tell of the same changes.
test_the_log_is_that_of_the_journals()
{
	echo 1 >"$M/f"
	echo 2 >"$M/f"
	mv "$M/f" "$M/g"
	rm "$M/g"
	sync "$M"
	"$DERIVA" log "$M/f" | awk '$1 ~ /^@/ { print substr($1, 2) }' |
		sort -u >"$T/log"
	format format.py log "$S" | awk '/^[0-9]/ { print $1 }' |
		sort -u >"$T/journals"
	at_least 3 "$(wc -l <"$T/log")"
	eq "" "$(comm -23 "$T/log" "$T/journals")"
}

test_a_damaged_byte_is_seen_and_the_rest_found()
{
	local pack objects

	"$SYS" noise 1 3 >"$M/f"
	umount_it
	objects=$(format format.py objects "$S" | grep -c ' right$')
	pack=$(echo "$S"/packs/*.pack)
	chmod u+w "$pack"
	printf 'XX' | dd of="$pack" bs=1 seek=500000 conv=notrunc status=none
	printf 'XX' | dd of="$pack" bs=1 seek=33 conv=notrunc status=none
	not format format.py objects "$S" >"$T/said"
	eq $((objects - 2)) "$(grep -c ' right$' "$T/said")"
	eq 1 "$(grep -c ' damaged$' "$T/said")"
	eq 1 "$(grep -c '^damaged: .* from 32 to ' "$T/said")"
}

run_tests "$@"
