#!/bin/bash
# Several outputs of one run: `out: {html: x.html, log: x.log}`. One run makes
# all, each is a file with a story of its own, and which names there are never
# lags behind the recipes.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# x.html and x.log of a.txt, in one run
page()
{
	echo hello >"$M/a.txt"
	recipe x <<END
in: {text: a.txt}
out: {html: x.html, log: x.log}
run: |
  { echo '<p>'; cat "\$text"; } >"\$html"
  { $UUID; echo "\${html##*/}"; } >"\$log"
  echo done
END
}

names()
{
	(cd "$M/${1:-.}" && find . -maxdepth 1 -type f ! -name '*.recipe' -printf '%f\n' |
		sort | tr '\n' ' ')
}

test_one_run_makes_all()
{
	local first

	page
	eq 'a.txt x.html x.log ' "$(names)"
	errno ENOENT stat "$M/x"
	first=$(cat "$M/x.log")
	eq $'<p>\nhello' "$(cat "$M/x.html")"
	eq "$first" "$(cat "$M/x.log")"
	eq html.html "$(tail -n 1 "$M/x.log")"
	eq "done" "$("$DERIVA" output "$M/x.html")"
	eq "done" "$("$DERIVA" output "$M/x.log")"
	ne "$(attr addr "$M/x.html")" "$(attr addr "$M/x.log")"
	eq "$(attr recipe "$M/x.html")" "$(attr recipe "$M/x.log")"
	eq "$(attr cost "$M/x.html")" "$(attr cost "$M/x.log")"
	eq fresh "$(state x.html)"
	cp "$M/x.html" "$M/copy"
	eq "$(attr addr "$M/copy")" "$(attr addr "$M/x.html")"
	# read side by side, still one run
	echo other >"$M/a.txt"
	cat "$M/x.html" "$M/x.log" "$M/x.html" >"$T/both" & cat "$M/x.log" >"$T/log"
	wait $!
	eq "$(cat "$T/log")" "$(sed -n 3,4p "$T/both")"
	has 'output: log of one run, with html' "$("$DERIVA" why "$M/x.log")"
	has 'a.txt changed' "$("$DERIVA" why "$M/x.log")"
}

test_each_has_its_own_result()
{
	local log

	page
	log=$(cat "$M/x.log")
	cat "$M/x.html" >/dev/null
	"$DERIVA" drop "$M/x.html"
	eq dropped "$(state x.html)"
	eq fresh "$(state x.log)"
	eq "$log" "$(cat "$M/x.log")"
	eq $'<p>\nhello' "$(cat "$M/x.html")" # runs again, for both
	eq fresh "$(state x.html)"
	ne "$log" "$(cat "$M/x.log")"
	umount_it
	mount_it
	eq "$(attr recipe "$M/x.html")" "$(attr recipe "$M/x.log")"
	eq $'<p>\nhello' "$(cat "$M/x.html")"
}

test_a_missing_output_is_a_failure_that_names_it()
{
	echo hello >"$M/a.txt"
	recipe y <<'END'
in: [a.txt]
out:
  one: y.one
  two: y.two
run: cp a.txt "$one"
END
	errno EIO open r "$M/y.one"
	errno EIO open r "$M/y.two"
	has "y.recipe:4: the command did not make \`y.two\`: write it to \$two" \
		"$(attr error "$M/y.one")"
	eq failed "$(state y.two)"
	recipe y <<'END'
in: [a.txt]
out: {one: y.one, two: y.two}
run: mkdir "$one"; cp a.txt "$two"
END
	errno EIO open r "$M/y.two"
	has "left no regular file at \$one" "$(attr error "$M/y.two")"
	recipe y <<'END'
in: [a.txt]
out: {one: y.one, two: y.two}
run: [cp, a.txt, $one]
END
	errno EIO open r "$M/y.two"
	recipe y <<'END'
in: [a.txt]
out: {one: y.one, two: y.two}
run: [sh, -c, 'tee "$0" <a.txt >"$1"', $one, $two]
END
	content hello y.one
	content hello y.two
}

