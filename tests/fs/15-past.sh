#!/bin/bash
# Every moment of the past is still there, under .deriva/at: of sources and of
# derived files alike, read-only, and never taken for the present.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

at()
{
	echo "$M/.deriva/at/$1"
}

test_content_of_before()
{
	local t1 t2

	echo 1 >"$M/f"
	t1=$(moment)
	echo 2 >"$M/f"
	t2=$(moment)
	rm "$M/f"
	eq 1 "$(cat "$(at "$t1")/f")"
	eq 2 "$(cat "$(at "$t2")/f")"
	errno ENOENT open r "$(at "$(moment)")/f"
}

test_names_of_before()
{
	local t1

	mkdir "$M/d"
	echo x >"$M/d/a"
	ln -s a "$M/d/l"
	t1=$(moment)
	mv "$M/d/a" "$M/d/b"
	mv "$M/d" "$M/e"
	rm "$M/e/l"
	eq d "$(ls "$(at "$t1")")"
	eq $'a\nl' "$(ls "$(at "$t1")/d")"
	eq a "$(readlink "$(at "$t1")/d/l")"
	eq x "$(cat "$(at "$t1")/d/l")"
	eq b "$(ls "$M/e")"
}

# Between the look-up and the answer it is another moment.
test_derived_of_a_moment_that_moves()
{
	local i writer failed=

	recipe d <<END
in: [in]
run: cat in
END
	for ((i = 0; i < 600; i++)); do
		echo "$i" >"$M/in"
		sleep 0.005
	done &
	writer=$!
	sleep 1.5
	for i in 1 2 3 4 5; do
		cat "$(at "1 second ago")/d" >/dev/null || failed=1
		stat "$(at "1 second ago")/d" >/dev/null || failed=1
	done
	kill "$writer"
	wait "$writer" || true
	[ -z "$failed" ]
}

test_derived_of_before()
{
	local t1

	echo 1 >"$M/in"
	recipe d <<END
in: [in]
run: cat in; $UUID
END
	cat "$M/d" >"$T/one"
	t1=$(moment)
	echo 2 >"$M/in"
	not cmp -s "$T/one" "$M/d"
	same "$T/one" "$(at "$t1")/d"
	rm "$M/d.recipe"
	same "$T/one" "$(at "$t1")/d"
	eq 37 "$(tail -n +2 "$(at "$t1")/d" | wc -c)"
}

test_derived_that_was_read_only_later_is_of_its_inputs_then()
{
	local t1

	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	content 1 d
	t1=$(moment)
	echo 2 >"$M/in"
	content 2 d
	eq 1 "$(cat "$(at "$t1")/d")"
	eq 2 "$(stat -c %s "$(at "$t1")/d")"
}

test_the_past_is_read_only()
{
	local t1 p

	mkdir "$M/d"
	echo x >"$M/d/f"
	t1=$(moment)
	p=$(at "$t1")
	for call in "open w $p/d/f" "open wc $p/new" "unlink $p/d/f" \
		"mkdir $p/n" "rmdir $p/d" "truncate $p/d/f 0" \
		"chmod $p/d/f 600" "rename $p/d/f $p/g"; do
		# shellcheck disable=SC2086
		ne ok "$("$SYS" $call)"
	done
	content x d/f
	eq x "$(cat "$p/d/f")"
}

test_modes_and_times_of_before()
{
	local t1

	echo x >"$M/f"
	chmod 751 "$M/f"
	touch -d '2001-01-01 UTC' "$M/f"
	t1=$(moment)
	chmod 600 "$M/f"
	touch "$M/f"
	eq "751 978307200" "$(stat -c '%a %Y' "$(at "$t1")/f")"
}

test_extended_attributes_of_before()
{
	local t1

	echo x >"$M/f"
	setfattr -n user.a -v one "$M/f"
	setfattr -n user.b -v other "$M/f"
	t1=$(moment)
	setfattr -n user.a -v two "$M/f"
	setfattr -x user.b "$M/f"
	eq $'user.a="one"\nuser.b="other"' \
		"$(getfattr -d --absolute-names "$(at "$t1")/f" | grep '=')"
	eq 'user.a="two"' "$(getfattr -d --absolute-names "$M/f" | grep '=')"
	not setfattr -n user.a -v three "$(at "$t1")/f"
}

test_past_and_present_are_not_the_same_file()
{
	local t1

	echo 1 >"$M/f"
	t1=$(moment)
	echo 2 >"$M/f"
	ne "$(stat -c %i "$M/f")" "$(stat -c %i "$(at "$t1")/f")"
	not cmp -s "$M/f" "$(at "$t1")/f"
	cp "$(at "$t1")/f" "$M/f"
	content 1 f
	diff "$M/f" "$(at "$t1")/f"
}

