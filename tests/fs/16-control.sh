#!/bin/bash
# .deriva and the extended attributes are how people and scripts ask the mount:
# the answers have to be right, well-formed, and must never compute anything.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

pair()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: echo said >&2; cat in
END
}

test_status_is_json_with_every_field()
{
	pair
	cat "$M/d" >/dev/null
	"$PYTHON" - "$M" "$S" <<'END'
import json, os, sys
mount, store = sys.argv[1:]
s = json.load(open(mount + "/.deriva/status"))
for key in ("version", "store", "mountpoint", "pid", "started_ns", "jobs",
            "running", "waiting", "files", "dirs", "bytes", "changes",
            "versions", "objects", "object_bytes", "stored_bytes", "packs",
            "results", "failures", "derived_bytes", "uses", "cost_s",
            "saved_s"):
    assert key in s, key
assert s["store"] == os.path.realpath(store), s
assert s["mountpoint"] == os.path.realpath(mount), s
assert s["results"] == 1 and s["failures"] == 0 and s["running"] == 0, s
assert s["files"] == 2, s
END
	"$DERIVA" status --json "$M" | "$PYTHON" -m json.tool >/dev/null
}

test_why_names_inputs_and_reason()
{
	local said

	pair
	cat "$M/d" >/dev/null
	said=$(cat "$M/.deriva/why/d")
	has in "$said"
	has "$(attr addr "$M/in" | head -c 12)" "$said"
	eq "$said" "$("$DERIVA" why "$M/d")"
	echo 2 >"$M/in"
	cat "$M/d" >/dev/null
	ne "$said" "$(cat "$M/.deriva/why/d")"
	errno ENOENT open r "$M/.deriva/why/in"
	errno ENOENT open r "$M/.deriva/why/nothing"
}

test_output_is_what_the_run_printed()
{
	pair
	cat "$M/d" >/dev/null
	has said "$(cat "$M/.deriva/output/d")"
	has said "$("$DERIVA" output "$M/d")"
	errno ENOENT open r "$M/.deriva/output/in"
}

test_output_and_why_in_directories()
{
	mkdir -p "$M/a/b"
	recipe a/b/d <<'END'
in: []
run: echo deep >&2; exit 1
END
	errno EIO open r "$M/a/b/d"
	has deep "$(cat "$M/.deriva/output/a/b/d")"
	has deep "$(cd "$M/a" && "$DERIVA" output b/d)"
}

test_attributes_compute_nothing()
{
	pair
	eq new "$(state d)"
	attr cost "$M/d" || true
	attr error "$M/d" || true
	eq new "$(state d)"
	"$DERIVA" status "$M/d" >/dev/null
	eq new "$(state d)"
	eq 0 "$(status results)"
}

test_attributes_of_a_fresh_one()
{
	pair
	cat "$M/d" >/dev/null
	eq "$(b3sum --no-names "$M/d")" "$(attr addr "$M/d")"
	[[ "$(attr recipe "$M/d")" =~ ^[0-9a-f]{64}$ ]]
	[[ "$(attr cost "$M/d")" =~ ^[0-9.]+$ ]]
	[[ "$(attr addr "$M/d")" =~ ^[0-9a-f]{64}$ ]]
}

test_attributes_are_no_burden_to_who_copies_them()
{
	pair
	# not listed, or cp -a would try to set them on the copy
	cp -a "$M/d" "$M/in" "$T"
	same "$M/d" "$T/d"
	mkdir "$M/sub"
	cp -a "$M/in" "$M/sub"
	rsync -aX "$M/in" "$M/sub/again"
	eq source "$(state sub/again)"
	lacks user.deriva "$(getfattr --absolute-names -m - "$M/d")"
}

test_cost_is_the_time_it_took()
{
	recipe d <<'END'
in: []
run: sleep 0.5
END
	cat "$M/d" >/dev/null
	"$PYTHON" -c 'import sys; assert 0.4 < float(sys.argv[1]) < 10' \
		"$(attr cost "$M/d")"
}

test_retry_wants_a_derived_file()
{
	pair
	errno ok stat "$M/.deriva/retry"
	refused in "$DERIVA" retry "$M/in"
	refused nothing "$DERIVA" retry "$M/nothing"
}

test_build_computes_all_and_names_what_failed()
{
	local said rc=0

	pair
	mkdir "$M/sub"
	mv "$M/d.recipe" "$M/one.recipe"
	recipe sub/e <<'END'
in: [../one]
run: cat ../one ../one
END
	"$DERIVA" build "$M"
	eq fresh "$(state one)"
	eq fresh "$(state sub/e)"
	eq 2 "$(status results)"
	"$DERIVA" build "$M/one" "$M/sub"
	eq 2 "$(status results)"
	recipe bad <<'END'
in: []
run: echo reason >&2; exit 1
END
	said=$("$DERIVA" build "$M" 2>&1) || rc=$?
	eq 1 "$rc"
	has bad "$said"
}

