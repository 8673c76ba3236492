#!/bin/bash
# The budget for derived bytes: when there are more, results go that are cheap
# to make again, big and little used; never what is pinned, what is open, what
# is not known to be reproducible. What went has its size and address, and comes
# back when it is read.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

MB=1000000

gc()
{
	"$DERIVA" gc --store "$S" "$@"
}

figure()
{
	sed -n 's/.*"'"$1"'":\([0-9]*\).*/\1/p'
}

set_to()
{
	echo "$1" >"$M/.deriva/settings"
}

kept()
{
	status kept_bytes
}

# made NAME CHAR [COMMAND]: a million of that, after that command
made()
{
	recipe "$1" <<END
in: []
run: ${3:-true}; head -c $MB /dev/zero | tr '\0' $2
END
}

# twice NAME: computed, dropped, computed: so it is known to be reproducible
twice()
{
	cat "$M/$1" >"$T/once"
	"$DERIVA" drop "$M/$1"
	cmp "$T/once" "$M/$1"
}

# holds CHAR: a million of them are read
holds()
{
	eq "$MB" "$(tr -cd "$1" | wc -c)"
}

test_over_the_budget_results_go_as_it_was_told()
{
	local i would

	for i in 1 2 3 4; do
		made "d$i" "$i"
		twice "d$i"
	done
	eq $((4 * MB)) "$(kept)"
	eq 0 "$(gc --json | figure results)"
	set_to "budget: 2500000"
	would=$(gc -n --json)
	eq 2 "$(figure results <<<"$would")"
	eq $((2 * MB)) "$(figure result_bytes <<<"$would")"
	eq $((4 * MB)) "$(kept)"
	eq "${would/\"dry\":true/}" "$(gc --json | sed 's/"dry":false//')"
	eq $((2 * MB)) "$(kept)"
	eq 2 "$(for i in 1 2 3 4; do state "d$i"; done | grep -o dropped | wc -l)"
	eq 2 "$("$DERIVA" watch --store "$S" --no-wait --since 0 |
		sed -n 's/.*"op":"dropped","program":"deriva gc",\("recipe":"[^"]*"\),"uid".*/\1/p' |
		sort -u | wc -l)"
	for i in 1 2 3 4; do
		eq "$MB" "$(stat -c %s "$M/d$i")"
		holds "$i" <"$M/d$i"
	done
	"$DERIVA" fsck --store "$S"
}

test_what_is_dear_to_make_stays()
{
	made dear d "sleep 2"
	made cheap c
	twice dear
	twice cheap
	set_to "budget: 1M"
	gc
	eq dropped "$(state cheap)"
	eq fresh "$(state dear)"
}

test_what_is_pinned_open_or_not_reproducible_stays()
{
	local i

	mkdir "$M/dir"
	for i in pinned dir/below open went; do
		made "$i" "${i: -1}"
		twice "$i"
	done
	recipe once <<'END'
in: []
run: head -c 1000000 /dev/urandom
END
	cat "$M/once" >"$T/once"
	"$DERIVA" pin "$M/pinned" "$M/dir"
	exec 3<"$M/open"
	set_to "budget: 1"
	has "over the budget" "$(gc -n)"
	gc
	for i in pinned dir/below open once; do
		eq fresh "$(state "$i")"
	done
	eq dropped "$(state went)"
	holds n <&3
	exec 3<&-
	cmp "$T/once" "$M/once"
	gc
	eq dropped "$(state open)"
	eq fresh "$(state once)"
}

test_directories_count_what_they_hold()
{
	recipe tree <<'END'
in: []
out: dir
run: |
  mkdir -p $out/a/b
  for i in 1 2 3; do head -c 1000000 /dev/zero | tr '\0' $i >$out/a/b/f$i; done
  cp $out/a/b/f1 $out/same
END
	holds 2 <"$M/tree/a/b/f2"
	"$DERIVA" drop "$M/tree"
	gc
	holds 3 <"$M/tree/a/b/f3"
	gc
	eq $((3 * MB)) "$(kept)"
	set_to "budget: 1M"
	exec 3<"$M/tree/a/b/f1"
	eq 0 "$(gc --json | figure results)"
	holds 1 <&3
	exec 3<&-
	eq 1 "$(gc --json | figure results)"
	eq 0 "$(kept)"
	holds 1 <"$M/tree/a/b/f1"
	gc
	eq f1 "$(find "$M/tree/a/b" -name f1 -printf '%f\n')"
	gc
	holds 1 <"$M/tree/same"
	"$DERIVA" fsck --store "$S"
}

test_an_input_that_went_is_made_again()
{
	made plain p
	twice plain
	recipe tree <<'END'
in: []
out: dir
run: mkdir -p $out/sub; head -c 1000000 /dev/zero | tr '\0' t >$out/sub/f
END
	holds t <"$M/tree/sub/f"
	"$DERIVA" drop "$M/tree"
	gc
	holds t <"$M/tree/sub/f"
	set_to "budget: 1"
	has "dropped 2 results" "$(gc)"
	recipe one <<'END'
in: [plain]
run: wc -c <plain
END
	recipe two <<'END'
in: [tree/sub/f]
run: wc -c <tree/sub/f
END
	recipe three <<'END'
in: [tree/]
run: cat tree/sub/f | wc -c
END
	eq "$MB" "$(cat "$M/one")"
	eq "$MB" "$(cat "$M/two")"
	gc
	eq "$MB" "$(cat "$M/three")"
}

test_a_mount_keeps_to_its_budget_by_itself()
{
	local i

	umount_it
	mount_it -o budget=2M,collect=200ms
	for i in 1 2 3 4 5 6; do
		made "d$i" "$i"
		twice "d$i"
	done
	for _ in $(seq 200); do
		[ "$(kept)" -gt $((2 << 20)) ] || break
		sleep 0.1
	done
	at_most $((2 << 20)) "$(kept)"
	for i in 1 2 3 4 5 6; do
		holds "$i" <"$M/d$i"
	done
}

test_old_versions_go_by_themselves()
{
	local i

	umount_it
	mount_it -o 'retention=last 1,collect=200ms'
	for i in 1 2 3 4 5 6; do
		"$SYS" noise 4 "$i" >"$M/f"
	done
	for _ in $(seq 200); do
		! "$DERIVA" log --json "$M/f" | grep -q '"kept":false' || break
		sleep 0.1
	done
	at_least 1 "$("$DERIVA" log --json "$M/f" | grep -c '"kept":false')"
	"$SYS" noise 4 6 | cmp - "$M/f"
}

test_a_budget_that_cannot_be_is_refused()
{
	not set_to "budget: much"
	not set_to "collect: 1ms"
	set_to "budget: 10G"
	set_to "collect: never"
	eq $'budget: 10G\ncollect: never' "$(sed -n 2,3p "$M/.deriva/settings")"
	set_to "budget: none"
	eq "budget: none" "$(sed -n 2p "$M/.deriva/settings")"
	not "$DERIVA" mount -o budget=some "$T/s2" "$T/m2"
}

run_tests "$@"
