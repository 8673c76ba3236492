#!/bin/bash
# Why: a branch is worked on like a tree of its own: beside the others, mounted
# at the same time as they are, with results shared; and it is there again after
# a crash, after the database was lost, and after a collection that keeps only
# the last version of each file.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# on NAME DIR [OPTION...]: that branch there as well
on()
{
	local name=$1 dir=$2

	shift 2
	mkdir -p "$dir"
	mount_at "$S" "$dir" -o "branch=$name" "$@"
}

off()
{
	"$DERIVA" umount "$1"
}

branch()
{
	"$DERIVA" branch "$@"
}

test_two_branches_do_not_see_each_other()
{
	mkdir "$M/dir"
	echo one >"$M/f"
	echo two >"$M/dir/g"
	ln "$M/f" "$M/hard"
	branch fix "$M"
	on fix "$T/fix"
	eq "$(cat "$T/fix/f" "$T/fix/dir/g")" "one
two"
	eq "$(stat -c %h "$T/fix/f")" 2
	eq "$(stat -c %h "$T/fix")" "$(stat -c %h "$M")"
	echo three >"$T/fix/f"
	rm "$T/fix/dir/g"
	mkdir "$T/fix/new"
	mv "$T/fix/dir" "$T/fix/new/dir"
	touch "$T/fix/new/dir/h"
	echo main >"$M/only"
	content one f
	content two dir/g
	eq "$(cat "$T/fix/f" "$T/fix/hard")" "three
three"
	eq "$(cd "$T/fix" && find . | sort | tr '\n' ' ')" \
		". ./f ./hard ./new ./new/dir ./new/dir/h "
	eq "$(cd "$M" && find . | sort | tr '\n' ' ')" \
		". ./dir ./dir/g ./f ./hard ./only "
	eq "$(status_of "$T/fix" branch)" fix
	eq "$(cat "$M/.deriva/branch")" main
	has '* fix  (from main @' "$(branch -l "$T/fix")"
	has '* main' "$(branch -l "$M")"
	has '"branch":"fix","present":true,"from":"main"' \
		"$(branch --json -l "$T/fix")"
	off "$T/fix"
	umount_it
	mount_it
	content one f
	on fix "$T/fix"
	eq "$(cat "$T/fix/f")" three
	off "$T/fix"
	umount_it
	"$DERIVA" fsck --store "$S" >"$T/fsck" || { cat "$T/fsck"; return 1; }
	mount_it
}

test_results_are_shared_and_inputs_are_not()
{
	recipe sum <<'END'
in: [in]
run: wc -c <in
END
	echo 1 >"$M/in"
	content 2 sum
	branch b "$M"
	on b "$T/b"
	eq "$(cat "$T/b/sum")" 2
	echo 123 >"$T/b/in"
	eq "$(cat "$T/b/sum")" 4
	content 2 sum
	local results
	results=$(status_of "$T/b" results) # which commits what there is
	echo 123 >"$M/in"
	content 4 sum # made there already
	eq "$(status results)" "$results"
	off "$T/b"
}

test_a_branch_of_the_past_and_of_a_branch()
{
	echo 1 >"$M/f"
	sync "$M/f"
	local n
	n=@$(status changes)
	echo 2 >"$M/f"
	echo x >"$M/later"
	branch --at "$n" old "$M"
	on old "$T/old"
	eq "$(cat "$T/old/f")" 1
	[ ! -e "$T/old/later" ]
	echo 3 >"$T/old/f"
	branch inner "$T/old"
	on inner "$T/inner"
	eq "$(cat "$T/inner/f")" 3
	eq "$(cat "$T/inner/.deriva/at/$n/f")" 1
	echo 4 >"$T/inner/f"
	eq "$(cat "$T/old/f")" 3
	"$SYS" noise 40 7 >"$M/large" # closed, and hardly taken in
	branch large "$M"
	on large "$T/large"
	same "$M/large" "$T/large/large"
	off "$T/large"
	"$DERIVA" log "$T/inner/f" >"$T/log"
	eq "$(grep -c '  write  ' "$T/log")" 3
	content 2 f
	off "$T/inner"
	off "$T/old"
}

