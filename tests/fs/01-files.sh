#!/bin/bash
# The mount has to be a plain directory first: people keep their ordinary
# files in it, and every operation has to do, and refuse, what ext4 would.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_write_then_read_is_what_was_written()
{
	echo hello >"$M/a"
	content hello a
	eq 6 "$(stat -c %s "$M/a")"
	head -c 300000 /dev/urandom >"$T/r"
	cp "$T/r" "$M/r"
	same "$T/r" "$M/r"
}

test_empty_file()
{
	: >"$M/e"
	eq 0 "$(stat -c %s "$M/e")"
	eq "" "$(cat "$M/e")"
}

test_append_and_overwrite()
{
	printf 'one\n' >"$M/a"
	printf 'two\n' >>"$M/a"
	eq $'one\ntwo' "$(cat "$M/a")"
	printf 'x' | dd of="$M/a" bs=1 seek=1 conv=notrunc status=none
	eq $'oxe\ntwo' "$(cat "$M/a")"
	echo short >"$M/a"
	eq short "$(cat "$M/a")"
}

test_cp_keeps_mode_and_times()
{
	mkdir "$T/d"
	echo x >"$T/d/f"
	chmod 751 "$T/d/f"
	touch -d '2001-02-03 04:05:06.789' "$T/d/f"
	cp -a "$T/d" "$M/d"
	eq "751 2001-02-03 04:05:06.789000000 +0000" \
		"$(TZ=UTC stat -c '%a %y' "$M/d/f")"
	cp -a "$M/d/f" "$T/back"
	eq "$(stat -c '%a %Y %s' "$T/d/f")" "$(stat -c '%a %Y %s' "$T/back")"
}

test_chmod_and_touch()
{
	echo x >"$M/f"
	chmod 640 "$M/f"
	eq 640 "$(stat -c %a "$M/f")"
	touch -d '1999-12-31 UTC' "$M/f"
	eq 946598400 "$(stat -c %Y "$M/f")"
	content x f
}

test_rename_in_place_and_across()
{
	mkdir "$M/a" "$M/b"
	echo 1 >"$M/a/x"
	mv "$M/a/x" "$M/a/y"
	mv "$M/a/y" "$M/b/z"
	content 1 b/z
	eq "" "$(ls "$M/a")"
	mv "$M/b" "$M/a/b"
	content 1 a/b/z
}

test_rename_over_replaces()
{
	echo old >"$M/f"
	echo new >"$M/g"
	mv "$M/g" "$M/f"
	content new f
	eq f "$(ls "$M")"
}

test_rename_refuses_what_posix_says()
{
	mkdir -p "$M/d/e" "$M/empty"
	echo x >"$M/f"
	errno EINVAL rename "$M/d" "$M/d/e/d"
	errno ENOTDIR rename "$M/d" "$M/f"
	errno EISDIR rename "$M/f" "$M/d"
	errno ENOTEMPTY rename "$M/empty" "$M/d"
	errno ENOENT rename "$M/no" "$M/yes"
	errno ok rename "$M/d" "$M/empty"
	eq e "$(ls "$M/empty")"
}

test_rename_noreplace_and_exchange()
{
	echo a >"$M/a"
	echo b >"$M/b"
	errno EEXIST noreplace "$M/a" "$M/b"
	errno ok noreplace "$M/a" "$M/c"
	errno ok exchange "$M/b" "$M/c"
	content a b
	content b c
	errno ENOENT exchange "$M/b" "$M/no"
}

test_directories()
{
	mkdir -p "$M/a/b/c"
	errno EEXIST mkdir "$M/a"
	errno ENOTEMPTY rmdir "$M/a"
	rmdir "$M/a/b/c"
	errno ENOENT rmdir "$M/a/b/c"
	echo x >"$M/f"
	errno ENOTDIR rmdir "$M/f"
	errno ENOTDIR open r "$M/f/x"
	errno EISDIR unlink "$M/a"
	errno EISDIR open w "$M/a"
	eq 3 "$(stat -c %h "$M/a")"
}

test_unlink()
{
	echo x >"$M/f"
	rm "$M/f"
	errno ENOENT open r "$M/f"
	errno ENOENT unlink "$M/f"
	echo y >"$M/f"
	content y f
}

test_unlinked_file_stays_readable_while_open()
{
	echo kept >"$M/f"
	exec 5<>"$M/f"
	rm "$M/f"
	eq "" "$(ls "$M")"
	eq kept "$(cat <&5)"
	echo more >&5
	exec 5>&-
}

test_exclusive_create()
{
	errno ok open wcx "$M/f"
	errno EEXIST open wcx "$M/f"
	errno ENOENT open w "$M/no"
}

test_name_of_255_bytes_and_not_256()
{
	local name

	name=$(printf 'n%.0s' {1..255})
	echo x >"$M/$name"
	content x "$name"
	eq "$name" "$(ls "$M")"
	errno ENAMETOOLONG open wc "$M/${name}n"
	errno ENAMETOOLONG mkdir "$M/${name}n"
	errno ENAMETOOLONG stat "$M/${name}n"
}

test_the_control_directory_is_not_listed()
{
	echo x >"$M/f"
	eq f "$(ls -A "$M")"
	[ -d "$M/.deriva" ]
	eq 700 "$(stat -c %a "$M/.deriva")"
	has status "$(ls "$M/.deriva")"
	eq $'.\n./f' "$(cd "$M" && find . | sort)"
	ne ok "$("$SYS" mkdir "$M/.deriva")"
	ne ok "$("$SYS" rmdir "$M/.deriva")"
	ne ok "$("$SYS" rename "$M/f" "$M/.deriva")"
	ne ok "$("$SYS" open wc "$M/.deriva/new")"
}

test_df_knows_the_space()
{
	at_least 1 "$(stat -f -c %b "$M")"
	at_least 1 "$(stat -f -c %a "$M")"
	eq 255 "$(stat -f -c %l "$M")"
	df "$M" >/dev/null
}

test_inode_numbers_stay()
{
	local ino

	echo a >"$M/a"
	ino=$(stat -c %i "$M/a")
	echo b >>"$M/a"
	mv "$M/a" "$M/b"
	eq "$ino" "$(stat -c %i "$M/b")"
	echo c >"$M/a"
	ne "$ino" "$(stat -c %i "$M/a")"
}

test_directory_times_move_with_names()
{
	mkdir "$M/d"
	touch -d '2001-01-01' "$M/d"
	echo x >"$M/d/f"
	at_least 1700000000 "$(stat -c %Y "$M/d")"
	touch -d '2001-01-01' "$M/d"
	rm "$M/d/f"
	at_least 1700000000 "$(stat -c %Y "$M/d")"
}

test_find_and_du_walk()
{
	mkdir -p "$M/a/b" "$M/c"
	echo 1 >"$M/a/1"
	echo 2 >"$M/a/b/2"
	echo 3 >"$M/c/3"
	eq $'1\n2\n3' "$(find "$M" -type f -exec cat {} + | sort)"
	du -s "$M" >/dev/null
	rm -r "$M/a" "$M/c"
	eq "" "$(ls -A "$M")"
}

test_fifo()
{
	mkfifo "$M/p"
	[ -p "$M/p" ]
	(echo through >"$M/p") &
	eq through "$(cat "$M/p")"
	wait
}

run_tests "$@"