test_a_change_number_and_words_as_a_moment()
{
	local n

	echo 1 >"$M/f"
	n=$(status changes)
	echo 2 >"$M/f"
	eq 1 "$(cat "$(at "@$n")/f")"
	eq 2 "$(cat "$(at now)/f")"
	eq "" "$(ls "$(at yesterday)")"
	eq "" "$(ls "$(at "2 hours ago")")"
	eq 1 "$(TZ=UTC cat "$(at "@$n")/f")"
}

test_no_such_moment()
{
	errno ENOENT stat "$(at nonsense)"
	errno ENOENT open r "$(at 2026-99-99)/f"
}

test_why_there_is_no_such_moment()
{
	errno ENOENT stat "$(at "$(date -d '1 hour' +%FT%T)")"
	has "is in the future" "$(cat "$S/log")"
	errno ENOENT stat "$(at nonsense)"
	has '"nonsense": not a time' "$(cat "$S/log")"
	errno ENOENT stat "$(at @123456)"
	has "@123456: the last change is @" "$(cat "$S/log")"
	errno ENOENT stat "$(at "5 days ago")"
	has "5 days ago: that is before" "$(cat "$S/log")"
}

test_snapshots_are_listed_and_moments_are_not()
{
	local i

	for i in 1 2 3 4 5; do
		echo "$i" >"$M/f"
	done
	"$DERIVA" snapshot --store "$S" first
	echo 6 >"$M/f"
	cat "$(at now)/f" "$(at "@2")/f"
	eq first "$(ls "$(at "")")"
	eq 5 "$(cat "$(at first)/f")"
}

# Once the kernel knows a fixed moment it does not ask again; a word it does.
test_a_fixed_moment_is_kept()
{
	local t1

	echo 1 >"$M/f"
	t1=$(moment)
	echo 2 >"$M/f"
	eq 1 "$(cat "$(at "$t1")/f")"
	errno ENOENT stat "$(at "$t1")/g"
	eq 2 "$(cat "$(at now)/f")"
	echo 3 >"$M/f"
	echo x >"$M/g"
	eq 1 "$(cat "$(at "$t1")/f")"
	errno ENOENT stat "$(at "$t1")/g"
	eq 3 "$(cat "$(at now)/f")"
	eq x "$(cat "$(at now)/g")"
	eq f "$(ls "$(at "$t1")")"
	ls -ai "$(at "$t1")" >"$T/a"
	stat -c '%i f' "$(at "$t1")/f" >"$T/b"
	lacks "$(stat -c %i "$M/f") f" "$(cat "$T/a")"
	eq f "$(ls "$(at "$t1")")"
}

test_offsets_and_zulu()
{
	local t

	echo 1 >"$M/f"
	sleep 0.05
	t=$(date -u +%FT%T.%N)Z
	sleep 0.05
	echo 2 >"$M/f"
	eq 1 "$(cat "$(at "$t")/f")"
	t=$(TZ=XXX-05 date -d "$t" +%FT%T.%N)+05:00
	eq 1 "$(cat "$(at "$t")/f")"
}

test_the_past_of_the_last_mount()
{
	local t1

	echo 1 >"$M/f"
	recipe d <<'END'
in: [f]
run: cat f f
END
	cat "$M/d" >/dev/null
	t1=$(moment)
	echo 2 >"$M/f"
	umount_it
	mount_it
	eq 1 "$(cat "$(at "$t1")/f")"
	eq $'1\n1' "$(cat "$(at "$t1")/d")"
	eq $'2\n2' "$(cat "$M/d")"
}

test_tar_of_the_past()
{
	local t1

	mkdir -p "$M/a/b"
	"$SYS" noise 2 3 >"$M/a/b/f"
	cp "$M/a/b/f" "$T/f"
	t1=$(moment)
	rm -r "$M/a"
	tar -C "$(at "$t1")" -cf "$T/tar" .
	mkdir "$T/got"
	tar -C "$T/got" -xf "$T/tar"
	same "$T/f" "$T/got/a/b/f"
	eq "$(printf 'a\na/b\na/b/f\n')" \
		"$(cd "$T/got" && find . -mindepth 1 -printf '%P\n' | sort)"
}

test_log_lists_the_versions()
{
	local said

	echo 1 >"$M/f"
	sleep 0.05
	echo 22 >"$M/f"
	said=$("$DERIVA" log "$M/f")
	at_least 2 "$(grep -c . <<<"$said")"
}

run_tests "$@"