test_making_and_removing_is_refused_where_it_must_be()
{
	refused "already" branch main "$M"
	refused "cannot name" branch 'a b' "$M"
	refused "no branch no" branch -d no "$M"
	refused "no moment" branch --at nonsense x "$M"
	refused "there is no such branch" "$DERIVA" mount -o branch=no "$S" "$T/x"
	branch b "$M"
	on b "$T/b"
	refused "is mounted" branch -D b "$M"
	branch -m b renamed "$M"
	refused "is mounted" branch -D renamed "$M"
	branch -m renamed b "$M"
	refused "main stays" branch -m main other "$M"
	refused "main stays" branch -D main "$M"
	echo 1 >"$T/b/f"
	refused "this is branch b" "$DERIVA" forget --before now "$T/b/f"
	off "$T/b"
	branch -m b c "$M"
	refused "no other branch has" branch -d c "$M"
	branch -D c "$M"
	refused "no branch c" branch -D c "$M"
	eq "$(branch -l "$M")" "* main"
}

test_a_crash_and_a_lost_database()
{
	echo 1 >"$M/f"
	mkdir "$M/d"
	echo 2 >"$M/d/g"
	branch b "$M"
	on b "$T/b"
	echo 11 >"$T/b/f"
	rm -r "$T/b/d"
	ln -s f "$T/b/link"
	sync "$T/b/f"
	sleep 0.1
	kill -9 "$(status_of "$T/b" pid)"
	umount -l "$T/b" 2>/dev/null || fusermount3 -uz "$T/b"
	on b "$T/b"
	eq "$(cat "$T/b/f")" 11
	off "$T/b"
	umount_it
	rm "$S"/deriva.db*
	"$DERIVA" fsck --repair --store "$S" >/dev/null || true
	mount_it
	content 1 f
	content 2 d/g
	on b "$T/b"
	eq "$(cat "$T/b/f")" 11
	eq "$(ls "$T/b")" "f
link"
	off "$T/b"
}

# Where the next merge of two begins is known by the journals, too.
test_a_merge_is_remembered_without_the_database()
{
	echo one >"$M/f"
	branch b "$M"
	on b "$T/b"
	echo two >"$T/b/f"
	off "$T/b"
	"$DERIVA" merge b "$M"
	content two f
	echo one >"$M/f"
	umount_it
	"$DERIVA" fsck --store "$S" >"$T/fsck" || { cat "$T/fsck"; return 1; }
	rm "$S"/deriva.db*
	"$DERIVA" fsck --repair --store "$S" >/dev/null || true
	"$DERIVA" fsck --store "$S" >"$T/fsck" || { cat "$T/fsck"; return 1; }
	mount_it
	on b "$T/b"
	eq "$(cat "$T/b/f")" two
	off "$T/b"
	"$DERIVA" merge b "$M" # there is nothing new in it
	content one f
	branch -d b "$M"
}

test_a_collection_keeps_what_a_branch_sees()
{
	local n

	"$SYS" noise 2 1 >"$M/f"
	cp "$M/f" "$T/want"
	n=$(moment)
	branch b "$M"
	for i in 2 3 4; do
		"$SYS" noise 2 "$i" >"$M/f"
		sync "$M/f"
	done
	echo 'retention: last 1' >"$M/.deriva/settings"
	"$DERIVA" gc --store "$S" >/dev/null
	on b "$T/b"
	same "$T/want" "$T/b/f"
	same "$T/want" "$M/.deriva/at/$n/f"
	off "$T/b"
	branch -d b "$M"
	"$DERIVA" gc --store "$S" >/dev/null
	not cat "$M/.deriva/at/$n/f" >/dev/null
	umount_it
	"$DERIVA" fsck --store "$S" >"$T/fsck"
	mount_it
}

is_hidden()
{
	[[ "$(ls "$1")" != *hidden* ]]
}

test_what_main_forgets_is_gone_in_the_past_of_a_branch()
{
	local n

	mkdir "$M/d"
	echo secret >"$M/d/f"
	echo x >"$M/d/hidden"
	n=$(moment)
	echo plain >"$M/d/f"
	rm "$M/d/hidden"
	branch b "$M"
	on b "$T/b"
	eq "$(cat "$T/b/.deriva/at/$n/d/f")" secret
	eq "$(ls "$T/b/.deriva/at/$n/d")" "f
hidden"
	"$DERIVA" forget --names --before now "$M/d"
	wait_for is_hidden "$T/b/.deriva/at/$n/d"
	errno ENODATA open r "$T/b/.deriva/at/$n/d/f"
	eq "$(cat "$T/b/d/f")" plain
	off "$T/b"
}

run_tests "$@"
