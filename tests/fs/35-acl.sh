#!/bin/bash
# People who share a tree give rights to single users and groups. Lists are kept
# with the file, in every version; new files take what their directory says; and
# what a list refuses cannot be had through a recipe either. How each call
# answers is compared with ext4 in 38-posix.sh.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

acl()
{
	getfacl -cEp "$@" | xargs
}

test_a_list_and_the_mode_are_one()
{
	mount_it -o acl
	echo x >"$M/f"
	chmod 640 "$M/f"
	setfacl -m u:12345:rw,g:23456:r "$M/f"
	eq "user::rw- user:12345:rw- group::r-- group:23456:r-- mask::rw- other::---" \
		"$(acl "$M/f")"
	eq 660 "$(stat -c %a "$M/f")"
	chmod 604 "$M/f"
	eq "user::rw- user:12345:rw- group::r-- group:23456:r-- mask::--- other::r--" \
		"$(acl "$M/f")"
	setfacl -b "$M/f"
	eq "user::rw- group::--- other::r--" "$(acl "$M/f")"
	eq 604 "$(stat -c %a "$M/f")"
	lacks posix_acl "$(getfattr -m- "$M/f" 2>&1)"
}

test_a_directory_says_what_is_made_in_it()
{
	mount_it -o acl
	mkdir "$M/d"
	setfacl -d -m u::rwx,u:12345:rwx,g::rx,o::- "$M/d"
	(
		umask 077
		echo x >"$M/d/f"
		mkdir "$M/d/s"
		touch "$M/d/s/g" "$M/d/s/"{1..5}
		touch "$M/g"
	)
	eq "user::rw- user:12345:rwx group::r-x mask::rw- other::---" \
		"$(acl "$M/d/f")"
	eq "$(acl "$M/d/f")" "$(acl "$M/d/s/g")"
	eq "$(acl -d "$M/d")" "$(acl -d "$M/d/s")"
	eq 600 "$(stat -c %a "$M/g")"
	setfacl -k "$M/d"
	touch "$M/d/h"
	eq "user::rw- group::r-- other::r--" "$(acl "$M/d/h")"
	errno ok mkdir "$M/d/t"
	not setfacl -d -m u:1:r "$M/d/f"
}

test_it_is_kept_and_has_a_past()
{
	local before now

	mount_it -o acl
	echo x >"$M/f"
	before=$(moment)
	setfacl -m u:12345:r "$M/f"
	now=$(acl "$M/f")
	eq "user::rw- group::r-- other::r--" "$(acl "$M/.deriva/at/$before/f")"
	eq "$now" "$(acl "$M/.deriva/at/now/f")"
	umount_it
	mount_it -o acl
	eq "$now" "$(acl "$M/f")"
	mount_at "$S" "$T/m2" -o acl
	eq "$now" "$(acl "$T/m2/f")"
	setfacl -m u:12345:- "$M/f"
	sleep 0.3
	eq "$(acl "$M/f")" "$(acl "$T/m2/f")"
	"$DERIVA" umount "$T/m2"
	umount_it
	"$DERIVA" fsck --store "$S"
}

test_copies_have_it_and_nobody_complains()
{
	local said

	mount_it -o acl
	mkdir "$M/a"
	echo x >"$M/a/f"
	echo y >"$M/a/plain"
	setfacl -m u:12345:rw "$M/a/f"
	setfacl -d -m u:12345:rwx "$M/a"
	said=$(
		cp -a "$M/a" "$M/b"
		rsync -aAX "$M/a/" "$M/c/"
		tar -C "$M" --acls -cf "$T/a.tar" a
		mkdir "$M/x"
		tar -C "$M/x" --acls -xpf "$T/a.tar"
	) 2>&1
	eq "" "$said"
	for d in b c x/a; do
		eq "$(acl "$M/a" "$M/a/f" "$M/a/plain")" \
			"$(acl "$M/$d" "$M/$d/f" "$M/$d/plain")"
	done
}

# Of the recipe's owner, who is not who mounted.
test_a_recipe_reads_what_its_owner_may()
{
	mount_it -o acl
	[ "$(id -u)" = 0 ] || return 0
	echo x >"$M/f"
	recipe d <<<'{in: [f], run: "cat f"}'
	chown 65534:65534 "$M/d.recipe"
	content x d
	setfacl -m u:65534:- "$M/f"
	not cat "$M/d"
	setfacl -m u:65534:r "$M/f"
	chmod o= "$M/f"
	content x d
	setfacl -b "$M/f"
	not cat "$M/d"
}

# Nobody else may enter: what is there is followed, and not shown.
test_a_mount_without_lists()
{
	mount_it -o acl
	mkdir "$M/d"
	setfacl -d -m u::rwx,u:12345:rw,g::r,o::- "$M/d"
	umount_it
	mount_it
	refused "not supported" setfacl -m u:12345:r "$M/d"
	eq "" "$(getfattr -m- "$M/d" 2>&1)"
	echo x >"$M/d/f"
	eq 660 "$(stat -c %a "$M/d/f")"
	chmod 640 "$M/d/f"
	eq "" "$(cp -a "$M/d" "$M/e" 2>&1)"
	umount_it
	mount_it -o allow_other,noacl
	refused "not supported" setfacl -m u:12345:r "$M/d"
	umount_it
	mount_it -o acl
	eq "user::rw- user:12345:rw- group::r-- mask::r-- other::---" \
		"$(acl "$M/d/f")"
}

run_tests "$@"
