#!/bin/bash
# What the commands say about derived files has to be true for every way to
# write a path, and asking must not compute anything, nor change what is asked
# about.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"

# A source, a derived file, one that fails, one in a directory.
project()
{
	mkdir "$M/sub"
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	recipe bad <<'END'
in: []
run: for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "line $i" >&2; done; exit 3
END
	recipe sub/e <<'END'
in: [/d]
run: cat "$root/d" "$root/d"
END
}

test_status_lists_and_sums_up()
{
	local said

	project
	said=$("$DERIVA" status "$M")
	has "new               -          -  $M/d" "$said"
	has "3 files: 3 new" "$said"
	eq 0 "$(status results)"
	cat "$M/sub/e" >/dev/null
	not cat "$M/bad" 2>/dev/null
	said=$(cd "$M" && "$DERIVA" status .)
	has "3 files: 2 fresh, 1 failed" "$said"
	[[ "$(grep sub/e <<<"$said")" =~ ^fresh\ .*\ sub/e$ ]]
	echo 2 >"$M/in"
	has stale "$("$DERIVA" status "$M/d")"
	lacks total "$("$DERIVA" status "$M/d")"
}

test_status_json_is_json()
{
	project
	not cat "$M/bad" 2>/dev/null
	cat "$M/d" >/dev/null
	"$DERIVA" status --json "$M" | "$PYTHON" -c '
import json, sys
l = {x["path"]: x for x in json.load(sys.stdin)}
assert set(l) == {"d", "bad", "sub/e"}, l
assert l["d"]["state"] == "fresh" and l["d"]["size"] == 2, l
assert l["d"]["cost_s"] > 0, l
assert l["bad"]["state"] == "failed" and l["bad"]["error"], l
assert l["sub/e"]["state"] == "new" and "size" not in l["sub/e"], l'
	mkdir "$M/empty"
	eq "[]" "$("$DERIVA" status --json "$M/empty")"
}

test_status_of_the_store()
{
	local said

	project
	said=$(cd "$M/sub" && "$DERIVA" status)
	has "$S" "$said"
	has "$M" "$said"
	(cd "$M" && "$DERIVA" status --json) | "$PYTHON" -c '
import json, sys
assert json.load(sys.stdin)["files"] >= 4'
}

test_build_n_names_states_and_computes_nothing()
{
	project
	cat "$M/d" >/dev/null
	eq "$(printf 'new     bad\nnew     sub/e\n')" \
		"$(cd "$M" && "$DERIVA" build -n .)"
	# getfattr would stat, and so compute them
	eq 2 "$("$DERIVA" build -n "$M" | grep -c ^new)"
	eq 1 "$(status results)"
	"$DERIVA" build -n "$M/in" "$M/d" >"$T/said"
	[ ! -s "$T/said" ]
}

test_build_reports_failures_with_the_end_of_their_output()
{
	local said rc=0

	project
	said=$("$DERIVA" build "$M" 2>&1) || rc=$?
	eq 1 "$rc"
	has "$M/bad: " "$said"
	has "    line 12" "$said"
	lacks "line 2"$'\n' "$said"
	eq fresh "$(state d)"
	eq fresh "$(state sub/e)"
	eq failed "$(state bad)"
}

test_build_goes_on_after_a_path_that_is_none()
{
	project
	refused nothing "$DERIVA" build "$M/nothing" "$M/d"
	eq fresh "$(state d)"
	"$DERIVA" build "$M/in"
	eq 2 "$(wc -c <"$M/in")"
}

test_build_many_at_once()
{
	local i

	for i in {1..60}; do
		recipe "n$i" <<END
in: []
run: echo $i
END
	done
	"$DERIVA" build -j 7 "$M"
	eq 60 "$(status results)"
	eq "" "$("$DERIVA" build -n "$M")"
}

runs()
{
	[ "$(status running)" = "$1" ]
}

test_build_ends_with_ctrl_c()
{
	local pid

	recipe slow <<'END'
in: []
run: sleep 300
END
	set -m
	"$DERIVA" build "$M/slow" &
	pid=$!
	set +m
	wait_for runs 1
	kill -INT "$pid"
	not wait "$pid"
	wait_for runs 0
}

test_paths_through_links()
{
	project
	cat "$M/d" >/dev/null
	ln -s m "$T/other"
	ln -s m/d "$T/out"
	ln -s d "$M/inner"
	ln -s "$M/sub" "$T/sub"
	local why

	why=$(cat "$M/.deriva/why/d")
	eq "$why" "$("$DERIVA" why "$T/other/d")"
	eq "$why" "$("$DERIVA" why "$T/out")"
	eq "$why" "$("$DERIVA" why "$M/inner")"
	eq "$why" "$("$DERIVA" why "$M/sub/../d")"
	eq "$why" "$(cd "$T/sub" && "$DERIVA" why ../d)"
	eq "$why" "$(cd "$M/sub" && "$DERIVA" why .././d)"
	has fresh "$("$DERIVA" status "$T/out")"
	has new "$("$DERIVA" status "$T/sub/e")"
	has new "$("$DERIVA" status "$T/sub/")"
}

test_why_and_output_of_a_failure_do_not_run_it()
{
	project
	not cat "$M/bad" 2>/dev/null
	eq 1 "$(status failures)"
	has 3 "$("$DERIVA" why "$M/bad")"
	has "line 12" "$("$DERIVA" output "$M/bad")"
	eq "$(cat "$M/.deriva/output/bad")" "$("$DERIVA" output "$M/bad")"
}

test_why_of_a_source_says_who_wrote_it()
{
	local said

	echo 1 >"$M/x"
	cp /etc/passwd "$M/p"
	chmod 600 "$M/p"
	mv "$M/x" "$M/y"
	said=$("$DERIVA" why "$M/p")
	has "$M/p is a source file, written by cp (uid $(id -u)) at 20" "$said"
	has "(change @" "$said"
	has "moved there by mv" "$("$DERIVA" why "$M/y")"
	has "is a source file" "$(cd "$M" && "$DERIVA" why p)"
	refused nothing "$DERIVA" why "$M/nothing"
	refused directory "$DERIVA" why "$M"
}

test_output_of_a_source_is_refused()
{
	project
	refused "in is a source file" "$DERIVA" output "$M/in"
	refused nothing "$DERIVA" output "$M/nothing"
	refused "is a directory" "$DERIVA" output "$M/sub"
}

test_retry_runs_it_again()
{
	recipe bad <<END
in: []
run: cat "$T/nothing"
END
	not cat "$M/bad" 2>/dev/null
	has failed "$("$DERIVA" status "$M/bad")"
	not cat "$M/bad" 2>/dev/null
	(cd "$M" && "$DERIVA" retry bad)
	lacks failed "$("$DERIVA" status "$M/bad")"
}

test_resolve_computes_and_follows()
{
	project
	eq "$(b3sum --no-names "$M/in")" "$("$DERIVA" resolve "$M/d")"
	eq fresh "$(state d)"
	ln -s d "$M/l"
	eq "$("$DERIVA" resolve "$M/d")" "$(cd "$M" && "$DERIVA" resolve l)"
	eq 2 "$("$DERIVA" resolve "$M/d" "$M/in" | wc -l)"
	refused bad "$DERIVA" resolve "$M/bad"
	refused directory "$DERIVA" resolve "$M/sub"
	refused nothing "$DERIVA" resolve "$M/nothing"
}

run_tests "$@"
