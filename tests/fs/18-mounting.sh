#!/bin/bash
# The first thing people get wrong is where to mount what. Each case ends with
# exit status 1 (2 for wrong usage), names the path and says what to do, and
# changes nothing.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

usage()
{
	local rc=0

	"$@" >"$T/said" 2>&1 </dev/null || rc=$?
	eq 2 "$rc"
	[ -s "$T/said" ]
}

test_store_and_directory_are_made()
{
	mount_it
	[ -d "$S" ]
	[ -d "$M" ]
	eq "" "$(ls -A "$M")"
	eq "deriva store 1" "$(cat "$S/format")"
}

test_only_the_last_component_is_made()
{
	refused "$T/no" "$DERIVA" mount "$T/no/store" "$M"
	refused "$T/no" "$DERIVA" mount "$S" "$T/no/m"
	[ ! -e "$T/no" ]
}

test_a_directory_that_is_not_empty()
{
	mkdir "$M"
	echo x >"$M/x"
	refused "$M" "$DERIVA" mount "$S" "$M"
	eq x "$(cat "$M/x")"
}

test_a_mountpoint_that_is_a_file()
{
	echo x >"$M"
	refused "$M" "$DERIVA" mount "$S" "$M"
	eq x "$(cat "$M")"
}

test_a_mountpoint_in_use()
{
	mount_it
	refused "$M" "$DERIVA" mount "$T/store2" "$M"
	echo x >"$M/x"
	eq x "$(cat "$M/x")"
}

# Versions before this one took the store for themselves.
test_a_store_in_use_by_an_older_version()
{
	mount_it
	echo x >"$M/x"
	umount_it
	exec 5<>"$S/lock"
	flock -x 5
	echo "process 77 has it mounted" >"$S/lock"
	refused "older version" "$DERIVA" mount "$S" "$M"
	has "process 77" "$("$DERIVA" mount "$S" "$M" 2>&1 || true)"
	not mountpoint -q "$M"
	exec 5<&-
	mount_it
	content x x
}

test_a_store_that_is_something_else()
{
	mkdir "$S"
	echo x >"$S/precious"
	refused "$S" "$DERIVA" mount "$S" "$M"
	eq precious "$(ls -A "$S")"
	not mountpoint -q "$M"
}

test_a_store_that_is_a_file()
{
	echo x >"$S"
	refused "$S" "$DERIVA" mount "$S" "$M"
}

test_a_store_of_a_newer_version()
{
	mount_it
	umount_it
	echo "deriva store 2" >"$S/format"
	cp -a "$S" "$T/copy"
	refused newer "$DERIVA" mount "$S" "$M"
	diff -r "$S" "$T/copy"
	not mountpoint -q "$M"
}

test_a_database_of_a_newer_version()
{
	mount_it
	echo x >"$M/x"
	umount_it
	"$PYTHON" - "$S/deriva.db" <<'END'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    f.seek(60)
    (version,) = struct.unpack(">I", f.read(4))
    print("user_version", version)
    f.seek(60)
    f.write(struct.pack(">I", version + 1))
END
	refused "$S" "$DERIVA" mount "$S" "$M"
	not mountpoint -q "$M"
}

test_a_format_file_that_is_rubbish()
{
	mount_it
	umount_it
	echo rubbish >"$S/format"
	refused format "$DERIVA" mount "$S" "$M"
}

test_a_database_that_is_rubbish()
{
	mount_it
	umount_it
	head -c 8192 /dev/urandom >"$S/deriva.db"
	rm -f "$S/deriva.db-wal" "$S/deriva.db-shm"
	refused deriva.db "$DERIVA" mount "$S" "$M"
	not mountpoint -q "$M"
}

test_a_store_that_is_not_writable()
{
	if [ "$(id -u)" = 0 ]; then
		# nothing is unwritable for root but by attribute or mount
		mkdir "$S"
		mount -t tmpfs -o ro none "$S"
		refused "$S" "$DERIVA" mount "$S" "$M"
		umount "$S"
	else
		mkdir "$S"
		chmod 555 "$S"
		refused "$S" "$DERIVA" mount "$S" "$M"
		chmod 755 "$S"
		mkdir "$T/ro"
		chmod 555 "$T/ro"
		refused "$T/ro" "$DERIVA" mount "$T/ro/store" "$M"
		refused "$T/ro" "$DERIVA" mount "$S" "$T/ro/m"
	fi
}

test_a_mountpoint_inside_its_own_store()
{
	ne 0 "$("$DERIVA" mount "$S" "$S/m" >/dev/null 2>&1; echo $?)"
	not mountpoint -q "$S/m"
}

