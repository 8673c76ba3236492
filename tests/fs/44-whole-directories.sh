#!/bin/bash
# A whole directory as input: a change anywhere in it is a change, and nothing
# else is.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

tree()
{
	mkdir -p "$M/src/a/b"
	echo 1 >"$M/src/x"
	echo 2 >"$M/src/a/y"
	echo 3 >"$M/src/a/b/z"
	ln -s ../x "$M/src/a/l"
	chmod +x "$M/src/x"
}

lists()
{
	tree
	recipe l <<'END'
in: [src/]
run: cd src; find . | sort | tr '\n' ' '; cat x a/y a/b/z a/l; test -x x
END
}

test_the_command_sees_all_of_it()
{
	lists
	eq '. ./a ./a/b ./a/b/z ./a/l ./a/y ./x 1
2
3
1' "$(cat "$M/l")"
	recipe named <<'END'
in: {d: src}
run: ls "$d"
END
	eq 'a x' "$(tr '\n' ' ' <"$M/named" | sed 's/ $//')"
	recipe rooted <<'END'
in: [/src/]
run: cat "$root/src/a/y"
END
	content 2 rooted
}

test_a_change_anywhere_is_a_change()
{
	local n

	lists
	cat "$M/l" >/dev/null
	echo new >"$M/src/a/b/n"
	has ./a/b/n "$(cat "$M/l")"
	rm "$M/src/a/b/n"
	n=$(status results)
	lacks ./a/b/n "$(cat "$M/l")"
	eq "$n" "$(status results)" # as it was before: found
	echo other >"$M/src/a/b/z"
	has other "$(cat "$M/l")"
	mv "$M/src/a/b" "$M/src/a/c"
	errno EIO open r "$M/l" # cat of a file that went
	mv "$M/src/a/c" "$M/src/a/b"
	has other "$(cat "$M/l")"
	chmod -x "$M/src/x"
	errno EIO open r "$M/l"
	mv "$M/src" "$M/elsewhere"
	errno EIO open r "$M/l"
	has 'does not exist' "$("$DERIVA" why "$M/l")"
}

test_what_changes_nothing_runs_nothing()
{
	local n

	lists
	cat "$M/l" >/dev/null
	n=$(status results)
	touch "$M/src/x" "$M/src/a"
	chmod 640 "$M/src/a/y"
	cp "$M/src/a/y" "$M/src/a/y2" && mv "$M/src/a/y2" "$M/src/a/y"
	echo unrelated >"$M/other"
	cat "$M/l" >/dev/null
	eq "$n" "$(status results)"
	cp -a "$M/src" "$M/copy"
	mkdir "$M/e"
	mv "$M/copy" "$M/e/src"
	cp "$M/l.recipe" "$M/e/l.recipe"
	cat "$M/e/l" >/dev/null # the same computation elsewhere
	eq "$n" "$(status results)"
}

test_derived_names_in_it_belong_to_it()
{
	tree
	recipe src/d <<'END'
in: [x]
run: sed 's/^/derived /' x
END
	recipe all <<'END'
in: [src/]
run: cat src/d
END
	content 'derived 1' all
	echo 7 >"$M/src/x"
	content 'derived 7' all
	recipe src/bad <<'END'
in: []
run: exit 5
END
	errno EIO open r "$M/all"
	has 'exit status 5' "$("$DERIVA" why "$M/all")"
}

test_its_own_output_is_no_input()
{
	mkdir "$M/p"
	echo x >"$M/p/f"
	recipe p/list <<'END'
in: ["./"]
run: ls
END
	eq 'f list.recipe' "$(tr '\n' ' ' <"$M/p/list" | sed 's/ $//')"
	recipe 'p/%.n' <<'END'
in: {f: "%", all: ["../p/"]}
run: ls ../p | wc -l
END
	rm "$M/p/list.recipe"
	content 2 p/f.n
}

test_circles_are_told()
{
	mkdir "$M/p"
	recipe p/a <<'END'
in: ["./"]
run: ls
END
	recipe p/b <<'END'
in: ["./"]
run: ls
END
	errno ELOOP open r "$M/p/a"
	has 'p/' "$("$DERIVA" why "$M/p/a")"
	rm "$M/p/b.recipe"
	content a.recipe p/a
}

test_a_derived_directory_is_one_too()
{
	seq 9 >"$M/nums"
	recipe parts <<'END'
in: [nums]
out: dir
run: mkdir "$out"; split -l 3 nums "$out/"
END
	recipe counts <<'END'
in: [parts/]
run: wc -l parts/*
END
	has '3 parts/ab' "$(cat "$M/counts")"
	seq 4 >"$M/nums"
	has '1 parts/ab' "$(cat "$M/counts")"
	recipe archive <<'END'
in: [parts/]
fn: tar
END
	eq 'parts/ parts/aa parts/ab' \
		"$(tar tf "$M/archive" | tr '\n' ' ' | sed 's/ $//')"
}

test_functions_say_what_they_take()
{
	tree
	recipe s <<'END'
in: [src/]
fn: sort
END
	errno EINVAL open r "$M/s"
	has 'is a directory' "$("$DERIVA" why "$M/s")"
	recipe f <<'END'
in: [src/x/]
fn: concat
END
	errno EIO open r "$M/f"
	has 'no directory' "$("$DERIVA" why "$M/f")"
	recipe up <<'END'
in: ["../"]
fn: tar
END
	errno EIO open r "$M/up"
}

test_files_and_their_directory_go_together()
{
	tree
	recipe both <<'END'
in: [src/, src/x, "src/a/*"]
run: cat src/x src/a/y
END
	eq '1 2' "$(tr '\n' ' ' <"$M/both" | sed 's/ $//')"
}

test_the_past_has_the_directory_of_then()
{
	local before

	lists
	has ./a/y "$(cat "$M/l")"
	before=$(moment)
	echo 9 >"$M/src/a/y"
	has 9 "$(cat "$M/l")"
	lacks 9 "$(cat "$M/.deriva/at/$before/l")"
	umount_it
	mount_it
	lacks 9 "$(cat "$M/.deriva/at/$before/l")"
	has 9 "$(cat "$M/l")"
}

test_a_file_in_it_that_is_being_written_counts()
{
	lists
	cat "$M/l" >/dev/null
	exec 9>>"$M/src/a/y"
	echo tail >&9
	has tail "$(cat "$M/l")"
	exec 9>&-
	has tail "$(cat "$M/l")"
}

run_tests "$@"
