#!/bin/bash
# Tools ask for a file's size before they read it and believe the answer. A
# derived file that nobody has read yet must have the right one at the first
# try, whatever tool comes first.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# Three derived files of 6, 108894 and 0 bytes, never read; $WANT is beside.
never_read()
{
	WANT=$T/want
	mkdir -p "$WANT" "$M/d"
	echo 20000 >"$M/n"
	echo 20000 >"$T/n"
	cat >"$M/d/small.recipe" <<'END'
in: [../n]
run: cat ../n
END
	cat >"$M/d/large.recipe" <<'END'
in: [../n]
run: seq $(cat ../n)
END
	cat >"$M/d/empty.recipe" <<'END'
in: [../n]
run: cat ../n >/dev/null
END
	cp "$M/d"/*.recipe "$WANT"
	echo 20000 >"$WANT/small"
	seq 20000 >"$WANT/large"
	: >"$WANT/empty"
	eq 0 "$(status results)"
}

test_ls_l()
{
	never_read
	# shellcheck disable=SC2012 # ls is what is tested
	eq "0 empty 108894 large 6 small" "$(ls -l "$M/d" |
		awk '!/recipe|total/ { print $5, $9 }' | xargs)"
}

test_stat()
{
	never_read
	eq 108894 "$(stat -c %s "$M/d/large")"
}

test_wc_c()
{
	never_read
	eq 108894 "$(wc -c <"$M/d/large")"
	eq "0 $M/d/empty" "$(wc -c "$M/d/empty")"
}

test_head_and_tail()
{
	never_read
	eq 20000 "$(tail -1 "$M/d/large")"
	eq 1 "$(head -1 "$M/d/large")"
}

test_tail_c_first()
{
	never_read
	eq 20000 "$(tail -c 6 "$M/d/large")"
}

test_cp()
{
	never_read
	cp -a "$M/d" "$T/got"
	diff -r "$WANT" "$T/got"
}

test_cp_reflink_and_sparse()
{
	never_read
	cp --sparse=always "$M/d/large" "$T/got"
	same "$WANT/large" "$T/got"
}

test_tar()
{
	never_read
	tar -C "$M" -cf "$T/tar" d
	mkdir "$T/got"
	tar -C "$T/got" -xf "$T/tar"
	diff -r "$WANT" "$T/got/d"
}

test_tar_sparse()
{
	never_read
	tar -C "$M" -cSf "$T/tar" d
	mkdir "$T/got"
	tar -C "$T/got" -xf "$T/tar"
	diff -r "$WANT" "$T/got/d"
}

test_rsync()
{
	never_read
	rsync -a "$M/d/" "$T/got/"
	diff -r "$WANT" "$T/got"
	rsync -a --checksum --itemize-changes "$M/d/" "$T/got/" >"$T/said"
	eq "" "$(grep '^>f' "$T/said" || true)"
}

test_zip()
{
	never_read
	(cd "$M" && zip -qr "$T/z.zip" d)
	"$PYTHON" -c 'import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$T/z.zip" "$T/got"
	diff -r "$WANT" "$T/got/d"
}

test_python_mmap()
{
	never_read
	cat >"$T/p.py" <<'END'
import mmap, sys
for path in sys.argv[1:]:
    with open(path, "rb") as f:
        with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
            sys.stdout.buffer.write(m[:])
END
	cp "$WANT/large" "$M/source"
	eq "$(b3sum <"$WANT/large")" \
		"$("$PYTHON" "$T/p.py" "$M/d/large" | b3sum)"
	eq "$(b3sum <"$WANT/large")" \
		"$("$PYTHON" "$T/p.py" "$M/source" | b3sum)"
}

test_python_read_and_copyfile()
{
	never_read
	"$PYTHON" -c 'import os, shutil, sys
assert os.path.getsize(sys.argv[1] + "/small") == 6
assert len(open(sys.argv[1] + "/large").read()) == 108894
shutil.copytree(sys.argv[1], sys.argv[2])' "$M/d" "$T/got"
	diff -r "$WANT" "$T/got"
}

test_git_add()
{
	never_read
	export HOME=$T GIT_CONFIG_NOSYSTEM=1
	git -c init.defaultBranch=main init -q "$M"
	git -C "$M" add .
	git -C "$M" -c user.name=n -c user.email=e commit -qm one
	eq "" "$(git -C "$M" status --porcelain)"
	git clone -q "$M" "$T/got"
	rm -rf "$T/got/.git"
	diff -r "$WANT" "$T/got/d"
	git -C "$M" fsck 2>&1
	rm -rf "$M/.git"
	eq $'d\nn' "$(ls -A "$M")"
}

test_git_add_sees_a_new_value()
{
	never_read
	export HOME=$T GIT_CONFIG_NOSYSTEM=1
	git -c init.defaultBranch=main init -q "$M"
	git -C "$M" add .
	git -C "$M" -c user.name=n -c user.email=e commit -qm one
	echo 20001 >"$M/n"
	eq $' M d/large\n M d/small\n M n' "$(git -C "$M" status --porcelain)"
}

test_find_size()
{
	never_read
	eq "$M/d/large" "$(find "$M/d" -size +100k)"
	eq "$M/d/empty" "$(find "$M/d" -size 0)"
}

test_dd_direct_and_grep()
{
	never_read
	eq 108894 "$(dd if="$M/d/large" bs=4096 status=none | wc -c)"
	eq 12345 "$(grep -x 12345 "$M/d/large")"
}

test_cat_in_one_command_with_others()
{
	never_read
	eq 108900 "$(cat "$M/d/large" "$M/d/empty" "$M/d/small" | wc -c)"
}

test_three_sizes_agree()
{
	never_read
	eq "108894 108894 108894" "$("$SYS" sizes "$M/d/large")"
	echo 10 >"$M/n"
	eq "21 21 21" "$("$SYS" sizes "$M/d/large")"
	eq "3 3 3" "$("$SYS" sizes "$M/d/small")"
	eq "0 0 0" "$("$SYS" sizes "$M/d/empty")"
}

test_diff_and_cmp()
{
	never_read
	diff -r "$WANT" "$M/d"
	cmp "$WANT/large" "$M/d/large"
}

test_size_after_the_input_changed()
{
	never_read
	cat "$M/d/large" >/dev/null
	echo 10 >"$M/n"
	eq 21 "$(stat -c %s "$M/d/large")"
	eq 3 "$(stat -c %s "$M/d/small")"
	echo 100000 >"$M/n"
	eq 588895 "$(wc -c <"$M/d/large")"
	tar -C "$M" -cf "$T/tar" d
	tar -C "$T" -xf "$T/tar"
	eq 588895 "$(stat -c %s "$T/d/large")"
}

test_listing_alone_computes_nothing()
{
	never_read
	eq 6 "$(find "$M/d" -mindepth 1 | wc -l)"
	# shellcheck disable=SC2012
	eq 6 "$(ls "$M/d" | wc -l)"
	eq 0 "$(status results)"
}

test_stat_lazy_shows_zero_until_opened()
{
	umount_it
	mount_it -o stat=lazy
	never_read
	eq 0 "$(stat -c %s "$M/d/large")"
	eq 0 "$(status results)"
	eq 108894 "$(wc -c <"$M/d/large")"
	eq 108894 "$(stat -c %s "$M/d/large")"
}

test_size_of_a_failed_one_is_zero()
{
	recipe bad <<'END'
in: []
run: echo half; exit 1
END
	eq 0 "$(stat -c %s "$M/bad")"
	ls -l "$M" >/dev/null
	errno EIO open r "$M/bad"
	eq 0 "$(stat -c %s "$M/bad")"
}

test_stat_after_a_listing_computes_in_parallel()
{
	local start i

	[ "$(nproc)" -ge 2 ]
	umount_it
	mount_it -o jobs=4
	mkdir "$M/p"
	for i in 1 2 3 4; do
		echo "{in: [], run: 'sleep 0.7; echo $i'}" >"$M/p/f$i.recipe"
	done
	start=$(ms)
	ls -l "$M/p" >/dev/null
	at_most 2000 $(($(ms) - start))
	eq 4 "$(status results)"
}

run_tests "$@"
