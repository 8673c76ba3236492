#!/bin/bash
# Two lines of work become one: what git merges is merged as git does it, what
# git calls a conflict is one, and nothing of either is lost; also the second
# time, the other way round, and between branches that met elsewhere.
# MERGE_ROUNDS (default 6), MERGE_WORLDS (24) and MERGE_SEED make it longer, and
# another.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# branch NAME [MOUNT]: made from what that shows, mounted at $T/NAME
branch()
{
	"$DERIVA" branch "$1" "${2-$M}"
	mkdir -p "$T/$1"
	mount_at "$S" "$T/$1" -o "branch=$1"
}

off()
{
	local name

	for name; do
		"$DERIVA" umount "$T/$name"
	done
}

# merge FROM [MOUNT]
merge()
{
	"$DERIVA" merge "$1" "${2-$M}"
}

test_as_git_merges()
{
	local w p

	for ((w = 0; w < ${MERGE_WORLDS:-24}; w++)); do
		mkdir -p "$M/w$w/a/b"
		for p in b c a/a a/b/a; do
			seq -f "$w $p %g" 8 >"$M/w$w/$p"
		done
	done
	branch b
	branch c
	"$PYTHON" "$(dirname "$0")/merge_git.py" "$T" "$M" \
		"${MERGE_ROUNDS:-6}" "${MERGE_SEED:-1}"
	off b c
	umount_it
	"$DERIVA" fsck --store "$S" >"$T/fsck" || { cat "$T/fsck"; return 1; }
	mount_it
}

# What both have since they met is where the next merge begins, whichever way it
# came to them.
test_by_way_of_another()
{
	seq 9 >"$M/f"
	echo x >"$M/gone"
	branch b
	branch c
	sed -i s/^5$/five/ "$T/b/f"
	merge b "$T/c"
	rm "$T/c/gone"
	sed -i s/^five$/FIVE/ "$T/c/f"
	merge c
	# main has b's change, and what c made of it
	has 'up to date' "$(merge b)"
	echo more >"$T/b/more"
	merge b
	eq FIVE "$(sed -n 5p "$M/f")"
	not ls "$M/gone" 2>/dev/null
	content more more
	# and two that both took the same from main
	echo base >"$M/g"
	merge main "$T/b" >/dev/null
	merge main "$T/c" >/dev/null
	echo b >"$T/b/g"
	merge b "$T/c"
	eq b "$(cat "$T/c/g")"
	off b c
}

# The same on both sides is no news, but it has met.
test_the_same_on_both_sides()
{
	echo 1 >"$M/f"
	branch b
	echo 2 >"$M/f"
	echo 2 >"$T/b/f"
	merge b
	echo 3 >"$M/f"
	echo 4 >"$T/b/g"
	merge b
	content 3 f
	content 4 g
	has 'up to date' "$(merge b)"
	off b
}

# A link that theirs leads elsewhere, where ours has given its name away; names
# beside that theirs has as well.
test_names_that_are_taken()
{
	local n i

	ln -s old "$M/link"
	echo 1 >"$M/f"
	branch b
	mv "$M/link" "$M/moved"
	echo ours >"$M/link"
	ln -sfn new "$T/b/link"
	echo ours >"$M/f"
	echo theirs >"$T/b/f"
	echo x >"$T/b/x"
	n=$(status_of "$T/b" changes)
	# one of them is what the name beside would be
	for ((i = n + 10; i < n + 50; i++)); do
		ln "$T/b/x" "$T/b/f.b~$i"
	done
	not merge b >/dev/null
	content ours link
	eq new "$(readlink "$M/moved")"
	content ours f
	has theirs "$(cat "$M"/f.b~*)"
	for ((i = n + 10; i < n + 50; i++)); do
		content x "f.b~$i"
	done
	off b
}

# Directories that change places on one side only.
test_directories_change_places()
{
	mkdir -p "$M/a/b/c"
	echo 1 >"$M/a/b/c/f"
	branch b
	mv "$T/b/a/b/c" "$T/b/c"
	mv "$T/b/a/b" "$T/b/c/b"
	mv "$T/b/a" "$T/b/c/b/a"
	echo 2 >"$M/a/b/g"
	merge b
	eq "c c/b c/b/a c/b/g c/f " "$(cd "$M" && find . -mindepth 1 |
		sed 's,^./,,' | sort | tr '\n' ' ')"
	off b
}

# A change of many paths is one line for those who watch, in time of its size.
test_a_change_of_many_paths()
{
	local n=${MERGE_MANY:-2000}

	branch b
	"$PYTHON" -c '
import sys
for i in range(int(sys.argv[2])):
    open(sys.argv[1] + "/n%d" % i, "w").close()' "$T/b" "$n"
	merge b >/dev/null
	eq "$n" "$("$DERIVA" watch --since 0 --no-wait "$M" | grep '"op":"merge"' |
		grep -o '"n[0-9]*"' | sort -u | wc -l)"
	off b
}

run_tests "$@"
