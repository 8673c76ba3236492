#!/bin/bash
# What is known about results: whether they come out the same when they are made
# again, what they depend on, and what one computation was.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

recipes()
{
	echo hello >"$M/a.txt"
	recipe same <<'END'
in: [a.txt]
run: tr a-z A-Z <a.txt
END
	recipe other <<END
in: [a.txt]
run: $UUID
END
}

verify()
{
	"$DERIVA" verify --recompute "$@"
}

test_what_comes_out_the_same_is_reproducible()
{
	recipes
	content HELLO same
	eq '1 the same' "$(verify "$M/same")"
	verify --json "$M/same" | grep -q '"verdict":"same".*"times":2'
	has 'verified: made again 2 times' "$("$DERIVA" why "$M/same")"
	eq fresh "$(state same)"
	# also what was never computed, and built-in functions
	recipe sum <<'END'
in: [same]
fn: sha256
END
	eq '1 the same' "$(verify "$M/sum")"
}

test_what_differs_is_marked_and_both_are_kept()
{
	local first json a b

	recipes
	first=$(cat "$M/other")
	json=$(verify --json "$M/other" 2>&1) && return 1
	has '"verdict":"different"' "$json"
	eq "$first" "$(cat "$M/other")" # what it holds stays
	a=$(sed -n 's/.*"address":"\([0-9a-f]*\)".*/\1/p' <<<"$json")
	b=$(sed -n 's/.*"other":"\([0-9a-f]*\)".*/\1/p' <<<"$json")
	eq "$a" "$(attr addr "$M/other")"
	eq "$first" "$("$DERIVA" cat --store "$S" "$a")"
	ne "$first" "$("$DERIVA" cat --store "$S" "$b")"
	has 'not reproducible' "$("$DERIVA" why "$M/other")"
	refused 'not reproducible' "$DERIVA" drop "$M/other"
	"$DERIVA" gc --store "$S"
	"$DERIVA" cat --store "$S" "$b" >/dev/null
	"$DERIVA" cat --store "$S" "$a" >/dev/null
	refused 'not reproducible' "$DERIVA" verify --recompute "$M/other"
	eq '1 whole' "$("$DERIVA" verify "$M/other")"
	cmp -s "$M/.deriva/recipes/$(attr recipe "$M/other")/output" \
		"$M/.deriva/recipes/$(attr recipe "$M/other")/other" && return 1
	# all below a directory, and what cannot be compared
	recipe bad <<'END'
in: [a.txt]
run: exit 3
END
	has '1 the same, 1 different, 1 without a result' \
		"$(verify "$M" 2>/dev/null)"
}

test_one_of_several_outputs_differs()
{
	recipes
	recipe two <<END
in: [a.txt]
out: {one: two.one, rest: two.rest}
run: cp a.txt "\$one"; $UUID >"\$rest"
END
	content hello two.one
	cat "$M/two.rest" >/dev/null
	eq '1 the same' "$(verify "$M/two.one")"
	has 'verified: made again 1 time' "$("$DERIVA" why "$M/two.one")"
	has 'not reproducible' "$("$DERIVA" why "$M/two.rest")"
	"$DERIVA" drop "$M/two.one"
	refused 'not reproducible' "$DERIVA" drop "$M/two.rest"
}

test_observed_inputs_are_compared_too()
{
	recipes
	recipe seen <<'END'
run: cat a.txt
END
	content hello seen
	eq '1 the same' "$(verify "$M/seen")"
	recipe odd <<END
run: cat a.txt; $UUID
END
	cat "$M/odd" >/dev/null
	refused 'not reproducible' "$DERIVA" verify --recompute "$M/odd"
}

test_a_background_sample_by_setting()
{
	has 'verify: never' "$(cat "$M/.deriva/settings")"
	echo 'verify: 100%' >"$M/.deriva/settings"
	has 'verify: 100%' "$(cat "$M/.deriva/settings")"
	not sh -c "echo 'verify: often' >'$M/.deriva/settings'"
	sleep 1.1
	recipes
	cat "$M/other" "$M/same" >/dev/null
	told()
	{
		"$DERIVA" why "$M/other" | grep -q 'not reproducible' &&
			"$DERIVA" why "$M/same" | grep -q 'made again 1 time'
	}
	wait_for told
}

