#!/bin/bash
# With --store, what needs a mount mounts privately. However the command ends,
# neither mount nor daemon nor directory may be left, and the store is free.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"

# What private mounts leave in the directory for temporary files.
left()
{
	find "$T/tmp" -mindepth 1
}

something()
{
	[ -n "$(left)" ]
}

nothing()
{
	[ -z "$(left)" ]
}

prepare()
{
	mkdir "$T/tmp"
	export TMPDIR=$T/tmp
	unset XDG_RUNTIME_DIR
	echo 1 >"$M/in"
	mkdir "$M/sub"
	recipe sub/d <<'END'
in: [/in]
run: cat "$root/in"
END
	recipe slow <<'END'
in: []
run: sleep 300
END
}

test_a_store_without_a_mount()
{
	prepare
	umount_it
	"$DERIVA" build --store "$S" sub
	eq "" "$(left)"
	has fresh "$("$DERIVA" --store "$S" status sub/d)"
	has in "$("$DERIVA" why --store "$S" /sub/d)"
	eq "$(printf '1\n' | b3sum --no-names)" \
		"$("$DERIVA" resolve --store "$S" sub/d)"
	refused nothing "$DERIVA" build --store "$S" nothing
	refused "leads out" "$DERIVA" build --store "$S" ../../..
	eq "" "$(left)"
	mount_it
	eq fresh "$(state sub/d)"
}

test_a_store_that_is_mounted_is_used_through_its_mount()
{
	prepare
	"$DERIVA" build --store "$S" sub/d
	eq fresh "$(state sub/d)"
	eq "" "$(left)"
}

test_several_private_mounts_at_once()
{
	local i want pids=()

	prepare
	umount_it
	want=$(printf '1\n' | b3sum --no-names)
	for i in 1 2 3 4 5; do
		"$DERIVA" resolve --store "$S" sub/d >"$T/got.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	eq "$want" "$(sort -u "$T"/got.*)"
	eq "" "$(left)"
	mount_it
	eq 1 "$(status results)"
}

# In another container, say.
test_a_mount_that_cannot_be_reached_is_not_in_the_way()
{
	local pid

	[ "$(id -u)" = 0 ] || return 0
	prepare
	umount_it
	mkdir "$T/far"
	unshare -m "$DERIVA" mount -f "$S" "$T/far" 2>"$T/far.log" &
	pid=$!
	echo "$pid" >>"$T/pids"
	wait_for grep -q mounted "$S/lock"
	not mountpoint -q "$T/far"
	eq "$(printf '1\n' | b3sum --no-names)" \
		"$("$DERIVA" resolve --store "$S" sub/d)"
	eq "" "$(left)"
	kill "$pid"
	wait "$pid"
	mount_it
	eq fresh "$(state sub/d)"
}

test_nobody_sees_the_private_mount()
{
	local pid

	[ "$(id -u)" = 0 ] || return 0
	prepare
	umount_it
	"$DERIVA" build --store "$S" slow 2>/dev/null &
	pid=$!
	wait_for something
	lacks "$T/tmp" "$(cat /proc/self/mountinfo)"
	kill "$pid"
	wait "$pid" || true
	wait_for nothing
}

ends_with()
{
	local pid

	prepare
	umount_it
	set -m
	"$DERIVA" build --store "$S" slow 2>/dev/null &
	pid=$!
	set +m
	wait_for something
	sleep "$2"
	kill "-$1" "$pid"
	wait "$pid" || true
	wait_for nothing
	wait_for mount_it
}

test_ctrl_c_leaves_nothing()
{
	ends_with INT 0.5
}

test_kill_leaves_nothing()
{
	ends_with KILL 0.5
}

test_an_end_while_it_is_mounted_leaves_nothing()
{
	ends_with INT 0
}

run_tests "$@"
