#!/bin/bash
# .deriva/history has every version of every path, also of what is gone and of
# what had another name, and .deriva/by-addr every object: nobody has to know a
# moment to get at what a file held.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

history()
{
	echo "$M/.deriva/history/$1"
}

# oldest PATH: its first version's name
oldest()
{
	local names

	names=("$(history "$1")"/*-*)
	basename "${names[0]}"
}

# all PATH: the contents of its versions, one after the other
all()
{
	cat "$(history "$1")"/*-* | tr '\n' ' '
}

test_each_close_is_a_version_oldest_first()
{
	local i names

	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		echo "$i" >"$M/f"
	done
	eq "1 2 3 4 5 6 7 8 9 10 11 12 " "$(all f)"
	names=$(ls -U "$(history f)")
	eq "$names" "$(sort <<<"$names")"
	[[ $(head -n 1 <<<"$names") =~ ^[0-9]+-20[0-9-]+T[0-9:.]+Z$ ]]
}

test_a_version_is_a_moment_too()
{
	local name

	echo 1 >"$M/f"
	echo 2 >"$M/f"
	name=$(oldest f)
	eq 1 "$(cat "$M/.deriva/at/@${name%%-*}/f")"
	eq 1 "$(cat "$M/.deriva/at/${name#*-}/f")"
}

test_of_what_is_gone()
{
	mkdir -p "$M/d/e"
	echo 1 >"$M/d/e/f"
	echo 2 >"$M/d/e/f"
	rm -r "$M/d"
	eq "1 2 " "$(all d/e/f)"
	eq "d" "$(ls "$(history "")")"
	eq "e" "$(ls "$(history d)")"
	# again by that name, in another directory: both
	mkdir -p "$M/d/e"
	echo 3 >"$M/d/e/f"
	eq "1 2 3 " "$(all d/e/f)"
}

test_of_a_file_that_was_renamed()
{
	echo 1 >"$M/a"
	mv "$M/a" "$M/b"
	echo 2 >"$M/b"
	mkdir "$M/d"
	mv "$M/b" "$M/d/c"
	echo 3 >"$M/d/c"
	eq "1 2 3 " "$(all d/c)"
	eq "1 2 " "$(all b)"
	eq "1 " "$(all a)"
	mv "$M/d" "$M/e"
	echo 4 >"$M/e/c"
	eq "1 2 3 4 " "$(all e/c)"
	eq "1 2 3 " "$(all d/c)"
}

test_of_a_file_that_editors_replace()
{
	local i

	for i in 1 2 3; do
		echo "$i" >"$M/.f.tmp"
		mv "$M/.f.tmp" "$M/f"
	done
	eq "1 2 3 " "$(all f)"
}

test_modes_times_and_links_of_versions()
{
	local first

	echo 1 >"$M/f"
	chmod 751 "$M/f"
	first=$(oldest f)
	eq 644 "$(stat -c %a "$(history f)/$first")"
	eq 751 "$(stat -c %a "$(history f)"/* | tail -n 1)"
	ln -s one "$M/l"
	ln -sf two "$M/l"
	eq $'one\ntwo' "$(readlink "$(history l)"/*)"
	mknod "$M/p" p
	eq "fifo" "$(stat -c %F "$(history p)"/*)"
}

test_a_version_is_no_file_of_the_present()
{
	local v

	echo 1 >"$M/f"
	v=$(echo "$(history f)"/*)
	ne "$(stat -c %i "$M/f")" "$(stat -c %i "$v")"
	cp "$v" "$M/f"
	content 1 f
	errno EROFS open w "$v"
}

test_of_derived_files()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: sed s/^/got/ in
END
	eq "" "$(ls "$(history d)")"
	cat "$M/d"
	echo 2 >"$M/in"
	cat "$M/d"
	eq "got1 got2 " "$(all d)"
	rm "$M/d.recipe" "$M/in"
	eq "got1 got2 " "$(all d)"
}

test_no_such_path_or_version()
{
	echo 1 >"$M/f"
	errno ENOENT stat "$(history never)"
	errno ENOENT stat "$(history f/x)"
	errno ENOENT stat "$(history f/0000000001-2026-01-01T00:00:00.000000000Z)"
	errno ENOENT stat "$(history f/0000000001)"
	mkdir "$M/d"
	errno ENOENT stat "$(history d/never)"
}

test_of_the_last_mount()
{
	echo 1 >"$M/f"
	umount_it
	mount_it
	echo 2 >"$M/f"
	eq "1 2 " "$(all f)"
}

test_any_object_by_its_address()
{
	local a

	echo hello >"$M/f"
	a=$(attr addr "$M/f")
	"$SYS" noise 5 3 >"$M/large"
	cp "$M/large" "$T/large"
	rm "$M/f"
	eq hello "$(cat "$M/.deriva/by-addr/$a")"
	eq 6 "$(stat -c %s "$M/.deriva/by-addr/$a")"
	same "$T/large" "$M/.deriva/by-addr/$(attr addr "$M/large")"
	eq "" "$(ls "$M/.deriva/by-addr")"
	errno ENOENT stat "$M/.deriva/by-addr/${a/[0-9]/x}"
	errno ENOENT stat "$M/.deriva/by-addr/hello"
	errno ENOENT stat "$M/.deriva/by-addr/$(printf '%064d' 7)"
	errno EROFS open w "$M/.deriva/by-addr/$a"
	# the empty file is in every store
	: >"$M/empty"
	eq 0 "$(stat -c %s "$M/.deriva/by-addr/$(attr addr "$M/empty")")"
}

test_a_directory_by_its_address()
{
	local a

	recipe d <<'END'
in: []
out: dir
run: mkdir $out; echo x >$out/a; ln -s a $out/l; chmod +x $out/a
END
	eq x "$(cat "$M/d/a")"
	a=$(attr addr "$M/d")
	eq $'a\nl' "$(ls "$M/.deriva/by-addr/$a")"
	eq x "$(cat "$M/.deriva/by-addr/$a/l")"
	[ -x "$M/.deriva/by-addr/$a/a" ]
}

test_computations_by_their_addresses()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	cat "$M/d"
	at_least 20 "$(wc -c <"$M/.deriva/by-addr/$(attr recipe "$M/d")")"
}

run_tests "$@"
