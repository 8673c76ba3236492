#!/bin/bash
# What somebody lost comes back with one command, as it was, of any size at
# once, and nothing is lost by bringing it back.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

restore()
{
	"$DERIVA" restore "$@"
}

test_a_file_that_was_changed()
{
	local t1 n

	echo 1 >"$M/f"
	chmod 640 "$M/f"
	setfattr -n user.x -v y "$M/f"
	touch -d '2001-01-01 UTC' "$M/f"
	ln "$M/f" "$M/link"
	t1=$(moment)
	echo 2 >"$M/f"
	chmod 600 "$M/f"
	setfattr -x user.x "$M/f"
	setfattr -n user.z -v z "$M/f"
	n=@$(status changes)
	restore "$M/f" --at "$t1"
	content 1 f
	content 1 link
	eq "640 978307200" "$(stat -c '%a %Y' "$M/f")"
	eq 'user.x="y"' "$(getfattr -d --absolute-names "$M/f" | grep '=')"
	# a change like any other
	eq 2 "$(cat "$M/.deriva/at/$n/f")"
	at_least 5 "$("$DERIVA" log "$M/f" | grep -c .)"
}

test_a_file_that_is_gone_with_its_directories()
{
	local t1

	mkdir -p "$M/a/b"
	chmod 750 "$M/a"
	echo 1 >"$M/a/b/f"
	echo 2 >"$M/a/b/g"
	t1=$(moment)
	rm -r "$M/a"
	restore --at "$t1" "$M/a/b/f"
	content 1 a/b/f
	eq 750 "$(stat -c %a "$M/a")"
	eq f "$(ls "$M/a/b")"
	(cd "$M/a" && restore b/g --at "$t1")
	content 2 a/b/g
}

test_a_tree_is_as_it_was()
{
	local t1

	mkdir -p "$M/d/e" "$M/d/gone"
	echo 1 >"$M/d/f"
	echo 2 >"$M/d/e/g"
	ln -s f "$M/d/l"
	ln -s f "$M/d/l2"
	echo 3 >"$M/d/gone/x"
	echo 4 >"$M/d/was_file"
	mkdir "$M/d/was_dir"
	chmod 700 "$M/d/e"
	cp -a "$M/d" "$T/want"
	t1=$(moment)
	rm -r "$M/d/gone" "$M/d/l" "$M/d/was_file" "$M/d/was_dir"
	ln -sf e "$M/d/l2"
	mkdir -p "$M/d/was_file/deep" "$M/d/new/er"
	echo x >"$M/d/was_dir"
	echo x >"$M/d/e/g"
	echo x >"$M/d/new/er/x"
	chmod 755 "$M/d/e"
	restore "$M/d/" --at "$t1"
	diff -r --no-dereference "$T/want" "$M/d"
	eq "$(cd "$T/want" && find . -printf '%p %m %T@ %l\n' | sort)" \
		"$(cd "$M/d" && find . -printf '%p %m %T@ %l\n' | sort)"
	# again: nothing to do
	t1=$(status changes)
	restore "$M/d" --at "@$t1"
	eq "$t1" "$(status changes)"
}

test_the_whole_mount()
{
	local n

	echo 1 >"$M/f"
	n=$(status changes)
	rm "$M/f"
	echo 2 >"$M/g"
	restore "$M" --at "@$n"
	eq f "$(ls "$M")"
	content 1 f
}

test_to_another_name()
{
	local n

	mkdir "$M/d" "$M/empty"
	echo 1 >"$M/d/f"
	n=@$(status changes)
	echo 2 >"$M/d/f"
	restore "$M/d/f" --at "$n" --to "$M/old"
	content 1 old
	content 2 d/f
	restore "$M/d" --at "$n" --to "$M/d2"
	content 1 d2/f
	restore "$M/d" --at "$n" --to "$M/empty"
	content 1 empty/f
	refused "not empty" restore "$M/d" --at "$n" --to "$M/d2"
	restore "$M/d/f" --at "$n" --to "$T/out"
	eq 1 "$(cat "$T/out")"
	restore --store "$S" d/f --at "$n" --to third
	content 1 third
}

test_of_derived_files()
{
	local n

	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	content 1 d
	n=@$(status changes)
	echo 2 >"$M/in"
	content 2 d
	refused "made by its recipe" restore "$M/d" --at "$n"
	restore "$M/d" --at "$n" --to "$M/d.old"
	content 1 d.old
	restore "$M" --at "$n"
	content 1 d
	[ ! -e "$M/d.old" ]
}

test_a_large_file_is_shared()
{
	local n size

	"$SYS" noise 16 3 >"$M/f"
	sync "$M/f"
	n=@$(status changes)
	"$SYS" noise 16 4 >"$M/f"
	"$SYS" noise 16 3 >"$T/want"
	sync "$M/f"
	size=$(du -s "$S" | cut -f1)
	restore "$M/f" --at "$n"
	sync "$M/f"
	same "$T/want" "$M/f"
	at_most 2000 $(("$(du -s "$S" | cut -f1)" - size))
}

test_what_cannot_be()
{
	echo 1 >"$M/f"
	refused "not a time" restore "$M/f" --at nonsense
	refused "no such file at" restore "$M/never" --at now
	refused "not come yet" restore "$M/f" --at "$(date -d '1 hour' +%FT%T)"
	content 1 f
}

run_tests "$@"