test_build_n_runs_nothing()
{
	pair
	has d "$("$DERIVA" build -n "$M")"
	eq 0 "$(status results)"
	recipe tree <<'END'
in: []
out: dir
run: mkdir "$out"; echo 1 >"$out/one"
END
	recipe in <<'END'
run: echo blocked by the file of that name
END
	mkdir "$M/a"
	recipe a/b <<'END'
in: [../tree/one]
run: cat ../tree/one
END
	eq "new     a/b
new     d
blocked in.recipe
new     tree" "$(cd "$M" && "$DERIVA" build -n .)"
	eq 0 "$(status results)"
	refused "an ordinary file" "$DERIVA" build "$M"
	eq 3 "$(status results)"
	eq "blocked /in.recipe" "$("$DERIVA" build -n --store "$S" /)"
}

# What is asked for below a moment of the past is computed as well.
test_build_of_the_past()
{
	local at

	pair
	at=$(date -u +%FT%T.%NZ)
	echo later >"$M/in"
	"$DERIVA" build "$M/.deriva/at/$at" "$M/d"
	eq 2 "$(status results)"
}

# What would run is found out once for all that depends on it.
test_build_n_of_a_chain()
{
	local i

	echo 1 >"$M/0"
	for ((i = 1; i <= 300; i++)); do
		printf 'in: [%d]\nfn: concat\n' $((i - 1)) >"$M/$i.recipe"
	done
	eq 300 "$("$DERIVA" build -n "$M" | grep -c '^new')"
	"$DERIVA" build -j 1 "$M"
	eq 1 "$(cat "$M/300")"
	echo 2 >"$M/0"
	eq 300 "$("$DERIVA" build -n "$M" | grep -c '^stale')"
	echo 1 >"$M/0"
	eq "" "$("$DERIVA" build -n "$M")"
	eq 1 "$(status results)" # they all make the same
}

# Three files of one run took its time once.
test_status_counts_a_run_once()
{
	recipe x <<'END'
in: []
out: {a: x.a, b: x.b, c: x.c}
run: sleep 0.1; echo 1 >"$a"; echo 2 >"$b"; echo 3 >"$c"
END
	"$DERIVA" build "$M"
	"$DERIVA" status "$M" >"$T/said"
	eq "$(awk 'NR == 1 {print $4, $5}' "$T/said")" \
		"$(awk '$1 == "total" {print $4, $5}' "$T/said")"
}

no_jobs()
{
	[ -z "$(cat "$M/.deriva/jobs")" ]
}

# Nobody waits any more: what runs is stopped.
test_build_that_is_interrupted_leaves_nothing_running()
{
	local pid i

	mkdir "$M/many"
	for i in 1 2 3 4 5 6 7 8; do
		recipe "many/$i" <<END
in: []
params: {n: "$i"}
run: sleep 100
END
	done
	"$DERIVA" build "$M/many" &
	pid=$!
	wait_for grep -q running "$M/.deriva/jobs"
	kill "$pid"
	wait "$pid" || true
	wait_for no_jobs
	eq 0 "$(status results)"
}

# Nothing that was dropped counts as there; and it is heard of, whoever drops.
test_build_makes_again_what_was_dropped()
{
	pair
	"$DERIVA" build "$M"
	eq "" "$("$DERIVA" build -n "$M")"
	"$DERIVA" drop "$M/d"
	has dropped "$("$DERIVA" build -n "$M")"
	"$DERIVA" build "$M"
	eq "" "$("$DERIVA" build -n "$M")"
	eq fresh "$(state d)"
}

test_resolve_put_and_cat()
{
	local addr

	pair
	eq "$(attr addr "$M/in")" "$("$DERIVA" resolve "$M/in")"
	eq 1 "$("$DERIVA" cat --store "$S" "$(attr addr "$M/in")")"
	echo other >"$T/other"
	addr=$("$DERIVA" put --store "$S" "$T/other")
	eq "$(b3sum --no-names "$T/other")" "$addr"
	eq other "$("$DERIVA" cat --store "$S" "$addr")"
}

test_control_files_refuse_what_makes_no_sense()
{
	ne ok "$("$SYS" open w "$M/.deriva/status")"
	ne ok "$("$SYS" unlink "$M/.deriva/status")"
	ne ok "$("$SYS" rename "$M/.deriva/status" "$M/x")"
	ne ok "$("$SYS" truncate "$M/.deriva/status" 0)"
	errno ENOENT stat "$M/.deriva/nothing"
	cat "$M/.deriva/status" >/dev/null
}

test_a_file_named_deriva_elsewhere_is_ordinary()
{
	mkdir -p "$M/sub/.deriva"
	echo x >"$M/sub/.deriva/f"
	content x sub/.deriva/f
	eq .deriva "$(ls -A "$M/sub")"
}

test_user_attributes_of_ones_own()
{
	echo x >"$M/f"
	setfattr -n user.colour -v red "$M/f"
	eq red "$(getfattr --absolute-names --only-values -n user.colour \
		"$M/f")"
	umount_it
	mount_it
	eq red "$(getfattr --absolute-names --only-values -n user.colour \
		"$M/f")"
	setfattr -x user.colour "$M/f"
	not getfattr --absolute-names -n user.colour "$M/f"
	not setfattr -n user.deriva.state -v x "$M/f"
}

run_tests "$@"
