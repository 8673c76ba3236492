#!/bin/bash
# Who did what to a file, and in what two moments differ: of one path, of a tree,
# of what is gone, for people and for programs.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

log()
{
	"$DERIVA" log "$@"
}

# what [OPTION...] PATH: the third column of its log
what()
{
	log "$@" | awk '{ printf "%s%s", s, $3; s = " " }'
}

test_log_says_what_was_done()
{
	echo 1 >"$M/f"
	chmod 600 "$M/f"
	touch -d 2001-01-01 "$M/f"
	setfattr -n user.a -v b "$M/f"
	ln "$M/f" "$M/l"
	mv "$M/f" "$M/g"
	rm "$M/l"
	eq "create write mode time rename" "$(what "$M/f")"
	has " 0600 " "$(log "$M/f")"
	has "to g" "$(log "$M/f")"
	eq "link unlink" "$(what "$M/l")"
	eq "rename" "$(what "$M/g")"
	has "from f" "$(log "$M/g")"
	eq "create write mode time link rename" "$(what --follow "$M/g")"
	has "chmod (uid $(id -u))" "$(log --follow "$M/g")"
}

test_log_of_directories_that_came_again()
{
	mkdir "$M/d"
	echo 1 >"$M/d/f"
	rm -r "$M/d"
	mkdir "$M/d"
	echo 2 >"$M/d/f"
	eq "create write unlink create write" "$(what "$M/d/f")"
	mv "$M/d" "$M/e"
	echo 3 >"$M/e/f"
	eq "create write unlink create write" "$(what "$M/d/f")"
	eq "create unlink create rename" "$(what "$M/d")"
}

test_log_of_a_tree()
{
	local n

	mkdir -p "$M/d/e"
	echo 1 >"$M/d/e/f"
	echo 1 >"$M/other"
	n=$(status changes)
	mv "$M/d/e" "$M/d/g"
	echo 2 >"$M/d/g/f"
	rm -r "$M/d"
	eq "create create create write rename rename write unlink unlink unlink" \
		"$(what -r "$M/d")"
	has "d/g/f" "$(log -r "$M/d")"
	lacks other "$(log -r "$M/d")"
	has other "$(log -r "$M")"
	eq "rename rename write unlink unlink unlink" \
		"$(what -r --since "@$n" "$M/d")"
	log -r --json "$M/d" | "$PYTHON" -c '
import json, sys
l = json.load(sys.stdin)
assert [x["path"] for x in l] == ["d", "d/e", "d/e/f", "d/e/f", "d/e", "d/g",
    "d/g/f", "d/g/f", "d/g", "d"], l
assert l[4]["to"] == "d/g" and l[5]["from"] == "d/e", l
assert l[3]["uid"] == '"$(id -u)"' and l[3]["program"], l'
	refused "not a time" "$DERIVA" log --since nonsense "$M/other"
}

test_log_says_what_caused_a_result()
{
	local n

	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	cat "$M/d"
	echo 2 >"$M/in"
	cat "$M/d"
	recipe d <<'END'
in: [in]
run: cat in in
END
	cat "$M/d"
	eq "because it had never been computed" \
		"$(log "$M/d" | sed -n '1s/.*\(because\)/\1/p')"
	has "because in changed from " "$(log "$M/d" | sed -n 2p)"
	has "because the command changed" "$(log "$M/d" | sed -n 3p)"
	log --json "$M/d" | "$PYTHON" -c '
import json, sys
l = json.load(sys.stdin)
assert [len(x["because"]) for x in l] == [1, 1, 1], l'
	mv "$M/in" "$M/away"
	not cat "$M/d"
	mv "$M/away" "$M/in"
	cat "$M/d"
	eq "because what it failed for is mended" \
		"$(log "$M/d" | sed -n '$s/.*\(because\)/\1/p')"
	recipe o <<'END'
run: cat "$root/in"
END
	cat "$M/o"
	echo 3 >"$M/in"
	cat "$M/o"
	has "because " "$(log "$M/o" | tail -n 1)"
	has "in" "$(log "$M/o" | sed -n '$s/.*because//p')"
}

test_log_is_paged_on_a_terminal()
{
	local said

	echo 1 >"$M/f"
	said=$(PAGER='sed s/^/page:/' script -qec "$DERIVA log $M/f" /dev/null)
	has "page:@" "$said"
}

# now: the number of the last change
now()
{
	echo "@$(status changes)"
}