test_a_store_inside_a_mount_of_deriva()
{
	local rc=0

	# unusual, but nothing may hang
	mount_it
	timeout 20 "$DERIVA" mount "$M/store" "$T/m2" >"$T/said" 2>&1 || rc=$?
	if [ "$rc" = 0 ]; then
		status_of "$T/m2" pid >>"$T/pids"
		"$DERIVA" umount "$T/m2"
	else
		eq 1 "$rc"
	fi
}

test_wrong_usage()
{
	usage "$DERIVA"
	usage "$DERIVA" mount
	usage "$DERIVA" mount "$S"
	usage "$DERIVA" mount "$S" "$M" more
	usage "$DERIVA" mount -o no-such-option "$S" "$M"
	has no-such-option "$(cat "$T/said")"
	usage "$DERIVA" mount --no-such-flag "$S" "$M"
	usage "$DERIVA" no-such-command
	has no-such-command "$(cat "$T/said")"
	usage "$DERIVA" umount
	[ ! -e "$S" ]
}

test_umount_of_what_is_no_mount()
{
	mkdir "$M"
	refused "$M" "$DERIVA" umount "$M"
	refused "$T/nothing" "$DERIVA" umount "$T/nothing"
	refused / "$DERIVA" umount /proc
	mountpoint -q /proc
}

test_help_and_version()
{
	has mount "$("$DERIVA" --help)"
	has deriva "$("$DERIVA" --version)"
	has STORE "$("$DERIVA" mount --help)"
}

test_foreground()
{
	local pid

	"$DERIVA" mount -f "$S" "$M" &
	pid=$!
	wait_for mountpoint -q "$M"
	eq "$pid" "$(status pid)"
	echo "$pid" >>"$T/pids"
	echo x >"$M/x"
	"$DERIVA" umount "$M"
	wait "$pid"
}

test_ctrl_c_of_one_in_the_foreground()
{
	local pid rc=0

	# job control, so that SIGINT is not ignored in the background
	set -m
	"$DERIVA" mount -f "$S" "$M" &
	pid=$!
	set +m
	echo "$pid" >>"$T/pids"
	wait_for mountpoint -q "$M"
	echo x >"$M/x"
	kill -INT "$pid"
	wait "$pid" || rc=$?
	not mountpoint -q "$M"
	at_most 130 "$rc"
	mount_it
	eq x "$(cat "$M/x")"
}

test_mount_returns_when_it_is_usable_and_lets_go_of_its_output()
{
	local start said

	start=$(ms)
	# a daemon that kept the pipe would hold this up for ever
	said=$("$DERIVA" mount "$S" "$M" 2>&1)
	status pid >>"$T/pids"
	eq "" "$said"
	echo x >"$M/x"
	at_most 10000 $(($(ms) - start))
}

test_relative_paths()
{
	cd "$T"
	"$DERIVA" mount store m
	status pid >>"$T/pids"
	eq "$T/store" "$(status store)"
	eq "$T/m" "$(status mountpoint)"
	echo x >m/x
	"$DERIVA" umount m
}

