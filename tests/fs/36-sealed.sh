#!/bin/bash
# Closing a large file does not wait until it is in the store. It is there all
# the same: for who reads it, asks for its address, changes it again or computes
# from it; durable with fsync; and after a kill -9 at any moment.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# make NAME MIB: a native file of bytes that take a while
make()
{
	"$PYTHON" - "$T/$1" "$2" <<'END'
import random, sys
pick = random.Random(sys.argv[1])
piece = b"".join(pick.choice((b"one ", b"two\n", b"three ", b"4 "))
                 for _ in range(200000))
with open(sys.argv[1], "wb") as f:
    for i in range(int(sys.argv[2])):
        f.write(pick.randbytes(400000) + piece[:648576])
END
}

sealed_count()
{
	find "$S/drafts" -name 'sealed-*' | wc -l
}

test_what_was_closed_is_read()
{
	make a 64
	cp "$T/a" "$M/a"
	cmp "$T/a" "$M/a"
	eq "$(stat -c %s "$M/a")" "$(stat -c %s "$T/a")"
	eq "$(cksum <"$M/a")" "$(cksum <"$T/a")"
	umount_it
	eq "$(sealed_count)" 0
	mount_it
	cmp "$T/a" "$M/a"
}

test_its_address_is_that_of_the_content()
{
	make a 48
	cp "$T/a" "$M/a"
	eq "$(attr addr "$M/a")" "$("$DERIVA" put --store "$S" "$T/a" |
		cut -d' ' -f1)"
}

test_a_recipe_sees_it()
{
	make a 48
	recipe sum <<END
in: [a]
run: cksum <a
END
	cp "$T/a" "$M/a"
	eq "$(cat "$M/sum")" "$(cksum <"$T/a")"
	make b 40
	cp "$T/b" "$M/a"
	eq "$(cat "$M/sum")" "$(cksum <"$T/b")"
}

test_it_is_changed_again_at_once()
{
	make a 48
	cp "$T/a" "$M/a"
	printf changed | dd of="$M/a" bs=1 seek=20000000 conv=notrunc status=none
	printf changed | dd of="$T/a" bs=1 seek=20000000 conv=notrunc status=none
	cmp "$T/a" "$M/a"
	echo more | tee -a "$T/a" >>"$M/a"
	cp "$M/a" "$M/b"
	truncate -s 30000000 "$M/a" "$T/a"
	cmp "$T/a" "$M/a"
	umount_it
	mount_it
	cmp "$T/a" "$M/a"
	not cmp "$T/a" "$M/b"
}

test_it_is_removed_or_renamed_at_once()
{
	make a 48
	cp "$T/a" "$M/a"
	cp "$T/a" "$M/b"
	rm "$M/a"
	mv "$M/b" "$M/c"
	touch -d 2020-02-02T10:00:00Z "$M/c"
	cmp "$T/a" "$M/c"
	umount_it
	eq "$(sealed_count)" 0
	mount_it
	not test -e "$M/a"
	cmp "$T/a" "$M/c"
	eq "$(stat -c %Y "$M/c")" "$(date -d 2020-02-02T10:00:00Z +%s)"
}

# What cp had closed is whole after a kill, whether it was in the store or not.
killed_after_close()
{
	make "$1" 96
	cp "$T/$1" "$M/$1"
	sleep "$2"
	kill_daemon
	mount_it
	cmp "$T/$1" "$M/$1"
}

test_killed_after_it_was_closed()
{
	local n=0 after

	for after in 0 0.05 0.2 0.5 1.2; do
		n=$((n + 1))
		killed_after_close "f$n" "$after"
	done
	for n in 1 2 3 4 5; do
		cmp "$T/f$n" "$M/f$n"
	done
	sync "$M/f1"
	eq "$(sealed_count)" 0
}

# An old seal does not come back over what was written later.
test_killed_after_it_was_changed_again()
{
	make a 64
	cp "$T/a" "$M/a"
	echo short >"$M/a"
	sleep 0.1
	kill_daemon
	mount_it
	eq "$(cat "$M/a")" short
	cp "$T/a" "$M/a"
	rm "$M/a"
	sleep 0.1
	kill_daemon
	mount_it
	not test -e "$M/a"
}

# Only what changed is in a draft: the rest comes from the version before.
test_killed_after_a_large_edit()
{
	make a 64
	make b 20
	cp "$T/a" "$M/a"
	sync "$M/a"
	dd if="$T/b" of="$M/a" bs=1M seek=30 conv=notrunc status=none
	kill_daemon
	mount_it
	dd if="$T/b" of="$T/a" bs=1M seek=30 conv=notrunc status=none
	cmp "$T/a" "$M/a"
}

