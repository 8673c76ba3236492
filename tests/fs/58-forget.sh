#!/bin/bash
# What must go goes: contents, addresses, names on request, from packs, journals
# and rows; what must stay stays: the record that there was something, its
# proofs, what the present, a snapshot or a pin shows.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
FORMAT=$(dirname "$0")/../format

gc()
{
	"$DERIVA" gc --store "$S" "$@"
}

clean()
{
	"$DERIVA" fsck --store "$S"
}

forget()
{
	"$DERIVA" forget --before now "$@"
}

# Whether a text stands anywhere in the store, compressed or not.
stands()
{
	"$PYTHON" - "$FORMAT" "$S" "$1" <<'END'
import os, sys
sys.path.insert(0, sys.argv[1])
from packs import Packs
store, want = sys.argv[2], sys.argv[3].encode()
if len(want) == 64:
    want = (want, bytes.fromhex(sys.argv[3]))
else:
    want = (want,)
packs = Packs(store)
found = [kind for kind in ("chunk", "node", "dir", "recipe", "journal")
         for _, data in packs.all(kind) if any(w in data for w in want)]
for top, _, names in os.walk(store):
    for name in names:
        with open(os.path.join(top, name), "rb") as f:
            data = f.read()
            if any(w in data for w in want):
                found.append(name)
print(*found)
sys.exit(not found)
END
}

address()
{
	getfattr --only-values -n user.deriva.addr "$1"
}

