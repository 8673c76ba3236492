#!/bin/bash
# Writing in every way that programs write: behind the end, in the middle,
# through a mapping, cut short and grown, several writers, saves by rename.
# A draft, the old content below it and the kernel's pages have to agree.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# Both in the mount and beside it; in the end they have to be equal.
both()
{
	"$@" "$M/f"
	"$@" "$T/f"
}

setup_pair()
{
	"$SYS" noise 4 1 >"$T/f"
	cp "$T/f" "$M/f"
}

patch_at()
{
	printf '%s' "$2" |
		dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}

test_small_edits_all_over_a_large_file()
{
	setup_pair
	both patch_at 0 first
	both patch_at 65535 across
	both patch_at 2000000 middle
	both patch_at 4194299 "over the end"
	same "$T/f" "$M/f"
	eq "$(b3sum <"$T/f")" "$(b3sum <"$M/f")"
}

test_truncate_down_and_up()
{
	setup_pair
	both truncate -s 1000000
	same "$T/f" "$M/f"
	both truncate -s 3000000
	same "$T/f" "$M/f"
	both truncate -s 0
	same "$T/f" "$M/f"
	both truncate -s 10
	same "$T/f" "$M/f"
}

test_truncate_and_write_in_one_handle()
{
	setup_pair
	echo new >"$M/f"
	echo new >"$T/f"
	same "$T/f" "$M/f"
}

test_hole_between()
{
	"$SYS" pwrite "$M/h" 10000000 end
	"$SYS" pwrite "$T/h" 10000000 end
	same "$T/h" "$M/h"
	eq 10000003 "$(stat -c %s "$M/h")"
	patch_at 5000000 mid "$M/h"
	patch_at 5000000 mid "$T/h"
	same "$T/h" "$M/h"
}

test_a_sparse_file_costs_little()
{
	local before after

	before=$(status stored_bytes)
	truncate -s 20G "$M/big"
	patch_at 10000000000 here "$M/big"
	after=$(status stored_bytes)
	at_most 4000000 $((after - before))
	eq here "$(tail -c +10000000001 "$M/big" | head -c 4)"
	eq 21474836480 "$(stat -c %s "$M/big")"
}

test_seek_data_finds_the_data()
{
	local start end

	truncate -s 8M "$M/f"
	patch_at 4000000 data "$M/f"
	read -r start end < <("$SYS" segments "$M/f")
	at_most 4000000 "$start"
	at_least 4000004 "$end"
	at_least 1000000 "$start"
	at_most 7000000 "$end"
}

# A page is data or a hole, before it is taken in as after.
test_seek_data_says_the_same_once_it_is_kept()
{
	truncate -s 8M "$M/f"
	"$PYTHON" - "$M/f" <<'END'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR)
os.pwrite(f, b"data", 4000000)
os.pwrite(f, b"data", 6000000)
os.ftruncate(f, 7000001)
def seen():
    out = []
    for at in 0, 3997695, 3997696, 4000000, 4000004, 4001792, 6000000, 7000000:
        for how in os.SEEK_DATA, os.SEEK_HOLE:
            try:
                out.append(os.lseek(f, at, how))
            except OSError as e:
                out.append(e.strerror)
    return out
before = seen()
assert before[:2] == [3997696, 0], before
assert before[6:10] == [4000000, 4001792, 4000004, 4001792], before
assert before[-2:] == ["No such device or address", 7000000], before
os.fsync(f)
assert seen() == before, (before, seen())
END
}

test_write_through_a_mapping()
{
	setup_pair
	"$SYS" mmap-write "$M/f" 12345 mapped
	"$SYS" mmap-write "$T/f" 12345 mapped
	same "$T/f" "$M/f"
}

test_a_write_shows_at_once_through_another_handle()
{
	echo one >"$M/f"
	exec 5>>"$M/f"
	exec 6<"$M/f"
	echo two >&5
	eq $'one\ntwo' "$(cat <&6)"
	eq 8 "$(stat -c %s "$M/f")"
	eq $'one\ntwo' "$(cat "$M/f")"
	exec 5>&- 6<&-
}

test_appends_of_several_processes_all_arrive()
{
	local i

	for i in a b c d; do
		"$SYS" append "$M/log" 200 "line of $i" >/dev/null &
	done
	wait
	eq 800 "$(wc -l <"$M/log")"
	eq $'200\n200\n200\n200' \
		"$(sort "$M/log" | uniq -c | awk '{ print $1 }')"
}

