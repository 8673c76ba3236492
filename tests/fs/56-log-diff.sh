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

run_tests "$@"