test_the_graph_of_what_files_depend_on()
{
	local text

	mkdir "$M/d"
	echo 1 >"$M/d/a.csv"
	echo 2 >"$M/d/b.csv"
	recipe d/%.out <<'END'
in: ["%.csv"]
run: cat *.csv
END
	recipe all <<'END'
in: {parts: "d/*.out", more: [/missing]}
run: cat $parts
END
	recipe seen <<'END'
run: cat d/a.out; cat nothing || true
END
	text=$("$DERIVA" graph "$M/all")
	has 'all  failed  all.recipe' "$text"
	has '    derived    d/a.out' "$text"
	has '    missing    missing' "$text"
	has 'd/b.out  new  d/%.out.recipe' "$text"
	has '    source     d/b.csv' "$text"
	cat "$M/seen" >/dev/null
	text=$("$DERIVA" graph --dot "$M/seen")
	has '"d/a.out" -> "seen";' "$text"
	has '"d/a.csv" -> "d/a.out";' "$text"
	"$DERIVA" graph --json "$M" | "$PYTHON" -c '
import json, sys
g = {v["path"]: v for v in json.load(sys.stdin)}
assert set(g) == {"all", "d/a.out", "d/b.out", "seen"}, g
assert g["seen"]["state"] == "fresh", g
assert g["d/a.out"]["inputs"] == [{"path": "d/a.csv", "kind": "source"}], g
'
	refused 'depends on nothing' "$DERIVA" graph "$M/d/a.csv"
}

test_one_computation_as_a_directory()
{
	local r

	recipes
	recipe fn <<'END'
in: {table: a.txt}
fn: head
params: {lines: 1}
END
	content hello fn
	r=$M/.deriva/recipes/$(attr recipe "$M/fn")
	eq head "$(cat "$r/function")"
	eq lines=1 "$(cat "$r/params")"
	eq hello "$(cat "$r/output")"
	eq hello "$(cat "$r/inputs/table")"
	content HELLO same
	r=$M/.deriva/recipes/$(attr recipe "$M/same")
	eq 'tr a-z A-Z <a.txt' "$(cat "$r/function")"
	eq hello "$(cat "$r/inputs/a.txt")"
	eq HELLO "$(cat "$r/output")"
	recipe bad <<'END'
in: [a.txt]
run: echo no >&2; exit 3
END
	errno EIO open r "$M/bad"
	r=$M/.deriva/recipes/$(attr recipe "$M/bad")
	has 'exit status 3' "$(cat "$r/error")"
	recipe seen <<'END'
run: cat a.txt
END
	content hello seen
	r=$M/.deriva/recipes/$(attr recipe "$M/seen")
	has 'observed: a.txt' "$(cat "$r/observed")"
	errno ENOENT stat "$M/.deriva/recipes/$(printf '%064d' 0)"
	errno ENOENT stat "$M/.deriva/recipes/x"
}

test_jobs_say_how_far_they_are()
{
	local line

	echo x >"$M/a.txt"
	recipe slow <<'END'
in: [a.txt]
run: head -c 1000 /dev/zero; cat a.txt; sleep 0.7
END
	cat "$M/slow" >/dev/null
	echo y >"$M/a.txt"
	cat "$M/slow" >/dev/null &
	running()
	{
		line=$(cat "$M/.deriva/jobs")
		[[ $line == *'"bytes":1002'* ]]
	}
	wait_for running
	has '"last_seconds":' "$line"
	has '"progress":0.' "$line"
	wait $!
}

test_why_tells_what_changed_since()
{
	recipes
	content HELLO same
	echo more >>"$M/a.txt"
	has 'since then: a.txt changed' "$("$DERIVA" why "$M/same")"
	sed -i 's/A-Z/A-X/' "$M/same.recipe"
	has 'since then: the command changed' "$("$DERIVA" why "$M/same")"
	rm "$M/a.txt"
	has 'since then: ' "$("$DERIVA" why "$M/same")"
	has 'does not exist' "$("$DERIVA" why "$M/same")"
}

run_tests "$@"
