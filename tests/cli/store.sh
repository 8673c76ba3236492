#!/bin/bash
# The store by address, and the history of names, are read and written by other
# processes than the one that serves the mount, at the same time, and without
# one at all.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"

put()
{
	"$DERIVA" put --store "$S" "$@"
}

cat_addr()
{
	"$DERIVA" cat --store "$S" "$@"
}

test_put_and_cat_beside_a_mount()
{
	local a

	echo hello >"$T/f"
	a=$(put "$T/f")
	eq "$(b3sum --no-names "$T/f")" "$a"
	eq hello "$(cat_addr "$a")"
	eq "$a" "$(put - <"$T/f")"
	eq "$a" "$(put - < <(cat "$T/f"))"
	eq "$a" "$(cd "$M" && "$DERIVA" put "$T/f")"
	eq hello "$(cd "$M" && "$DERIVA" cat "$a")"
	eq hello "$(cat_addr "${a^^}")"
	echo x >"$M/x"
	content x x
}

test_put_and_cat_without_a_mount()
{
	umount_it
	echo hello >"$T/f"
	eq hello "$(cat_addr "$(put "$T/f")")"
	eq "$(b3sum --no-names </dev/null)" "$(put /dev/null)"
	eq "" "$(cat_addr "$(put /dev/null)")"
	eq 2 "$(put "$T/f" /dev/null | wc -l)"
}

test_large_content_comes_back()
{
	local a

	head -c 3000000 /dev/urandom >"$T/f"
	truncate -s 5000000 "$T/f"
	a=$(put "$T/f")
	cat_addr "$a" | cmp - "$T/f"
	eq "$a" "$(put - < <(cat "$T/f"))"
	# the node itself, not what it leads to
	at_most 100000 "$(cat_addr --raw "$a" | wc -c)"
}

test_what_is_not_there()
{
	local zero

	zero=$(printf '%064d' 0)
	refused "no such object" cat_addr "$zero"
	refused "$T/nothing" put "$T/nothing"
	refused directory put "$T"
	# the others are stored nevertheless
	echo x >"$T/f"
	has "$(b3sum --no-names "$T/f")" \
		"$(put "$T/nothing" "$T/f" 2>/dev/null || true)"
}

test_put_heals_a_damaged_object()
{
	local a

	head -c 200000 /dev/urandom >"$T/f"
	a=$(put "$T/f")
	umount_it
	chmod u+w "$S"/packs/* # sealed ones are read-only
	"$PYTHON" - "$S" "$T/f" <<'END'
import glob, sys
want = open(sys.argv[2], "rb").read()[1000:1032]
for name in glob.glob(sys.argv[1] + "/packs/*"):
    data = bytearray(open(name, "rb").read())
    at = data.find(want)
    if at >= 0:
        data[at] ^= 1
        open(name, "r+b").write(data)
        break
else:
    sys.exit("not found in any pack")
END
	refused damaged cat_addr "$a"
	eq "$a" "$(put "$T/f")"
	cat_addr "$a" | cmp - "$T/f"
}

test_cat_shows_a_computation()
{
	recipe d <<'END'
in: []
params: {greeting: hello}
run: echo "$greeting"
END
	cat "$M/d" >/dev/null
	cat_addr "$(attr recipe "$M/d")" >"$T/said"
	has 'run: "echo \"$greeting\""' "$(cat "$T/said")"
	has 'greeting: "hello"' "$(cat "$T/said")"
	has "in: []" "$(cat "$T/said")"
}

test_log_of_a_source()
{
	local said

	echo 1 >"$M/f"
	echo 22 >"$M/f"
	chmod 600 "$M/f"
	mv "$M/f" "$M/g"
	said=$("$DERIVA" log "$M/f")
	has "$(printf '1\n' | b3sum --no-names)" "$said"
	has "$(b3sum --no-names "$M/g")" "$said"
	has "rename" "$(tail -1 <<<"$said")"
	has "mv (uid $(id -u))" "$(tail -1 <<<"$said")"
	said=$("$DERIVA" log "$M/g")
	eq 1 "$(wc -l <<<"$said")"
	has "rename" "$said"
	has "$(b3sum --no-names "$M/g")" "$said"
	cat_addr "$(awk '/write/ {print $NF; exit}' < <("$DERIVA" log "$M/f"))" \
		>/dev/null
}

test_log_numbers_lead_to_the_version()
{
	local seq

	echo 1 >"$M/f"
	seq=$("$DERIVA" log "$M/f" | tail -1 | cut -d' ' -f1)
	echo 2 >"$M/f"
	eq 1 "$(cat "$M/.deriva/at/$seq/f")"
}

test_log_of_what_is_gone()
{
	local said

	mkdir -p "$M/a/b"
	echo 1 >"$M/a/b/f"
	rm -r "$M/a"
	said=$("$DERIVA" log "$M/a/b/f")
	has "$(printf '1\n' | b3sum --no-names)" "$said"
	has unlink "$(tail -1 <<<"$said")"
	eq "$said" "$("$DERIVA" log --store "$S" a/b/f)"
	eq "$said" "$(cd "$M" && "$DERIVA" log a/b/f)"
	umount_it
	eq "$said" "$("$DERIVA" log --store "$S" a/b/f)"
	refused "never was" "$DERIVA" log --store "$S" a/b/g
	refused "never was" "$DERIVA" log --store "$S" nothing/f
}

test_log_of_a_derived_file()
{
	local said

	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
run: if grep -q 3 in; then exit 3; fi; cat in
END
	cat "$M/d" >/dev/null
	echo 2 >"$M/in"
	cat "$M/d" >/dev/null
	echo 1 >"$M/in"
	cat "$M/d" >/dev/null
	echo 3 >"$M/in"
	not cat "$M/d" 2>/dev/null
	said=$("$DERIVA" log "$M/d")
	eq "computed computed found failed" \
		"$(awk '{printf "%s%s", s, $3; s = " "}' <<<"$said")"
	"$DERIVA" log --json "$M/d" | "$PYTHON" -c '
import json, sys
l = json.load(sys.stdin)
assert [x["op"] for x in l] == ["computed", "computed", "found", "failed"], l
assert l[0]["address"] == l[2]["address"] != l[1]["address"], l
assert l[3]["error"] == "EIO" and "address" not in l[3], l'
}

test_log_json_is_json()
{
	echo 1 >"$M/f"
	echo 2 >"$M/f"
	rm "$M/f"
	"$DERIVA" log --json "$M/f" | "$PYTHON" -c '
import json, sys
l = json.load(sys.stdin)
seqs = [x["change"] for x in l]
assert seqs == sorted(seqs) and len(set(seqs)) == len(seqs), l
assert l[-1]["kind"] == "gone", l
assert l[-2]["size"] == 2 and len(l[-2]["address"]) == 64, l'
}

test_log_writes_nothing()
{
	echo 1 >"$M/f"
	exec 5<"$M/f"
	rm "$M/f"
	"$DERIVA" log "$M/f" >/dev/null
	# the mount still has the file that is open and without a name
	eq 1 "$(cat <&5)"
	exec 5<&-
}

test_status_of_a_store_without_a_mount()
{
	local said

	echo 12345 >"$M/f"
	umount_it
	said=$("$DERIVA" status --store "$S")
	has "$S" "$said"
	has "files     1 in" "$said"
	lacks mounted "$said"
	"$DERIVA" --store "$S" status --json | "$PYTHON" -c '
import json, sys
s = json.load(sys.stdin)
assert s["files"] == 1 and s["bytes"] == 6 and "pid" not in s, s'
}

run_tests "$@"
