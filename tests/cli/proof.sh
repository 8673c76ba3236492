#!/bin/bash
# What was done can be proved to others, who have nothing but the text: by
# `deriva verify-proof`, and by a program written from the manual page alone
# (tests/format/proofs.py). Nothing that was not done can be.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"
FORMAT=$(dirname "$0")/../format

head_of()
{
	"$DERIVA" head --store "$S" "$@"
}

prove()
{
	"$DERIVA" prove --store "$S" "$@"
}

other()
{
	"$PYTHON" "$FORMAT/proofs.py" "$@"
}

# proves WHAT FILE: both say so
proves()
{
	"$DERIVA" verify-proof "$2" >"$T/words"
	eq "$1" "$(other verify "$2")"
}

field()
{
	sed -n "s/^$1: //p" "$2"
}

test_each_kind_of_path_is_proved()
{
	local a odd

	mkdir -p "$M/d/e"
	printf hello >"$M/d/e/f"
	: >"$M/empty"
	ln -s d/e/f "$M/link"
	odd=$(printf 'x\xff %%y')
	echo odd >"$M/$odd"
	recipe derived <<'END'
in: [d/e/f]
run: cat d/e/f
END
	cat "$M/derived" >/dev/null
	a=$(printf hello | b3sum --no-names)
	prove d/e/f >"$T/p"
	proves "d/e/f: content $a" "$T/p"
	has "$a" "$(cat "$T/words")"
	has "/d/e/f became this at change" "$(cat "$T/words")"
	lacks derived "$(cat "$T/p")" # nothing of others
	"$DERIVA" prove "$M/derived" >"$T/p"
	proves "derived: content $a" "$T/p"
	prove empty >"$T/p"
	proves "empty: content $(b3sum --no-names </dev/null)" "$T/p"
	prove link >"$T/p"
	proves "link: link d/e/f" "$T/p"
	(cd "$M/d" && "$DERIVA" prove e >"$T/p")
	proves "d/e: inode" "$T/p"
	prove "$odd" >"$T/p"
	proves "$odd: content $(echo odd | b3sum --no-names)" "$T/p"
	has "path: x%ff%20%25y" "$(cat "$T/p")"
	# in the past, and under the name of now
	before=$(moment)
	echo other >"$M/d/e/f"
	mv "$M/d" "$M/moved"
	prove --at "$before" d/e/f >"$T/p"
	proves "d/e/f: content $a" "$T/p"
	prove moved/e/f >"$T/p"
	proves "moved/e/f: content $(echo other | b3sum --no-names)" "$T/p"
	refused "it was not there then" prove d/e/f
	refused "there is no such change yet" prove --at @99999 moved
	refused "neither a moment nor" prove --at nonsense moved
}

# Whatever is changed in it, nothing is proven any more.
test_a_proof_that_was_changed_proves_nothing()
{
	local n i rc

	for ((i = 0; i < 10; i++)); do
		echo "$i" >"$M/f$i"
	done
	prove f3 >"$T/p"
	proves "f3: content $(echo 3 | b3sum --no-names)" "$T/p"
	n=$(wc -l <"$T/p")
	"$PYTHON" - "$T/p" "$T" <<'END'
import sys
lines = open(sys.argv[1]).read().splitlines(True)
def put(n, changed):
    open("%s/bad%03d" % (sys.argv[2], n), "w").write("".join(changed))
n = 0
for i, line in enumerate(lines):
    # another last digit or letter of each line; the line gone; twice
    other = line[:-2] + ("1" if line[-2] != "1" else "2") + "\n"
    for new in ([other], [], [line, line]):
        put(n, lines[:i] + new + lines[i + 1:])
        n += 1
put(n, lines + ["\n"])
put(n + 1, lines[:-1] + [lines[-1][:-1]])
END
	for p in "$T"/bad*; do
		rc=0
		"$DERIVA" verify-proof "$p" >"$T/out" 2>"$T/said" || rc=$?
		eq 1 "$rc" || { diff "$p" "$T/p"; return 1; }
		eq "" "$(cat "$T/out")"
		has "proves nothing" "$(cat "$T/said")"
	done
	for p in "$T"/bad*[05]; do
		not other verify "$p" 2>"$T/said"
	done
	at_least 60 "$(find "$T" -name 'bad*' | wc -l)"
}

test_a_head_is_the_root_of_all_records()
{
	local i rc=0

	for ((i = 0; i < 150; i++)); do
		echo "$i" >"$M/f$i"
		[ "$i" != 60 ] || head_of >"$T/early"
	done
	head_of >"$T/head"
	eq "$(field size "$T/head") $(field root "$T/head")" \
		"$(other root "$S")"
	eq "$(field root "$T/early")" \
		"$(other root "$S" "$(field size "$T/early")" | cut -d' ' -f2)"
	proves "head of $(field size "$T/head")" "$T/head"
	at_least 257 "$(field size "$T/head")" # more than a tile
	eq "$(cat "$T/head")" "$(head_of)" # nothing was done since
	eq "$(field root "$T/head")" "$(head_of --json | jq -r .root)"
	eq "$(field change "$T/head")" "$(head_of --json | jq -r .change)"
	# the key is secret
	eq 600 "$(stat -c %a "$S/key")"
	lacks "$(cut -d' ' -f4 "$S/key")" "$(cat "$T/head")"
	# one goes on from the other
	prove --since "$T/early" >"$T/p"
	proves "$(field size "$T/head") goes on from $(field size "$T/early")" \
		"$T/p"
	"$DERIVA" verify-proof "$T/p" "$(field root "$T/early")" >"$T/words"
	root=$(field root "$T/head")
	"$DERIVA" verify-proof - "$root" <"$T/head" \
		>"$T/words"
	refused "about another" "$DERIVA" verify-proof "$T/p" \
		"$(field root "$T/head")"
	sed -i "s/^hash: ./hash: x/" "$T/p"
	refused "proves nothing" "$DERIVA" verify-proof "$T/p"
	"$DERIVA" verify-proof "$T/p" nonsense 2>"$T/said" || rc=$?
	eq 2 "$rc"
	# of another store
	"$DERIVA" mount "$T/s2" "$T/m2"
	for ((i = 0; i < 200; i++)); do : >"$T/m2/$i"; done
	"$DERIVA" umount "$T/m2"
	refused "of another store, or was rewritten" \
		"$DERIVA" prove --store "$T/s2" --since "$T/early"
	sed -i 's/^change: /change: 1/' "$T/early"
	refused "its signature is wrong" prove --since "$T/early"
}

test_heads_outlive_kills_and_need_no_mount()
{
	local round

	for round in 1 2 3; do
		(cd "$M" && for ((i = 0; i < 30; i++)); do
			echo "$i" >"$round-$i"
		done)
		head_of >"$T/head$round"
		echo lost >"$M/lost$round"
		kill_daemon
		mount_it
	done
	umount_it
	for round in 1 2 3; do
		prove --since "$T/head$round" >"$T/p"
		"$DERIVA" verify-proof "$T/p" "$(field root "$T/head$round")" \
			>"$T/words"
	done
	prove 2-7 >"$T/p"
	proves "2-7: content $(echo 7 | b3sum --no-names)" "$T/p"
	"$DERIVA" fsck --store "$S" >"$T/said"
	lacks damaged "$(cat "$T/said")"
}

run_tests "$@"
