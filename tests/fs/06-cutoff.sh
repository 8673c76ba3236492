#!/bin/bash
# What has to run again and what has not is the whole point. Commands here print
# a number that no other run prints, so that running once more shows.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# in -> a (first line of in, and a number) -> b
chain()
{
	printf '1\nrest\n' >"$M/in"
	recipe first <<'END'
in: [in]
run: head -1 in
END
	recipe second <<END
in: [first]
run: cat first; $UUID
END
}

test_second_read_runs_nothing()
{
	local one

	chain
	one=$(cat "$M/second")
	eq "$one" "$(cat "$M/second")"
	eq 2 "$(status results)"
}

test_early_cutoff()
{
	local one

	chain
	one=$(cat "$M/second")
	printf '1\nother rest\n' >"$M/in"
	eq "$one" "$(cat "$M/second")"
	eq 3 "$(status results)"
	eq fresh "$(state second)"
}

test_an_edit_that_matters_runs_both()
{
	local one

	chain
	one=$(cat "$M/second")
	printf '2\nrest\n' >"$M/in"
	ne "$one" "$(cat "$M/second")"
	eq 2 "$(head -1 "$M/second")"
	eq 4 "$(status results)"
}

test_undoing_an_edit_finds_the_old_result()
{
	local one

	chain
	one=$(cat "$M/second")
	printf '2\nrest\n' >"$M/in"
	cat "$M/second" >/dev/null
	printf '1\nrest\n' >"$M/in"
	eq "$one" "$(cat "$M/second")"
	eq 4 "$(status results)"
}

test_touch_and_the_same_content_again_run_nothing()
{
	local one

	chain
	one=$(cat "$M/second")
	touch "$M/in"
	eq "$one" "$(cat "$M/second")"
	printf '1\nrest\n' >"$M/in"
	eq "$one" "$(cat "$M/second")"
	eq 2 "$(status results)"
}

test_an_edit_of_the_recipe_runs_again_and_undoing_it_does_not()
{
	local one

	chain
	one=$(cat "$M/second")
	cp "$M/second.recipe" "$T/r"
	sed -i 's/cat first/tac first/' "$M/second.recipe"
	ne "$one" "$(cat "$M/second")"
	cp "$T/r" "$M/second.recipe"
	eq "$one" "$(cat "$M/second")"
}

test_formatting_of_a_recipe_is_no_edit()
{
	local one

	chain
	one=$(cat "$M/second")
	cat >"$M/second.recipe" <<END
# another way to write the same
run: "cat first; $UUID"
in:
  - "first"
timeout: 10m
END
	eq "$one" "$(cat "$M/second")"
	eq 2 "$(status results)"
}

test_the_same_computation_elsewhere_is_the_same()
{
	local one

	chain
	one=$(cat "$M/second")
	mkdir "$M/copy"
	cp "$M/in" "$M/first.recipe" "$M/second.recipe" "$M/copy"
	eq "$one" "$(cat "$M/copy/second")"
	mv "$M/copy" "$M/moved"
	eq "$one" "$(cat "$M/moved/second")"
	eq 2 "$(status results)"
	eq "$(attr recipe "$M/second")" "$(attr recipe "$M/moved/second")"
}

test_a_rename_of_the_derived_name_is_no_other_computation()
{
	local one

	chain
	one=$(cat "$M/second")
	mv "$M/second.recipe" "$M/third.recipe"
	eq "$one" "$(cat "$M/third")"
	errno ENOENT open r "$M/second"
}

test_executable_or_not_is_part_of_an_input()
{
	echo 'echo hi' >"$M/tool"
	recipe d <<'END'
in: [tool]
run: test -x tool && echo yes || echo no
END
	content no d
	chmod +x "$M/tool"
	content yes d
	chmod -x "$M/tool"
	content no d
	eq 2 "$(status results)"
}

test_ten_deep()
{
	local i

	echo 0 >"$M/d0"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		recipe "d$i" <<END
in: [d$((i - 1))]
run: expr \$(cat d$((i - 1))) + 1
END
	done
	content 10 d10
	echo 5 >"$M/d0"
	content 15 d10
	eq 20 "$(status results)"
	eq fresh "$(state d10)"
}

test_ten_deep_with_one_job()
{
	umount_it
	mount_it -o jobs=1
	test_ten_deep
}

test_a_diamond_runs_its_middle_once_each()
{
	local one

	echo 1 >"$M/in"
	recipe top <<END
in: [in]
run: cat in; $UUID
END
	recipe left <<'END'
in: [top]
run: cat top; echo left
END
	recipe right <<'END'
in: [top]
run: cat top; echo right
END
	recipe all <<'END'
in: [left, right]
run: cat left right
END
	one=$(cat "$M/all")
	eq "$(sed -n 2p <<<"$one")" "$(sed -n 5p <<<"$one")"
	eq 4 "$(status results)"
}

test_only_what_depends_on_it_runs()
{
	local b

	echo 1 >"$M/x"
	echo 1 >"$M/y"
	recipe a <<END
in: [x]
run: cat x; $UUID
END
	recipe b <<END
in: [y]
run: cat y; $UUID
END
	cat "$M/a" >/dev/null
	b=$(cat "$M/b")
	echo 2 >"$M/x"
	eq stale "$(state a)"
	eq fresh "$(state b)"
	eq "$b" "$(cat "$M/b")"
	eq 2 "$(head -1 "$M/a")"
	eq 3 "$(status results)"
}

test_states_of_a_derived_file()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	eq source "$(state in)"
	eq source "$(state d.recipe)"
	eq new "$(state d)"
	cat "$M/d" >/dev/null
	eq fresh "$(state d)"
	echo 2 >"$M/in"
	eq stale "$(state d)"
	eq 1 "$(status results)"
	content 2 d
	eq fresh "$(state d)"
}

test_mtime_is_when_the_content_changed()
{
	local first

	chain
	cat "$M/second" >/dev/null
	first=$(stat -c %y "$M/first")
	sleep 0.05
	printf '1\nmore\n' >"$M/in"
	cat "$M/second" >/dev/null
	eq "$first" "$(stat -c %y "$M/first")"
	sleep 0.05
	printf '2\nmore\n' >"$M/in"
	cat "$M/second" >/dev/null
	ne "$first" "$(stat -c %y "$M/first")"
}

test_an_open_file_keeps_what_it_was_opened_with()
{
	chain
	exec 5<"$M/first"
	printf '2\n' >"$M/in"
	content 2 first
	eq 1 "$(cat <&5)"
	exec 5<&-
}

test_another_content_is_another_inode()
{
	local ino

	chain
	cat "$M/first" >/dev/null
	ino=$(stat -c %i "$M/first")
	printf '1\nx\n' >"$M/in"
	cat "$M/first" >/dev/null
	eq "$ino" "$(stat -c %i "$M/first")"
	printf '2\n' >"$M/in"
	cat "$M/first" >/dev/null
	ne "$ino" "$(stat -c %i "$M/first")"
}

run_tests "$@"