test_a_failure_that_is_mended_is_mended_for_all()
{
	echo >"$M/a.txt"
	recipe z <<'END'
out: {one: z.one, two: z.two}
run: |
  grep ok a.txt >"$one"
  cp "$one" "$two"
END
	errno EIO open r "$M/z.one"
	errno EIO open r "$M/z.two"
	echo ok >"$M/a.txt"
	content ok z.two
	content ok z.one
}

test_names_go_with_the_recipe_and_its_text()
{
	page
	cat "$M/x.html" >/dev/null
	sed -i 's/x\.log/x.txt/' "$M/x.recipe"
	eq 'a.txt x.html x.txt ' "$(names)"
	errno ENOENT stat "$M/x.log"
	cat "$M/x.txt" >/dev/null
	recipe x <<'END'
in: [a.txt]
run: cat a.txt
END
	eq 'a.txt x ' "$(names)"
	content hello x
	errno ENOENT open r "$M/x.html"
	page
	errno ENOENT open r "$M/x"
	cat "$M/x.html" >/dev/null
	mkdir "$M/sub"
	mv "$M/x.recipe" "$M/sub/"
	eq 'a.txt ' "$(names)"
	eq 'x.html x.log ' "$(names sub)"
	errno ENOENT stat "$M/x.html"
	mv "$M/sub/x.recipe" "$M/other.recipe"
	eq 'a.txt x.html x.log ' "$(names)"
	rm "$M/other.recipe"
	eq 'a.txt ' "$(names)"
	errno ENOENT open r "$M/x.log"
	page
	umount_it
	mount_it
	mv "$M/x.recipe" "$M/a.txt" "$M/sub"
	cat "$M/sub/x.log" >/dev/null
	rm -r "$M/sub"
	errno ENOENT stat "$M/sub"
}

test_two_recipes_for_one_name_are_in_conflict()
{
	page
	recipe other <<'END'
in: [a.txt]
out: {page: x.html, sum: x.sum}
run: cat a.txt | tee "$page" >"$sum"
END
	eq 'a.txt x.html x.log x.sum ' "$(names)"
	errno EINVAL open r "$M/x.html"
	has "other.recipe:1: \`x.html\` is defined by x.recipe as well" \
		"$(attr error "$M/x.html")"
	content hello x.sum
	cat "$M/x.log" >/dev/null
	rm "$M/other.recipe"
	eq $'<p>\nhello' "$(cat "$M/x.html")"
	recipe x.html <<'END'
in: [a.txt]
run: cat a.txt
END
	errno EINVAL open r "$M/x.html"
	has 'x.html.recipe:1: ' "$(attr error "$M/x.html")"
	mv "$M/x.recipe" "$M/away.txt"
	content hello x.html
}

test_an_ordinary_file_blocks_one_of_them()
{
	page
	rm "$M/x.recipe"
	echo mine >"$M/x.html"
	page
	content mine x.html
	eq blocked "$(attr state "$M/x.recipe")"
	eq hello "$(cat "$M/a.txt")"
	eq html.html "$(tail -n 1 "$M/x.log")"
	rm "$M/x.html"
	eq $'<p>\nhello' "$(cat "$M/x.html")"
	eq source "$(attr state "$M/x.recipe")"
}

