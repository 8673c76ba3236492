#!/bin/bash
# Hard and symbolic links are names of their own kind: what is written through
# one shows through all, and a recipe must not be fooled by them.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_hard_link_shares_the_content()
{
	echo a >"$M/a"
	ln "$M/a" "$M/b"
	eq "2 2" "$(stat -c %h "$M/a") $(stat -c %h "$M/b")"
	eq "$(stat -c %i "$M/a")" "$(stat -c %i "$M/b")"
	echo more >>"$M/b"
	eq $'a\nmore' "$(cat "$M/a")"
	rm "$M/a"
	eq 1 "$(stat -c %h "$M/b")"
	eq $'a\nmore' "$(cat "$M/b")"
}

test_hard_link_errors()
{
	mkdir "$M/d"
	echo a >"$M/a"
	errno EPERM link "$M/d" "$M/e"
	errno EEXIST link "$M/a" "$M/a"
	errno ENOENT link "$M/no" "$M/x"
}

test_symlinks()
{
	echo x >"$M/f"
	ln -s f "$M/l"
	ln -s nowhere "$M/dangling"
	ln -s l2 "$M/l1"
	ln -s l1 "$M/l2"
	eq f "$(readlink "$M/l")"
	eq 1 "$(stat -c %s "$M/l")"
	content x l
	errno ENOENT open r "$M/dangling"
	errno ELOOP open r "$M/l1"
	errno ELOOP open rn "$M/l"
	rm "$M/l"
	content x f
}

test_symlink_of_4095_bytes()
{
	local target

	target=$(printf 't%.0s' {1..4095})
	errno ok symlink "$target" "$M/l"
	eq "$target" "$(readlink "$M/l")"
	errno ENAMETOOLONG symlink "${target}t" "$M/m"
}

test_derived_sees_a_write_through_another_name()
{
	echo 1 >"$M/a"
	ln "$M/a" "$M/b"
	recipe up <<'END'
in: [a]
run: tr 1 2 <a
END
	content 2 up
	echo 11 >"$M/b"
	content 22 up
}

test_rename_over_its_own_link_changes_nothing()
{
	echo a >"$M/a"
	ln "$M/a" "$M/b"
	errno ok rename "$M/a" "$M/b"
	content a a
	content a b
}

run_tests "$@"