# What is there can be read, what is defined is computed, and nothing changes,
# whatever call it is that tries.
test_read_only()
{
	local before

	mount_it
	echo x >"$M/f"
	mkdir "$M/d"
	setfattr -n user.a -v 1 "$M/f"
	printf '{in: [f], run: "tr x y <f"}' >"$M/e.recipe"
	touch -d 2001-01-01 "$M/d"
	touch "$M/f"
	before=$(cd "$M" && find . -printf '%P %i %m %s %T@ %C@\n' | sort)
	umount_it
	mount_it -o ro
	has "ro," "$(grep " $M " /proc/mounts)"
	eq y "$(cat "$M/e")"
	"$PYTHON" - "$M" <<'END'
import errno, os, socket, sys
os.chdir(sys.argv[1])
fd = os.open("f", os.O_RDONLY)
other = os.open("d", os.O_RDONLY)
def listen():
    s = socket.socket(socket.AF_UNIX)
    s.bind("s")
calls = {
    "creat": lambda: os.open("n", os.O_CREAT | os.O_RDONLY),
    "excl": lambda: os.open("n", os.O_CREAT | os.O_EXCL | os.O_RDWR),
    "write": lambda: os.open("f", os.O_WRONLY),
    "rdwr": lambda: os.open("f", os.O_RDWR),
    "trunc": lambda: os.open("f", os.O_RDONLY | os.O_TRUNC),
    "append": lambda: os.open("f", os.O_WRONLY | os.O_APPEND),
    "of a derived file": lambda: os.open("e", os.O_WRONLY),
    "of a recipe": lambda: os.open("e.recipe", os.O_RDWR),
    "snapshot": lambda: os.open(".deriva/snapshot", os.O_WRONLY),
    "drop": lambda: os.open(".deriva/drop", os.O_WRONLY),
    "truncate": lambda: os.truncate("f", 0),
    "mkdir": lambda: os.mkdir("n"),
    "rmdir": lambda: os.rmdir("d"),
    "unlink": lambda: os.unlink("f"),
    "unlink derived": lambda: os.unlink("e"),
    "rename": lambda: os.rename("f", "g"),
    "link": lambda: os.link("f", "g"),
    "symlink": lambda: os.symlink("f", "g"),
    "fifo": lambda: os.mkfifo("g"),
    "socket": listen,
    "chmod": lambda: os.chmod("f", 0o600),
    "fchmod": lambda: os.fchmod(fd, 0o600),
    "chown": lambda: os.chown("f", os.getuid(), os.getgid()),
    "fchown of a directory": lambda: os.fchown(other, os.getuid(), -1),
    "utime": lambda: os.utime("f"),
    "futimens": lambda: os.utime(fd, (1, 1)),
    "setxattr": lambda: os.setxattr("f", "user.b", b"2"),
    "fsetxattr": lambda: os.setxattr(fd, "user.b", b"2"),
    "removexattr": lambda: os.removexattr("f", "user.a"),
    "copy_file_range": lambda: readonly(os.copy_file_range, fd, fd, 1, 0, 3),
    "fallocate": lambda: readonly(os.posix_fallocate, fd, 0, 9),
    "write to it": lambda: readonly(os.write, fd, b"x"),
    "access": lambda: None if os.access("f", os.W_OK) else fail(),
}
def fail():
    raise OSError(errno.EROFS, "")
def readonly(call, *args):
    """no descriptor can be had that is open for writing"""
    try:
        call(*args)
    except OSError as e:
        if e.errno == errno.EBADF:
            fail()
        raise
bad = 0
for name, call in calls.items():
    try:
        call()
        said = "done"
    except OSError as e:
        said = errno.errorcode[e.errno]
    if said != "EROFS":
        print(name, said)
        bad = 1
sys.exit(bad)
END
	eq 1 "$(getfattr --only-values -n user.a "$M/f")"
	umount_it
	mount_it
	eq "$before" "$(cd "$M" && find . -printf '%P %i %m %s %T@ %C@\n' | sort)"
	# what another mount changes is followed
	mount_at "$S" "$T/m2" -o ro
	echo xx >"$M/f"
	wait_for grep -q yy "$T/m2/e"
	not touch "$T/m2/f"
	"$DERIVA" umount "$T/m2"
}

# As people know them from other FUSE file systems.
test_options()
{
	local o

	for o in rw,noatime,nosuid,nodev,noexec relatime,lazytime,nodiratime \
		fsname=data,subtype=deriva user,users,owner,_netdev,noauto,auto \
		x-gvfs-show,X-mount.mkdir,comment=x,nofail,defaults; do
		mount_it -o "$o"
		echo x >"$M/f"
		umount_it
	done
	mount_it -o noexec,fsname=data -o ro
	eq data "$(findmnt -n -o SOURCE "$M")"
	eq fuse.deriva "$(findmnt -n -o FSTYPE "$M")"
	has noexec "$(findmnt -n -o OPTIONS "$M")"
	has ro, "$(findmnt -n -o OPTIONS "$M")"
	eq "$S" "$(status store)"
	umount_it
	for o in uid=0 gid=0 umask=022 nonempty subtype=x attr_timeout=1 fsname= \
		max_read=1 nosuchthing allow_others "ro " jobs=0; do
		usage "$DERIVA" mount -o "$o" "$S" "$M"
		has "${o%% }" "$(cat "$T/said")"
		eq 3 "$(wc -l <"$T/said")"
	done
	not mountpoint -q "$M"
}

test_auto_unmount()
{
	mount_it -o auto_unmount
	echo x >"$M/f"
	sleep 0.1
	kill -9 "$(status pid)"
	wait_for not mountpoint -q "$M"
	mount_it -o auto_unmount
	content x f
	umount_it
	not mountpoint -q "$M"
}

# Where the daemon died, mount and umount help themselves; ls does not.
test_transport_endpoint_is_not_connected()
{
	local said

	mount_it
	echo x >"$M/f"
	sleep 0.1
	kill -9 "$(status pid)"
	wait_for dead "$(tail -1 "$T/pids")"
	has connect "$(ls "$M" 2>&1 || true)"
	has "daemon is gone" "$("$DERIVA" status "$M" 2>&1 || true)"
	said=$("$DERIVA" mount "$S" "$M" 2>&1)
	has "lost its daemon" "$said"
	eq 1 "$(wc -l <<<"$said")"
	status pid >>"$T/pids"
	content x f
	kill -9 "$(status pid)"
	wait_for dead "$(tail -1 "$T/pids")"
	has "lost its daemon" "$("$DERIVA" umount "$M" 2>&1)"
	not mountpoint -q "$M"
}

