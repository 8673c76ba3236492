#!/bin/bash
# Programs expect of a directory what ext4 does, down to the error of a call that
# fails: posix.py makes each call in both, and compares. fsx.py and stress.py work
# at random, as users.py does as several users. Longer: FSX=100000 STRESS=20000
# USERS=200000.
if [ "$(id -u)" = 0 ] && [ "${1-}" != --inside ]; then
	exec unshare --mount --propagation private "$0" --inside "$@"
fi
[ "${1-}" != --inside ] || shift
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
MOUNT=no
HERE=$(dirname "$(realpath "$0")")
LIMIT=280

# A directory of ext4 to compare with, in $N.
native()
{
	N=$T/native
	mkdir "$N"
	[ "$(stat -f -c %T "$N")" != ext2/ext3 ] || return 0
	[ "$(id -u)" = 0 ] || { echo "SKIP: no ext4 here"; return 1; }
	truncate -s 1G "$T/ext4.img"
	mkfs.ext4 -q "$T/ext4.img"
	mount -o loop "$T/ext4.img" "$N"
}

as_user()
{
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
	else
		"$@"
	fi
}

compare()
{
	native || return 0
	chmod 755 "$T"
	"$@"
	! mountpoint -q "$N" || umount "$N"
}

test_every_call_answers_as_ext4_does()
{
	if [ "$(id -u)" = 0 ]; then
		mount_it -o allow_other
	else
		mount_it
	fi
	compare "$PYTHON" "$HERE/posix.py" "$T/native" "$M"
}

# Rights are checked by the mount itself there, as nobody else may enter.
test_and_in_a_mount_of_an_ordinary_user()
{
	mkdir "$T/u"
	chmod 755 "$T"
	if [ "$(id -u)" = 0 ]; then
		# a program that it can reach, and a /dev/fuse that it may open
		mkdir "$T/bin" "$T/dev"
		cp "$DERIVA" "$HERE"/*.py "$T/bin"
		DERIVA=$T/bin/deriva HERE=$T/bin
		chown 65534:65534 "$T/u"
		mount -t tmpfs -o mode=755 none "$T/dev"
		mknod -m 666 "$T/dev/fuse" c 10 229
		mount --bind "$T/dev/fuse" /dev/fuse
	fi
	S=$T/u/store M=$T/u/m
	as_user "$DERIVA" mount "$S" "$M"
	as_user sh -c "cat $M/.deriva/status" | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' >>"$T/pids"
	compare user_part
	as_user "$DERIVA" umount "$M"
	[ "$(id -u)" != 0 ] || umount /dev/fuse "$T/dev"
}

user_part()
{
	[ "$(id -u)" != 0 ] || chown 65534:65534 "$N"
	export TMPDIR=$T/u
	as_user "$PYTHON" "$HERE/posix.py" "$N" "$M"
}

# A file against a model: small and in memory, large and in a draft.
test_a_file_is_what_was_done_to_it()
{
	local seed size

	mount_it
	for size in 60000 500000 20000000; do
		seed=$RANDOM
		FSX_SIZE=$size "$PYTHON" "$HERE/fsx.py" "$M/$size" \
			"${FSX:-700}" "$seed"
	done
	umount_it
	mount_it
	for size in 60000 500000 20000000; do
		same "$M/$size.want" "$M/$size.got"
	done
}

test_processes_at_work_in_one_tree()
{
	mount_it
	compare "$PYTHON" "$HERE/stress.py" "$T/native" "$M" "${STRESS:-500}"
}

test_users_at_work_in_one_tree()
{
	[ "$(id -u)" = 0 ] || return 0
	mount_it -o allow_other,dev,suid
	compare "$PYTHON" "$HERE/users.py" "$T/native" "$M" "${USERS:-800}"
}

test_and_it_is_there_after_a_kill()
{
	mkdir "$T/plain"
	mount_it
	"$PYTHON" "$HERE/stress.py" "$T/plain" "$M" "${STRESS:-300}"
	sleep 0.5
	kill_daemon
	mount_it
	"$PYTHON" "$HERE/stress.py" "$T/plain" "$M" compare
}

run_tests "$@"
