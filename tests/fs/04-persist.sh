#!/bin/bash
# After an unmount and a new mount everything has to be as it was: that is what
# makes it a file system and not a view.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

again()
{
	umount_it
	mount_it
}

# All that can be told about every file below the mount.
portrait()
{
	(
		cd "$M"
		find . -printf '%P %y %m %n %s %i %l %T@ %U %G\n' | sort
		find . -type f -exec b3sum {} + | sort
	)
}

test_a_tree_is_found_again()
{
	cp -a /usr/include/linux "$M/tree"
	mkdir "$M/empty"
	: >"$M/none"
	"$SYS" noise 3 1 >"$M/large"
	chmod 601 "$M/large"
	touch -d '2003-04-05 06:07:08.9' "$M/large"
	ln "$M/large" "$M/link"
	ln -s large "$M/sym"
	mkfifo "$M/fifo"
	portrait >"$T/before"
	again
	diff "$T/before" <(portrait)
	again
	diff "$T/before" <(portrait)
}

test_what_was_removed_stays_removed()
{
	echo a >"$M/a"
	echo b >"$M/b"
	rm "$M/a"
	again
	eq b "$(ls "$M")"
}

test_results_are_found_again_without_a_run()
{
	local first

	echo 1 >"$M/in"
	recipe d <<END
in: [in]
run: cat in; $UUID
END
	recipe e <<END
in: [d]
run: cat d; $UUID
END
	first=$(cat "$M/e")
	again
	eq "$first" "$(cat "$M/e")"
	eq fresh "$(state e)"
	eq 2 "$(status results)"
}

test_failures_are_remembered_across_mounts()
{
	recipe bad <<'END'
in: []
run: echo said so >&2; exit 3
END
	errno EIO open r "$M/bad"
	again
	errno EIO open r "$M/bad"
	has "said so" "$(cat "$M/.deriva/output/bad")"
	eq failed "$(state bad)"
}

test_an_edit_while_the_recipe_was_asleep_is_seen()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in in
END
	cat "$M/d" >/dev/null
	umount_it
	mount_it
	echo 2 >"$M/in"
	umount_it
	mount_it
	eq $'2\n2' "$(cat "$M/d")"
}

test_inode_numbers_are_never_used_again()
{
	local ino

	echo a >"$M/a"
	ino=$(stat -c %i "$M/a")
	rm "$M/a"
	again
	echo b >"$M/b"
	ne "$ino" "$(stat -c %i "$M/b")"
}

test_unmount_while_files_are_open_names_who()
{
	local said rc=0

	echo a >"$M/a"
	exec 5<"$M/a"
	said=$("$DERIVA" umount "$M" 2>&1) || rc=$?
	eq 1 "$rc"
	has "$BASHPID" "$said"
	content a a
	exec 5<&-
	umount_it
	[ ! -e "$M/a" ]
}

test_the_daemon_is_gone_when_umount_returns()
{
	local pid

	pid=$(status pid)
	kill -0 "$pid"
	echo x >"$M/f"
	umount_it
	dead "$pid"
	mount_it
	content x f
}

test_fusermount_unmounts_as_well()
{
	local pid

	echo x >"$M/f"
	pid=$(status pid)
	fusermount3 -u "$M"
	wait_for dead "$pid"
	mount_it
	content x f
}

test_sigterm_unmounts_and_loses_nothing()
{
	local pid

	seq 1000 >"$M/f"
	pid=$(status pid)
	kill -TERM "$pid"
	wait_for dead "$pid"
	not mountpoint -q "$M"
	mount_it
	eq "$(seq 1000)" "$(cat "$M/f")"
}

run_tests "$@"
