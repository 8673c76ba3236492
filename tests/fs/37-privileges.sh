#!/bin/bash
# The kernel leaves it to the mount to take setuid and setgid bits away from a
# file that somebody else writes to, so that 4 KiB writes need no question each.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

as_nobody()
{
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

open_to_all()
{
	umount_it
	mount_it -o allow_other
	chmod 755 "$T" "$M"
}

# What the operation leaves of mode 6777.
mode_after()
{
	[ -e "$M/f" ] || head -c 100000 /dev/zero >"$M/f"
	chmod 6777 "$M/f"
	"$@"
	stat -c %a "$M/f"
}

test_writing_takes_them()
{
	open_to_all
	eq "$(mode_after as_nobody sh -c "echo x >>'$M/f'")" 777
	eq "$(mode_after as_nobody sh -c "echo x >'$M/f'")" 777
	eq "$(mode_after as_nobody truncate -s 10 "$M/f")" 777
	eq "$(mode_after as_nobody fallocate -l 20000 "$M/f")" 777
	umount_it
	mount_it
	eq "$(stat -c %a "$M/f")" 777
}

test_giving_it_away_takes_them()
{
	open_to_all
	eq "$(mode_after chown 1 "$M/f")" 777
	eq "$(mode_after chown :1 "$M/f")" 777
}

test_who_may_set_them_keeps_them()
{
	open_to_all
	eq "$(mode_after sh -c "echo x >>'$M/f'")" 6777
	eq "$(mode_after truncate -s 10 "$M/f")" 6777
	eq "$(mode_after as_nobody cat "$M/f" >/dev/null &&
		stat -c %a "$M/f")" 6777
}

test_capabilities_go_with_a_write()
{
	cp /bin/true "$M/f"
	setfattr -n security.capability \
		-v 0x0100000200200000000000000000000000000000 "$M/f"
	getfattr -n security.capability "$M/f" >/dev/null
	echo x >>"$M/f"
	not getfattr -n security.capability "$M/f"
}

run_tests "$@"