# The database from packs and journals alone says the same.
rebuilt()
{
	local before

	before=$("$DERIVA" log --store "$S" --json -r / | sed 's/"program":"[^"]*"//')
	rm -f "$S"/deriva.db*
	"$DERIVA" fsck --repair --store "$S"
	clean
	eq "$before" "$("$DERIVA" log --store "$S" --json -r / | sed 's/"program":"[^"]*"//')"
}

test_an_old_content_goes_for_good()
{
	local t addr before

	mkdir "$M/d"
	echo "what nobody may know" >"$M/d/f"
	"$SYS" noise 2 3 >"$M/d/big"
	addr=$(address "$M/d/f")
	ln -s "secret target" "$M/d/link"
	setfattr -n user.note -v "secret note" "$M/d/f"
	echo beside >"$M/other"
	t=$(moment)
	echo harmless >"$M/d/f"
	: >"$M/d/big"
	setfattr -n user.note -v "plain note" "$M/d/f"
	rm "$M/d/link"
	eq "what nobody may know" "$(cat "$M/.deriva/at/$t/d/f")"
	(cd "$M" && "$DERIVA" prove other >"$T/before" && "$DERIVA" head >"$T/head")
	stands "what nobody may know"
	stands "$addr"
	before=$(du -sk "$S/packs" | cut -f1)
	has "would forget 5 versions" "$(forget -n "$M/d")"
	eq "what nobody may know" "$(cat "$M/.deriva/at/$t/d/f")"
	has "forgot 5 versions" "$(forget "$M/d")"
	has "nothing to forget" "$(forget "$M/d")"
	errno ENODATA open r "$M/.deriva/at/$t/d/f"
	eq 21 "$(stat -c %s "$M/.deriva/at/$t/d/f")"
	not readlink "$M/.deriva/at/$t/d/link"
	eq "" "$(getfattr --only-values -n user.note "$M/.deriva/at/$t/d/f")"
	not address "$M/.deriva/at/$t/d/f"
	has "(forgotten)" "$("$DERIVA" log "$M/d/f")"
	has '"address":null,"forgotten":true' "$("$DERIVA" log --json "$M/d/f")"
	eq harmless "$(cat "$M/d/f")"
	eq beside "$(cat "$M/.deriva/at/$t/other")"
	gc
	not stands "what nobody may know"
	not stands "$addr"
	not stands "secret target"
	not stands "secret note"
	stands "plain note"
	at_most $((before - 2000)) "$(du -sk "$S/packs" | cut -f1)"
	"$DERIVA" verify-proof "$T/before"
	(cd "$M" && "$DERIVA" prove other >"$T/after" &&
		"$DERIVA" prove --since "$T/head" >"$T/since")
	"$DERIVA" verify-proof "$T/after"
	"$DERIVA" verify-proof "$T/since"
	not "$DERIVA" prove --at "$t" "$M/d/f"
	clean
	umount_it
	"$PYTHON" "$FORMAT/format.py" check "$S"
	rebuilt
	mount_it
	errno ENODATA open r "$M/.deriva/at/$t/d/f"
	eq harmless "$(cat "$M/d/f")"
}

test_names_go_when_that_is_asked_for()
{
	local t

	mkdir "$M/d" "$M/d/hidden-dir"
	echo x >"$M/d/hidden-dir/hidden-file"
	echo y >"$M/d/open-name"
	mv "$M/d/open-name" "$M/d/other-name"
	t=$(moment)
	rm -r "$M/d/hidden-dir"
	forget "$M/d/hidden-dir"
	eq hidden-file "$(ls "$M/.deriva/at/$t/d/hidden-dir")"
	has "(forgotten)" "$("$DERIVA" log "$M/d/hidden-dir/hidden-file")"
	has "2 names" "$(forget --names "$M/d/hidden-dir")"
	lacks hidden "$(ls -R "$M/.deriva/at/$t/d")"
	gc
	not stands hidden
	stands open-name
	forget --names "$M/d/other-name"
	gc
	not stands open-name
	eq other-name "$(ls "$M/d")"
	clean
	umount_it
	rebuilt
	mount_it
	eq y "$(cat "$M/d/other-name")"
	eq 3 "$("$DERIVA" log -r "$M/d" | grep -c '(forgotten)')"
}

test_before_a_moment_and_no_further()
{
	local t1 t2

	echo one >"$M/f"
	t1=$(moment)
	echo two >"$M/f"
	t2=$(moment)
	echo three >"$M/f"
	"$DERIVA" forget --before "$t2" "$M/f"
	errno ENODATA open r "$M/.deriva/at/$t1/f"
	eq two "$(cat "$M/.deriva/at/$t2/f")"
	gc
	eq two "$(cat "$M/.deriva/at/$t2/f")"
	not "$DERIVA" forget --before "in a year" "$M/f"
	not "$DERIVA" forget --before now "$M/never"
	not "$DERIVA" forget "$M/f"
	clean
}

test_snapshots_and_pins_keep_and_are_named()
{
	local t

	echo one >"$M/f"
	t=$(moment)
	"$DERIVA" snapshot --store "$S" first
	echo two >"$M/f"
	"$DERIVA" pin "$M/f"
	echo three >"$M/f"
	echo four >"$M/f"
	refused "still show some of it" "$DERIVA" forget --before now "$M/f"
	has "snapshot first" "$(forget "$M/f" 2>/dev/null || true)"
	has "pin f" "$(forget "$M/f" 2>/dev/null || true)"
	gc
	eq one "$(cat "$M/.deriva/at/first/f")"
	eq one "$(cat "$M/.deriva/at/$t/f")"
	not stands three
	"$DERIVA" unpin "$M/f"
	forget "$M/f" || true
	gc
	not stands two
	eq four "$(cat "$M/f")"
	clean
}

# What has it open goes on reading; then it goes.
test_an_open_file_is_read_to_its_end()
{
	local t

	echo "held open" >"$M/f"
	t=$(moment)
	echo new >"$M/f"
	exec 9<"$M/.deriva/at/$t/f"
	forget "$M/f"
	has "still open" "$(gc)"
	has '"forgotten_left":true' "$(gc --json)"
	eq "held open" "$(cat <&9)"
	exec 9<&-
	sleep 0.1
	lacks "still open" "$(gc)"
	not stands "held open"
	has '"forgotten_left":false' "$(gc --json)"
}

# Whoever is killed in between: it is forgotten, or the next one forgets it.
test_killed_in_between()
{
	local i

	for i in 1 2 3 4 5 6; do
		echo "very secret $i" >"$M/f$i"
		echo plain >"$M/f$i"
	done
	for i in 1 2 3 4 5 6; do
		"$DERIVA" forget --before now "$M/f$i" >/dev/null &
		sleep "0.0$((i * 2))"
		kill -9 $! 2>/dev/null || true
		wait $! 2>/dev/null || true
		clean
	done
	forget "$M"
	gc
	not stands "very secret"
	clean
	umount_it
	rebuilt
	mount_it
}

run_tests "$@"
