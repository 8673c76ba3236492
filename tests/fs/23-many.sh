#!/bin/bash
# Directories with very many names, and many recipes in one: listings stay whole
# while they change, and nothing takes a time that grows with the square.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_ten_thousand_entries()
{
	mkdir "$M/d"
	"$SYS" writer "$M/d" 10000 >/dev/null
	eq 10000 "$(find "$M/d" -type f | wc -l)"
	eq 10000 "$(find "$M/d" -type f -size -2 | sort -u | wc -l)"
	eq 9999 "$(cat "$M/d/f9999")"
	umount_it
	mount_it
	eq 10000 "$(find "$M/d" -type f | wc -l)"
	eq "$(seq 10000 | b3sum)" \
		"$(cd "$M/d" && seq -f f%.0f 10000 | xargs cat | b3sum)"
}

test_a_listing_that_is_changed_meanwhile_stays_whole()
{
	mkdir "$M/d"
	"$SYS" writer "$M/d" 3000 >/dev/null
	"$PYTHON" - "$M/d" <<'END'
import os, sys
path = sys.argv[1]
seen = []
for i, e in enumerate(os.scandir(path)):
    seen.append(e.name)
    if i % 10 == 0:
        open(f"{path}/new{i}", "w").close()
        os.unlink(f"{path}/f{3000 - i // 10}")
assert len(seen) == len(set(seen)), "a name twice"
for n in range(1, 2700):
    assert f"f{n}" in seen, n
END
}

test_rm_r_of_ten_thousand()
{
	mkdir "$M/d"
	"$SYS" writer "$M/d" 10000 >/dev/null
	rm -r "$M/d"
	eq "" "$(ls -A "$M")"
}

test_five_hundred_recipes_as_functions()
{
	local start i

	mkdir "$M/d"
	for i in $(seq 500); do
		echo "$i" >"$M/d/i$i"
		printf '{in: [i%d], fn: concat}\n' "$i" >"$M/d/o$i.recipe"
	done
	start=$(ms)
	"$DERIVA" build "$M/d"
	echo "built in $(($(ms) - start)) ms"
	eq 500 "$(status results)"
	eq 250 "$(cat "$M/d/o250")"
	echo new >"$M/d/i250"
	"$DERIVA" build "$M/d"
	eq 501 "$(status results)"
	eq new "$(cat "$M/d/o250")"
	eq 1500 "$(find "$M/d" -type f | wc -l)"
}

test_a_glob_over_two_thousand_files()
{
	mkdir "$M/in"
	"$SYS" writer "$M/in" 2000 >/dev/null
	recipe d <<'END'
in: ["in/*"]
run: cat in/* | awk '{ s += $1 } END { print s }'
END
	content 2001000 d
	echo 0 >"$M/in/f2000"
	content 1999000 d
}

test_a_deep_tree()
{
	local i path=$M

	for i in $(seq 100); do
		path=$path/d$i
	done
	mkdir -p "$path"
	echo deep >"$path/f"
	eq deep "$(cat "$path/f")"
	cat >"$path/d.recipe" <<'END'
in: [f, ../../g]
run: cat f ../../g
END
	echo up >"$path/../../g"
	eq $'deep\nup' "$(cat "$path/d")"
	rm -r "$M/d1"
}

test_a_chain_of_two_hundred()
{
	local i

	echo 1 >"$M/c0"
	for i in $(seq 200); do
		printf '{in: [c%d], fn: concat}\n' $((i - 1)) >"$M/c$i.recipe"
	done
	content 1 c200
	echo 2 >"$M/c0"
	content 2 c200
}

run_tests "$@"