test_patterns_with_several_outputs()
{
	mkdir "$M/p"
	echo one >"$M/p/a.src"
	echo two >"$M/p/b.src"
	recipe p/% <<'END'
in: {src: "%.src"}
out: {up: "%.up", twice: "%.src.twice"}
run: |
  tr a-z A-Z <"$src" >"$up"
  cat "$src" "$src" >"$twice"
END
	eq 'a.src a.src.twice a.up b.src b.src.twice b.up ' "$(names p)"
	content ONE p/a.up
	eq $'two\ntwo' "$(cat "$M/p/b.src.twice")"
	cp "$M/p/a.src" "$M/p/c.src"
	content ONE p/c.up
	rm "$M/p/a.src"
	eq 'b.src b.src.twice b.up c.src c.src.twice c.up ' "$(names p)"
	errno ENOENT stat "$M/p/a.up"
	# another text makes other names
	sed -i 's/\.up"/.big"/' "$M/p/%.recipe"
	eq 'b.big b.src b.src.twice c.big c.src c.src.twice ' "$(names p)"
	content TWO p/b.big
	errno ENOENT open r "$M/p/b.up"
	# a chain
	recipe p/%.len <<'END'
in: ["%.big"]
run: cat *.big | wc -c
END
	content 4 p/b.len
	# an explicit recipe wins
	recipe p/b.big <<'END'
in: []
run: echo mine
END
	content mine p/b.big
	content 5 p/b.len
	eq $'two\ntwo' "$(cat "$M/p/b.src.twice")"
	# all or none have the stem
	recipe p/%.bad <<'END'
in: ["%.src"]
out: {one: "%.one", two: two}
run: cp *.src "$one"; cp *.src "$two"
END
	errno ENOENT open r "$M/p/b.one"
}

test_globs_and_directories_see_the_names_come_and_go()
{
	page
	recipe list <<'END'
in: {pages: "*.html"}
run: cat $pages
END
	recipe seen <<'END'
run: echo *.log
END
	eq $'<p>\nhello' "$(cat "$M/list")"
	content x.log seen
	sed -i 's/x\.log/y.log/' "$M/x.recipe"
	content y.log seen
	sed -i 's/x\.html/y.htm/' "$M/x.recipe"
	content '' list
	rm "$M/x.recipe"
	content '*.log' seen
}

test_mistakes_are_named()
{
	local line

	while IFS='|' read -r line want; do
		printf 'in: []\n%s\nrun: x\n' "$line" >"$M/m.recipe"
		errno EINVAL open r "$M/m"
		has "m.recipe:2: $want" "$(attr error "$M/m")" || { echo "$line"; return 1; }
	done <<'END'
out: {a: x/y}|`x/y`: outputs lie beside the recipe
out: {a: ..}|`..` is no name for a file
out: {a: [b]}|an output is the name of a file, not a list
out: {a-b: x}|`a-b`: the name of an output is letters
out: {out: x}|`out` cannot be the name of an output
out: {a: x, b: x}|the outputs `a` and `b` are the same file, `x`
out: {a: y.recipe}|`y.recipe`: a recipe is never made by a recipe
out: {}|`out` names no output
out: {a: "%.x"}|`%.x`: `%` is a stem
out: both|`out` is `file`, `dir`, or a map
END
	printf 'in: {a: m.recipe}\nout: {a: x}\nrun: x\n' >"$M/m.recipe"
	errno EINVAL open r "$M/m"
	has 'is named in' "$(attr error "$M/m")"
	printf 'in: []\nout: {a: x}\nfn: concat\n' >"$M/m.recipe"
	errno EINVAL open r "$M/m"
	has 'a function makes one' "$(attr error "$M/m")"
}

test_eager_outputs_and_the_past()
{
	local before

	page
	echo 'eager: true' >>"$M/x.recipe"
	fresh_both()
	{
		[ "$(state x.html) $(state x.log)" = 'fresh fresh' ]
	}
	wait_for fresh_both
	before=$(moment)
	sed -i 's/x\.log/x.new/' "$M/x.recipe"
	eq 'a.txt x.html x.new ' "$(names)"
	eq 'a.txt x.html x.log ' "$(names ".deriva/at/$before")"
	eq $'<p>\nhello' "$(cat "$M/.deriva/at/$before/x.html")"
}

test_another_mount_sees_the_names()
{
	local log

	page
	mount_at "$S" "$T/m2"
	eq $'<p>\nhello' "$(cat "$T/m2/x.html")"
	sleep 0.15
	eq "$(cat "$M/x.log")" "$(cat "$T/m2/x.log")"
	sed -i 's/x\.log/x.new/' "$M/x.recipe"
	sleep 0.15
	errno ENOENT stat "$T/m2/x.log"
	log=$(cat "$M/x.new")
	sleep 0.15
	eq "$log" "$(cat "$T/m2/x.new")"
	"$DERIVA" umount "$T/m2"
}

run_tests "$@"
