#!/bin/bash
# A disk with places that cannot be read: who reads what lies there gets EIO and
# nobody else does, nothing hangs or ends, and fsck names it. (tests/lib/
# sectors.c, loaded before the C library, has reading fail.)
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2034 # read by lib.sh
MOUNT=no
: "${SECTORS_LIB:?the library that has reading fail}"
ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0

# bad COMMAND...: it runs on the disk with the places in $T/places
bad()
{
	LD_PRELOAD=$SECTORS_LIB SECTORS_FILE=$T/places timeout 60 "$@"
}

bad_fsck()
{
	local want=$1 rc=0

	shift
	bad "$DERIVA" fsck --store "$S" "$@" >"$T/said" 2>"$T/err" || rc=$?
	eq "$want" "$rc" || { cat "$T/said" "$T/err"; return 1; }
}

# place_of FILE: sets PACK and AT to where a record of its content lies
place_of()
{
	read -r PACK AT < <("$PYTHON" - "$S" "$1" <<'END'
import glob, os, sys
want = open(sys.argv[2], "rb").read()[1000:1032]
for name in glob.glob(sys.argv[1] + "/packs/*"):
    at = open(name, "rb").read().find(want)
    if at >= 0:
        print(os.path.basename(name), at)
        break
END
)
	[ -n "$AT" ]
}

a_store()
{
	: >"$T/places"
	mount_it
	"$SYS" noise 1 3 >"$M/f"
	"$SYS" noise 1 4 >"$M/g"
	cp "$M/f" "$T/f"
	cp "$M/g" "$T/g"
	mkdir "$M/d"
	echo small >"$M/d/small"
	recipe sum <<'END'
in: [f]
run: cat f | wc -c
END
	umount_it
}

test_a_place_in_a_pack()
{
	a_store
	place_of "$T/f"
	echo "packs/$PACK:$AT:512" >"$T/places"
	bad "$DERIVA" mount "$S" "$M" 2>"$T/log"
	status_of "$M" pid >>"$T/pids"
	not cat "$M/f" >"$T/got" 2>"$T/err"
	has "Input/output error" "$(cat "$T/err")"
	cmp -n "$(stat -c %s "$T/got")" "$T/got" "$T/f"
	not cat "$M/sum" 2>/dev/null
	has "cannot be read" "$(attr error "$M/sum")$(cat "$S/log")"
	same "$T/g" "$M/g"
	content small d/small
	bad_fsck 1
	has "packs/$PACK" "$(cat "$T/said")"
	has "/f@" "$(cat "$T/said")"
	lacks "/g@" "$(cat "$T/said")"
	cp "$T/f" "$M/again" # puts it elsewhere
	same "$T/f" "$M/f"
	eq $((1 << 20)) "$(cat "$M/sum")"
	umount_it
	bad_fsck 0
	has note "$(cat "$T/said")"
}

test_a_pack_that_cannot_be_read_at_all()
{
	a_store
	echo "/packs/:0:1000000000" >"$T/places"
	bad "$DERIVA" mount "$S" "$M" 2>"$T/log"
	status_of "$M" pid >>"$T/pids"
	for n in f g d/small; do
		not cat "$M/$n" >/dev/null 2>"$T/err"
		has "Input/output error" "$(cat "$T/err")"
	done
	eq "d f g sum sum.recipe " "$(find "$M" -mindepth 1 -maxdepth 1 \
		-printf '%f\n' | sort | tr '\n' ' ')"
	echo new >"$M/new"
	content new new
	bad_fsck 1
	has "/f@" "$(cat "$T/said")"
	: >"$T/places" # it was the cable
	same "$T/f" "$M/f"
	umount_it
	bad_fsck 0
}

# free_pages FILE: numbers of the database's pages that hold nothing: leaves of
# its list of free pages (https://sqlite.org/fileformat2.html, 1.5)
free_pages()
{
	"$PYTHON" - "$1" <<'END'
import struct, sys
db = open(sys.argv[1], "rb").read()
trunk = struct.unpack(">I", db[32:36])[0]
while trunk:
    at = (trunk - 1) * 4096
    trunk, n = struct.unpack(">II", db[at:at + 8])
    print(*struct.unpack(f">{n}I", db[at + 8:at + 8 + 4 * n]), sep="\n")
END
}

# Every page that holds something, one after the other.
test_places_in_the_database()
{
	local i size rc

	a_store
	cp -a "$S" "$T/good"
	size=$(stat -c %s "$S/deriva.db")
	free_pages "$S/deriva.db" >"$T/free"
	for ((i = 0; i < size; i += 4096 * 5)); do
		! grep -qx $((i / 4096 + 1)) "$T/free" || continue
		rm -rf "$S"
		cp -a "$T/good" "$S"
		echo "deriva.db:$((i + 512)):512" >"$T/places"
		rc=0
		bad "$DERIVA" mount "$S" "$M" 2>"$T/err" || rc=$?
		if [ "$rc" = 0 ]; then
			status_of "$M" pid >>"$T/pids"
			for n in f g d/small sum; do
				timeout 20 cat "$M/$n" >"$T/got" 2>"$T/err" ||
					{ [ $? = 1 ] && has "Input/output" \
						"$(cat "$T/err")"; }
			done
			timeout 20 ls -l "$M" >/dev/null 2>&1 || true
			timeout 20 touch "$M/new" 2>/dev/null || true
			umount_it 2>/dev/null || wait_for not mountpoint -q "$M"
		else
			eq 1 "$rc" # it says why, and does not hang
			has "deriva.db" "$(cat "$T/err")"
		fi
		bad_fsck 1
		has "deriva.db" "$(cat "$T/said")"
		echo >"$T/places"
		bad "$DERIVA" fsck --repair --store "$S" >/dev/null
		bad_fsck 0
	done
}

test_places_in_the_log()
{
	a_store
	mount_it
	echo 1 >"$M/one"
	sync "$M/one"
	kill_daemon
	echo "deriva.db-wal:4200:512" >"$T/places"
	not bad "$DERIVA" mount "$S" "$M" 2>"$T/err"
	has "deriva fsck" "$(cat "$T/err")"
	bad_fsck 1
	has "deriva.db" "$(cat "$T/said")"
	: >"$T/places"
	mount_it
	content 1 one
}

test_the_marks()
{
	a_store
	echo "deriva.db-mark:0:512" >"$T/places"
	bad_fsck 1
	has "deriva.db-mark" "$(cat "$T/said")"
	bad "$DERIVA" mount "$S" "$M" 2>"$T/err"
	status_of "$M" pid >>"$T/pids"
	same "$T/f" "$M/f"
	umount_it
}

run_tests "$@"
