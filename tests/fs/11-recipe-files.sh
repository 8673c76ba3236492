#!/bin/bash
# Recipe files are ordinary files that come, go, move, break and are mended at
# any moment; what they define has to follow at once, and no ordinary file may
# ever be hidden by one.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

hello()
{
	cat >"$1" <<'END'
in: []
run: echo hello
END
}

test_a_recipe_before_its_input()
{
	recipe d <<'END'
in: [in]
run: cat in
END
	eq $'d\nd.recipe' "$(ls "$M")"
	errno EIO open r "$M/d"
	echo 1 >"$M/in"
	content 1 d
}

test_deleted()
{
	hello "$M/d.recipe"
	content hello d
	rm "$M/d.recipe"
	errno ENOENT open r "$M/d"
	eq "" "$(ls "$M")"
	hello "$M/d.recipe"
	content hello d
	eq 1 "$(status results)"
}

test_renamed()
{
	hello "$M/d.recipe"
	content hello d
	mv "$M/d.recipe" "$M/e.recipe"
	errno ENOENT open r "$M/d"
	content hello e
	eq $'e\ne.recipe' "$(ls "$M")"
	mv "$M/e.recipe" "$M/e.txt"
	eq e.txt "$(ls "$M")"
	mv "$M/e.txt" "$M/f.recipe"
	content hello f
}

test_directory_renamed()
{
	mkdir "$M/a"
	hello "$M/a/d.recipe"
	content hello a/d
	mv "$M/a" "$M/b"
	content hello b/d
	errno ENOENT open r "$M/a/d"
	mkdir "$M/a"
	errno ENOENT open r "$M/a/d"
}

test_broken_and_mended()
{
	hello "$M/d.recipe"
	content hello d
	echo 'in: [' >"$M/d.recipe"
	errno EINVAL open r "$M/d"
	eq $'d\nd.recipe' "$(ls "$M")"
	hello "$M/d.recipe"
	content hello d
}

test_half_written_harms_only_what_it_defines()
{
	hello "$M/other.recipe"
	exec 5>"$M/d.recipe"
	printf 'in: []\nru' >&5
	ne ok "$("$SYS" open r "$M/d")"
	content hello other
	printf 'n: echo whole\n' >&5
	exec 5>&-
	content whole d
}

test_writing_removing_renaming_a_derived_file_is_eperm()
{
	hello "$M/d.recipe"
	echo x >"$M/x"
	for i in never-read read; do
		errno EPERM open w "$M/d"
		errno EPERM open rw "$M/d"
		errno EPERM open wt "$M/d"
		errno EPERM open wc "$M/d"
		errno EPERM unlink "$M/d"
		errno EPERM rename "$M/d" "$M/e"
		errno EPERM rename "$M/x" "$M/d"
		errno EPERM truncate "$M/d" 0
		errno EPERM link "$M/d" "$M/e"
		errno EPERM chmod "$M/d" 600
		errno EEXIST open wcx "$M/d"
		errno EEXIST mkdir "$M/d"
		errno EEXIST symlink x "$M/d"
		errno EEXIST link "$M/x" "$M/d"
		content hello d
	done
	content x x
	eq $'d\nd.recipe\nx' "$(ls "$M")"
}

test_an_ordinary_file_of_that_name_blocks_the_recipe()
{
	echo mine >"$M/d"
	hello "$M/d.recipe"
	content mine d
	eq blocked "$(state d.recipe)"
	eq $'d\nd.recipe' "$(ls "$M")"
	echo more >>"$M/d"
	eq $'mine\nmore' "$(cat "$M/d")"
	rm "$M/d"
	content hello d
	eq source "$(state d.recipe)"
	errno EPERM unlink "$M/d"
}

test_a_directory_of_that_name_blocks_it_too()
{
	mkdir "$M/d"
	echo x >"$M/d/x"
	hello "$M/d.recipe"
	content x d/x
	rm -r "$M/d"
	content hello d
}

test_what_is_no_regular_file_defines_nothing()
{
	hello "$M/real"
	ln -s real "$M/l.recipe"
	mkdir "$M/dir.recipe"
	mkfifo "$M/p.recipe"
	cat >"$M/made.recipe.recipe" <<'END'
in: []
run: |
  echo 'in: []'
  echo 'run: echo x'
END
	eq "in: []" "$(head -1 "$M/made.recipe")"
	errno ENOENT open r "$M/l"
	errno ENOENT open r "$M/dir"
	errno ENOENT open r "$M/p"
	errno ENOENT open r "$M/made"
	hello "$M/.recipe"
	not test -e "$M/."/recipe
}