# Four that make one name at the same moment and append to it.
test_appends_to_a_name_that_several_make_all_arrive()
{
	mkdir "$M/d"
	eq 0 "$("$SYS" race-append "$M/d" 400)"
}

test_save_as_vim_does()
{
	local i

	# with a backup: rename the old away, write new, remove the backup
	echo v1 >"$M/f"
	recipe d <<'END'
in: [f]
run: sed s/v/V/ f
END
	content V1 d
	for i in 2 3 4; do
		mv "$M/f" "$M/f~"
		echo "v$i" >"$M/f"
		rm "$M/f~"
		content "V$i" d
	done
	# as most others: write a new one, rename it over
	for i in 5 6 7; do
		echo "v$i" >"$M/.f.tmp"
		sync "$M/.f.tmp"
		mv "$M/.f.tmp" "$M/f"
		content "V$i" d
	done
	# in place
	for i in 8 9; do
		echo "v$i" >"$M/f"
		content "V$i" d
	done
}

test_save_with_vim_itself()
{
	local vim

	vim=$(command -v vim.tiny || command -v vim)
	echo one >"$M/f"
	recipe d <<'END'
in: [f]
run: cat f f
END
	eq $'one\none' "$(cat "$M/d")"
	"$vim" -u NONE -n -es -c '%s/one/two/' -c 'wq' "$M/f"
	eq $'two\ntwo' "$(cat "$M/d")"
	"$vim" -u NONE -es -c 'set backup writebackup backupcopy=no' \
		-c '%s/two/three/' -c 'wq' "$M/f"
	eq $'three\nthree' "$(cat "$M/d")"
}

test_sed_in_place()
{
	echo aaa >"$M/f"
	sed -i s/a/b/ "$M/f"
	content baa f
	eq f "$(ls -A "$M")"
}

test_fsync_is_answered()
{
	echo x >"$M/f"
	sync "$M/f"
	sync -d "$M/f"
	mkdir "$M/d"
	sync "$M/d"
	sync -f "$M/f"
	dd if=/dev/zero of="$M/g" bs=4096 count=10 conv=fsync status=none
	eq 40960 "$(stat -c %s "$M/g")"
}

test_punch_hole_reads_as_zeros()
{
	local said

	setup_pair
	said=$("$SYS" punch "$M/f" 1000000 1000000)
	if [ "$said" = ok ]; then
		"$SYS" punch "$T/f" 1000000 1000000
	else
		eq EOPNOTSUPP "$said"
	fi
	same "$T/f" "$M/f"
}

test_small_writes_in_one_handle_are_one_version()
{
	local before

	before=$(status versions)
	{
		for i in $(seq 200); do
			echo "$i"
		done
	} >"$M/f"
	at_most 3 $(($(status versions) - before))
	eq "$(seq 200)" "$(cat "$M/f")"
}

test_unchanged_content_has_the_same_address()
{
	local a

	"$SYS" noise 1 7 >"$M/f"
	a=$(attr addr "$M/f")
	"$SYS" noise 1 8 >"$M/f"
	ne "$a" "$(attr addr "$M/f")"
	"$SYS" noise 1 7 >"$M/f"
	eq "$a" "$(attr addr "$M/f")"
}

test_address_of_a_small_file_is_its_b3sum()
{
	echo hello >"$M/f"
	eq "$(b3sum --no-names "$M/f")" "$(attr addr "$M/f")"
	: >"$M/e"
	eq "$(b3sum --no-names /dev/null)" "$(attr addr "$M/e")"
}

test_an_edit_in_place_ends_at_the_same_address_as_a_fresh_copy()
{
	setup_pair
	patch_at 2000000 edited "$M/f"
	patch_at 2000000 edited "$T/f"
	cp "$T/f" "$M/g"
	eq "$(attr addr "$M/g")" "$(attr addr "$M/f")"
}

# A file's last handle goes a moment after close has returned; what is set in
# that moment is not the time of a write.
test_times_set_right_after_closing_stay()
{
	"$PYTHON" - "$M" <<'END'
import os, sys
for i in range(800):
    path = f"{sys.argv[1]}/f{i}"
    open(path, "w").write(str(i))
    fd = os.open(path, os.O_WRONLY)
    os.utime(fd, (978307200, 978307200))
    os.close(fd)
END
	umount_it
	mount_it
	eq '' "$(find "$M" -name 'f*' -newermt 2002-01-01)"
}

run_tests "$@"