test_diff_of_a_text_is_what_patch_takes()
{
	local a b

	seq 1 40 >"$M/f"
	a=$(now)
	sed '3d; 20s/.*/other/; 38a more' <(seq 1 40) >"$M/f"
	b=$(now)
	printf 'no newline' >"$M/f"
	"$DERIVA" diff "$M/f" "$a" "$b" >"$T/patch"
	eq 3 "$(grep -c '^@@' "$T/patch")"
	seq 1 40 >"$T/f"
	patch -s "$T/f" "$T/patch"
	same "$M/.deriva/at/$b/f" "$T/f"
	"$DERIVA" diff "$M/f" "$b" "$a" | patch -s "$T/f"
	same "$M/.deriva/at/$a/f" "$T/f"
	# without moments: the last thing that happened to it
	has "+no newline" "$("$DERIVA" diff "$M/f")"
	has "No newline at end" "$("$DERIVA" diff "$M/f")"
	has "-3" "$("$DERIVA" diff "$M/f" "$a" "$b")"
	eq "" "$("$DERIVA" diff "$M/f" "$b" "$b")"
	chmod 600 "$M/f"
	has "new mode 100600" "$("$DERIVA" diff "$M/f")"
}

test_diff_of_a_file_that_came_or_went()
{
	local a b

	echo x >"$M/other"
	a=$(now)
	echo 1 >"$M/f"
	b=$(now)
	rm "$M/f"
	eq 1 "$("$DERIVA" diff "$M/f" "$a" "$b" | grep -c '^+1')"
	has "/dev/null" "$("$DERIVA" diff "$M/f" "$a" "$b")"
	eq 1 "$("$DERIVA" diff --store "$S" f "$b" | grep -c '^-1')"
	eq 1 "$("$DERIVA" diff "$M/f" | grep -c '^-1')"
	refused "no such file" "$DERIVA" diff "$M/never" "$a" "$b"
	refused "not a time" "$DERIVA" diff "$M/f" nonsense
}

test_diff_of_large_contents_is_by_chunks()
{
	local a said

	"$SYS" noise 48 1 >"$M/f"
	sync "$M/f"
	a=$(now)
	printf changed | dd of="$M/f" bs=1 seek=25000000 conv=notrunc status=none
	sync "$M/f"
	said=$("$DERIVA" diff "$M/f" "$a")
	has "Contents differ: -" "$said"
	has " of 48.0 MiB, 1 chunk" "$said"
	at_most 8 "$(wc -l <<<"$said")"
	has "+: bytes 2" "$said"
}

test_diff_of_a_tree()
{
	local a b

	mkdir -p "$M/d/e" "$M/d/gone" "$M/x"
	for f in d/same d/written d/mode d/e/deep d/moved d/gone/f d/to_dir x/out; do
		echo "$f" >"$M/$f"
	done
	ln -s one "$M/d/link"
	a=$(now)
	echo 2 >"$M/d/written"
	echo 2 >"$M/d/same"
	echo d/same >"$M/d/same"
	chmod 600 "$M/d/mode"
	mv "$M/d/e" "$M/d/e2"
	echo 2 >"$M/d/e2/deep"
	mv "$M/d/moved" "$M/d/e2/here"
	rm -r "$M/d/gone"
	rm "$M/d/to_dir"
	mkdir "$M/d/to_dir"
	echo new >"$M/d/new"
	ln -sf two "$M/d/link"
	mv "$M/x/out" "$M/d/in"
	echo short >"$M/d/short"
	rm "$M/d/short"
	b=$(now)
	eq $'R\td/e -> d/e2/
M\td/e/deep -> d/e2/deep
R\td/moved -> d/e2/here
D\td/gone/
D\td/gone/f
A\td/in
M\td/link
M\td/mode
A\td/new
M\td/to_dir/
M\td/written' "$("$DERIVA" diff "$M/d" "$a" "$b")"
	has $'R\tx/out -> d/in' "$("$DERIVA" diff "$M" "$a" "$b")"
	has $'A\td/gone/f' "$("$DERIVA" diff "$M/d" "$b" "$a")"
	has "+new" "$("$DERIVA" diff -p "$M/d" "$a" "$b")"
	has "-> two" "$("$DERIVA" diff -p "$M/d" "$a" "$b")"
	"$DERIVA" diff --json "$M/d" "$a" "$b" | "$PYTHON" -c '
import json, sys
l = {x.get("to") or x["from"]: x for x in json.load(sys.stdin)}
assert l["d/e2/here"]["what"] == "renamed" and l["d/e2/here"]["from"] == "d/moved", l
assert l["d/mode"]["old"]["mode"] == "100644", l
assert "new" not in l["d/gone/f"] and len(l) == 11, l'
	"$DERIVA" snapshot --store "$S" here
	eq "" "$("$DERIVA" diff "$M")"
	echo 1 >"$M/later"
	eq $'A\tlater' "$("$DERIVA" diff "$M")"
	eq $'A\tlater' "$("$DERIVA" diff "$M" here now)"
}

test_diff_of_derived_files()
{
	local a

	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	cat "$M/d"
	a=$(now)
	echo 2 >"$M/in"
	cat "$M/d"
	eq $'-1\n+2' "$("$DERIVA" diff "$M/d" "$a" | grep '^[-+][0-9]')"
}

run_tests "$@"