test_recipes_come_before_what_they_define_in_listings()
{
	local i

	mkdir "$M/dir"
	for i in b a d c; do
		hello "$M/dir/$i.recipe"
	done
	# in the directory's own order
	find "$M/dir" -mindepth 1 -printf '%f\n' >"$T/order"
	for i in a b c d; do
		at_most "$(grep -nx "$i" "$T/order" | cut -d: -f1)" \
			"$(grep -nx "$i.recipe" "$T/order" | cut -d: -f1)"
	done
}

test_rm_r_of_a_project()
{
	mkdir -p "$M/p/sub"
	for i in a b c; do
		hello "$M/p/$i.recipe"
		hello "$M/p/sub/$i.recipe"
	done
	echo x >"$M/p/src"
	cat "$M/p/a" "$M/p/sub/b" >/dev/null
	rm -r "$M/p"
	eq "" "$(ls -A "$M")"
}

test_rm_r_of_a_project_never_read()
{
	mkdir -p "$M/p/sub"
	for i in $(seq 50); do
		hello "$M/p/sub/$i.recipe"
	done
	rm -r "$M/p"
	eq "" "$(ls -A "$M")"
}

test_python_rmtree_of_a_project()
{
	mkdir -p "$M/p/sub"
	for i in a b c; do
		hello "$M/p/$i.recipe"
		hello "$M/p/sub/$i.recipe"
	done
	cat "$M/p/a" >/dev/null
	"$PYTHON" -c 'import shutil, sys; shutil.rmtree(sys.argv[1])' "$M/p"
	eq "" "$(ls -A "$M")"
}

test_rm_of_everything_by_glob()
{
	mkdir "$M/p"
	hello "$M/p/z.recipe"
	hello "$M/p/a.recipe"
	cat "$M/p/z" >/dev/null
	# a comes before a.recipe here, so that rm has to refuse it
	(cd "$M/p" && rm ./*) || true
	(cd "$M/p" && rm -f ./*)
	rmdir "$M/p"
}

test_a_derived_name_can_become_an_ordinary_one()
{
	hello "$M/d.recipe"
	content hello d
	rm "$M/d.recipe"
	echo mine >"$M/d"
	content mine d
	echo more >>"$M/d"
	eq 10 "$(stat -c %s "$M/d")"
}

test_copying_a_tree_within_the_mount()
{
	mkdir "$M/p"
	echo 1 >"$M/p/in"
	cat >"$M/p/d.recipe" <<'END'
in: [in]
run: cat in
END
	cat "$M/p/d" >/dev/null
	# the derived file is refused or left as it is, the rest is copied
	cp -r "$M/p" "$M/q" 2>"$T/said" || true
	content 1 q/d
	echo 2 >"$M/q/in"
	case $(state q/d) in
	source) content 1 q/d ;;
	*) content 2 q/d ;;
	esac
	content 1 p/d
}

test_a_recipe_that_defines_a_name_with_a_dot()
{
	hello "$M/.hidden.recipe"
	content hello .hidden
	hello "$M/a.b.c.recipe"
	content hello a.b.c
}

test_an_input_replaced_by_a_directory_and_back()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	content 1 d
	rm "$M/in"
	mkdir "$M/in"
	ne ok "$("$SYS" open r "$M/d")"
	rmdir "$M/in"
	echo 2 >"$M/in"
	content 2 d
}

test_a_directory_on_the_way_to_an_input_appears_and_moves()
{
	recipe d <<'END'
in: [x/y/in]
run: cat x/y/in
END
	errno EIO open r "$M/d"
	mkdir -p "$M/x/y"
	echo 1 >"$M/x/y/in"
	content 1 d
	mv "$M/x" "$M/z"
	errno EIO open r "$M/d"
	mkdir -p "$M/w/y"
	echo 2 >"$M/w/y/in"
	mv "$M/w" "$M/x"
	content 2 d
}

test_an_input_through_a_symlink()
{
	echo 1 >"$M/one"
	echo 2 >"$M/two"
	ln -s one "$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	content 1 d
	ln -sfn two "$M/in"
	content 2 d
	echo 3 >"$M/two"
	content 3 d
}

run_tests "$@"
