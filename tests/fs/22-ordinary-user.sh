#!/bin/bash
# Most people are not root. Mount, compute, crash and unmount as `nobody`: with
# fusermount3, without capabilities, and with nobody else let in.
#
# Needs root, to become another user, and to give it a /dev/fuse: one of its own,
# in a mount namespace that goes with this script.
if [ "${1-}" != --inside ]; then
	exec unshare --mount --propagation private "$0" --inside "$@"
fi
shift
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no

user()
{
	HOME=$T/home PATH=/usr/bin:/bin setpriv --reuid nobody \
		--regid "$(id -g nobody)" --clear-groups "$@"
}

# A place of its own, and a program that it can reach.
prepare()
{
	chmod 755 "$T"
	mkdir "$T/bin" "$T/home"
	cp "$DERIVA" "$T/bin/deriva"
	DERIVA=$T/bin/deriva
	S=$T/home/store M=$T/home/m
	chown nobody "$T/home"
	mkdir "$T/dev"
	mount -t tmpfs -o mode=755 none "$T/dev"
	mknod -m 666 "$T/dev/fuse" c 10 229
	mount --bind "$T/dev/fuse" /dev/fuse
	trap 'umount /dev/fuse "$T/dev"' EXIT
}

user_mount()
{
	user "$DERIVA" mount "$S" "$M"
	user cat "$M/.deriva/status" |
		sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' >>"$T/pids"
}

test_the_whole_way()
{
	prepare
	user_mount
	user sh -c "echo hello >'$M/in'"
	user sh -c "cat >'$M/d.recipe'" <<'END'
in: [in]
run: tr a-z A-Z <in; id -u
END
	eq "HELLO $(id -u nobody)" "$(user cat "$M/d" | xargs)"
	user "$DERIVA" why "$M/d" >/dev/null
	user "$DERIVA" status "$M" >/dev/null
	user sh -c "echo again >'$M/in'"
	eq "AGAIN $(id -u nobody)" "$(user cat "$M/d" | xargs)"
	user "$DERIVA" umount "$M"
	not mountpoint -q "$M"
	user_mount
	eq "AGAIN $(id -u nobody)" "$(user cat "$M/d" | xargs)"
	user "$DERIVA" umount "$M"
}

test_nobody_else_gets_in()
{
	prepare
	user_mount
	# without allow_other the kernel keeps out even root
	not ls "$M"
	user "$DERIVA" umount "$M"
}

test_what_it_makes_is_its_own()
{
	prepare
	user_mount
	user sh -c "echo x >'$M/f'; mkdir '$M/d'"
	eq nobody "$(user stat -c %U "$M/f")"
	eq nobody "$(user stat -c %U "$M/d")"
	eq nobody "$(stat -c %U "$S")"
	not user chown root "$M/f"
	user "$DERIVA" umount "$M"
}

test_permissions_are_kept()
{
	prepare
	user_mount
	user sh -c "echo x >'$M/f'; chmod 000 '$M/f'"
	not user cat "$M/f"
	user sh -c "mkdir '$M/d'; chmod 500 '$M/d'"
	not user touch "$M/d/x"
	user sh -c "printf '{in: [f], run: cat f}' >'$M/e.recipe'"
	not user cat "$M/e"
	user "$DERIVA" umount "$M"
}

test_it_cannot_see_what_it_should_not()
{
	prepare
	user_mount
	user sh -c "cat >'$M/d.recipe'" <<END
in: []
run: |
  exec 2>/dev/null
  cat /etc/shadow "$S/format" || true
  ls -A /root "$T/home" || true
  grep CapEff /proc/self/status | cut -f2
END
	eq 0000000000000000 "$(user cat "$M/d")"
	user "$DERIVA" umount "$M"
}

test_kill_and_remount()
{
	prepare
	user_mount
	user sh -c "echo kept >'$M/f'"
	sleep 0.1
	kill -9 "$(tail -1 "$T/pids")"
	sleep 0.2
	user fusermount3 -uz "$M"
	user_mount
	eq kept "$(user cat "$M/f")"
	user "$DERIVA" umount "$M"
}

test_dev_fuse_that_it_may_not_open()
{
	prepare
	chmod 600 /dev/fuse
	if user "$DERIVA" mount "$S" "$M" >"$T/said" 2>&1; then
		# fusermount3, which is setuid root, opens it
		user "$DERIVA" umount "$M"
	else
		has /dev/fuse "$(cat "$T/said")"
		has chmod "$(cat "$T/said")"
		not mountpoint -q "$M"
	fi
}

test_the_scripts_name_what_is_missing()
{
	local root rc=0

	root=$(cd "$(dirname "$0")/../.." && pwd)
	prepare
	mkdir -p "$T/src/scripts"
	cp "$root"/scripts/* "$T/src/scripts/"
	chmod -R a+rX "$T/src"
	chmod 600 /dev/fuse
	user bash -c ". '$T/src/scripts/lib.sh'; need_fuse" >"$T/said" 2>&1 ||
		rc=$?
	eq 1 "$rc"
	has "chmod 666 /dev/fuse" "$(cat "$T/said")"
	rc=0
	user bash -c ". '$T/src/scripts/lib.sh'
		may_install() { false; }
		need_packages no-such-package" >"$T/said" 2>&1 || rc=$?
	eq 1 "$rc"
	grep -E '(apt-get install|dnf install|pacman -S).*no-such-package' \
		"$T/said"
	eq 1 "$(grep -c install "$T/said")"
}

run_tests "$@"
