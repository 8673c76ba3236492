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
	mount_it
	eq "$(cat "$M/kept")" kept
	umount_it
	eq "$(sealed_count)" 0
}

run_tests "$@"