test_a_damaged_seal_harms_nothing()
{
	echo kept >"$M/kept"
	umount_it
	echo nonsense >"$S/drafts/sealed-1-1"
	head -c 100000 /dev/urandom >"$S/drafts/sealed-1-2"
	: >"$S/drafts/sealed-1-3"
	echo "of a branch that is gone" >"$S/drafts/sealed-1-4.b77"
	mount_it
	eq "$(cat "$M/kept")" kept
	umount_it
	eq "$(sealed_count)" 0
}

# sealed_and_killed FILE MIB: closed, something else written, and killed before
# it was in the store or durable; sets `seal`, to nothing where the machine is too
# busy for that.
sealed_and_killed()
{
	local tries

	for tries in 1 2 3 4 5 6; do
		make "$1.$tries" "$2"
		echo first >"$M/first"
		sync "$M/first"
		cp "$T/$1.$tries" "$M/$1"
		echo later >"$M/later"
		kill_daemon
		seal=$(find "$S/drafts" -name 'sealed-*' | tail -1)
		if [ -n "$seal" ] && ! seal_is_durable; then
			mv "$T/$1.$tries" "$T/$1"
			return
		fi
		mount_it
		rm -f "$M/$1" "$M/later"
	done
	seal=
	echo "the machine is too busy for this"
}

seal_is_durable()
{
	"$PYTHON" - "$seal" <<'END'
import sys
with open(sys.argv[1], "rb") as f:
    f.seek(-24, 2)
    f.seek(int.from_bytes(f.read(8), "little") + 8)
    sys.exit(f.read(8)[0] != 1)
END
}

# As after a power cut: the rows of what came later are there, the file is not.
test_what_came_after_a_lost_seal_is_undone()
{
	sealed_and_killed a 64
	[ -n "$seal" ] || return 0
	rm "$seal"
	mount_it
	content first first
	if cmp -s "$T/a" "$M/a"; then
		echo "it was in the store already"
		return 0
	fi
	not test -e "$M/later"
	[ ! -s "$M/a" ]
	umount_it
	"$DERIVA" fsck --store "$S" >/dev/null
	mount_it
	echo again >"$M/later"
	umount_it
	mount_it
	content again later
}

# The database is lost with it, and comes back from the packs.
test_a_seal_outlives_the_database()
{
	sealed_and_killed a 64
	[ -n "$seal" ] || return 0
	"$DERIVA" fsck --store "$S" >/dev/null # opens it as it is
	rm "$S"/deriva.db*
	"$DERIVA" fsck --repair --store "$S" >/dev/null 2>&1
	mount_it
	cmp "$T/a" "$M/a"
	content later later
}

# flip FILE OFFSET
flip()
{
	"$PYTHON" - "$1" "$2" <<'END'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([b ^ 64]))
END
}

test_a_byte_that_changed_is_never_read()
{
	sealed_and_killed a 64
	[ -n "$seal" ] || return 0
	flip "$seal" 33333333
	mount_it
	content later later
	if cmp -s "$T/a" "$M/a"; then
		echo "it was in the store already"
		return 0
	fi
	content first first
	not cat "$M/a" >/dev/null
	eq "$(stat -c %s "$M/a")" "$(stat -c %s "$T/a")"
	umount_it
	not "$DERIVA" fsck --store "$S" >"$T/said" 2>&1
	has "a" "$(grep -w a "$T/said")"
	# what is left of it is kept aside
	eq "$(find "$S/drafts" -name 'sealed-damaged-*' | wc -l)" 1
	mount_it
	cp "$T/a" "$M/a"
	cmp "$T/a" "$M/a"
	echo short >"$M/b"
	umount_it
	eq "$(find "$S/drafts" -name 'sealed-[0-9]*' | wc -l)" 0
	# which nobody misses, whatever becomes of the database
	rm "$S"/deriva.db*
	# that version of it stays missing
	not "$DERIVA" fsck --repair --store "$S" >/dev/null 2>&1
	rm "$S"/drafts/sealed-damaged-*
	mount_it 2>"$T/said"
	eq "$(cat "$T/said")" ""
	content short b
}

# Of what was written here and there, too.
test_a_byte_that_changed_in_an_edit()
{
	make b 64
	cp "$T/b" "$M/b"
	sync "$M/b"
	"$PYTHON" - "$M/b" <<'END'
import os, random, sys
pick = random.Random(1)
fd = os.open(sys.argv[1], os.O_WRONLY)
for _ in range(2500):
    os.pwrite(fd, pick.randbytes(4096), pick.randrange(64 << 20))
os.pwrite(fd, b"x" * 4096, 5000)
os.close(fd)
END
	kill_daemon
	seal=$(find "$S/drafts" -name 'sealed-*' | tail -1)
	if [ -n "$seal" ]; then
		flip "$seal" 6000
		mount_it
		cp "$M/b" "$T/got" || return 0
		# it was in the store already
		eq "$(tail -c +5001 "$T/got" | head -c 4096 | tr -d x | wc -c)" 0
	fi
}

run_tests "$@"