test_lazy_unmount()
{
	local pid

	mount_it
	echo x >"$M/f"
	pid=$(status pid)
	exec 5<"$M/f" 6>"$M/g"
	refused busy "$DERIVA" umount "$M"
	"$DERIVA" umount -l "$M"
	not mountpoint -q "$M"
	eq x "$(cat <&5)"
	echo late >&6
	exec 5<&- 6>&-
	wait_for dead "$pid"
	mount_it
	content late g
}

# What a container lacks is named, with what to do.
test_why_it_cannot_be_mounted()
{
	mkdir "$M"
	if [ "$(id -u)" = 0 ]; then
		refused "--cap-add SYS_ADMIN" setpriv \
			--bounding-set=-sys_admin "$DERIVA" mount "$S" "$M"
		refused "/dev/fuse does not exist" unshare -m sh -c \
			'mount -t tmpfs none /dev && mknod /dev/null c 1 3 &&
			exec "$@"' sh "$DERIVA" mount "$S" "$M"
	fi
	eq "" "$(ls -A "$M")"
}

# How mount.fuse3 calls for fstab: no command, and options of others among ours.
test_a_line_of_fstab()
{
	"$DERIVA" "$S" "$M" -o rw,noauto,nofail,x-systemd.automount,nosuid
	status pid >>"$T/pids"
	mountpoint -q "$M"
	has nosuid "$(grep " $M " /proc/mounts)"
	umount_it
	refused_as_usage "$DERIVA" "$S" "$M" -o rw,entry_timeout=1
	if [ "$(id -u)" = 0 ] && [ -x /sbin/mount.fuse3 ]; then
		mount.fuse3 "$DERIVA#$S" "$M" -o allow_other,_netdev
		status pid >>"$T/pids"
		has allow_other "$(grep " $M " /proc/mounts)"
		umount "$M"
		by_mount
	fi
}

# mount(8) and fstab, with the program where mount.fuse3 looks for it.
by_mount()
{
	export S M T DERIVA
	unshare -m bash -e <<'END'
mount -t tmpfs -o mode=755 none /usr/local/bin
ln -s "$DERIVA" /usr/local/bin/deriva
mounted()
{
	sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$M/.deriva/status" >>"$T/pids"
	[[ ,$(findmnt -n -o OPTIONS "$M"), == *,$1,* ]]
	umount "$M"
	! mountpoint -q "$M"
	# umount(8) does not wait for the daemon
	for ((i = 0; i < 100; i++)); do
		[ -e "/proc/$(tail -1 "$T/pids")" ] || break
		sleep 0.1
	done
}
mount -t fuse.deriva -o noatime "$S" "$M"
mounted noatime
mount -t fuse "deriva#$S" "$M"
mounted rw
cd "$T"
mount -t fuse.deriva -o nodev "$(basename "$S")" "$M"
mounted nodev
echo "$S $M fuse.deriva ro,noauto,user,x-systemd.automount 0 0" >"$T/fstab"
mount -T "$T/fstab" "$M"
mounted ro
! mount -t fuse.deriva -o uid=7 "$S" "$M" 2>"$T/said"
grep -q 'chown' "$T/said"
END
}

refused_as_usage()
{
	local rc=0

	"$@" >/dev/null 2>&1 || rc=$?
	eq 2 "$rc"
}

test_two_stores_at_once()
{
	mount_it
	mount_at "$T/s2" "$T/m2"
	echo 1 >"$M/f"
	echo 2 >"$T/m2/f"
	eq 1 "$(cat "$M/f")"
	eq 2 "$(cat "$T/m2/f")"
	"$DERIVA" umount "$T/m2"
	eq 1 "$(cat "$M/f")"
}

test_an_unmounted_directory_is_empty_and_stays()
{
	mount_it
	echo x >"$M/x"
	umount_it
	[ -d "$M" ]
	eq "" "$(ls -A "$M")"
}

test_bwrap_missing_is_named()
{
	local bin

	bin=$T/bin
	mkdir "$bin"
	for p in sh cat ls fusermount3 mount umount mkdir; do
		ln -s "$(command -v "$p")" "$bin/$p"
	done
	PATH=$bin "$DERIVA" mount "$S" "$M"
	status pid >>"$T/pids"
	echo "{in: [], run: 'echo x'}" >"$M/d.recipe"
	errno EIO open r "$M/d"
	has "apt-get install bubblewrap" "$("$DERIVA" output "$M/d")"
	has "unsafe-no-sandbox" "$("$DERIVA" output "$M/d")"
}

run_tests "$@"
