#!/bin/bash
# A derived directory is a directory for every tool: walked, read, archived and
# compared like any other, and never half-made.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# nums -> parts/: part-aa ..., sub/ with a program and a link, empty/
parts()
{
	seq 10 >"$M/nums"
	recipe parts <<'END'
in: [nums]
out: dir
run: |
  mkdir "$out" "$out/sub" "$out/empty"
  split -l 3 nums "$out/part-"
  printf '#!/bin/sh\necho hi\n' >"$out/sub/x.sh"
  chmod +x "$out/sub/x.sh"
  ln -s ../part-aa "$out/sub/link"
END
}

test_it_is_walked_and_read()
{
	parts
	eq 'parts directory' "$(stat -c '%n %F' "$M/parts" | sed "s,$M/,,")"
	eq 0 "$(status results)" # to ask for it computes nothing
	eq 9 "$(find "$M/parts" | wc -l)"
}

test_paths_into_it_compute_it()
{
	parts
	eq '4 5 6 ' "$(tr '\n' ' ' <"$M/parts/part-ab")"
	eq 1 "$(status results)"
	eq hi "$("$M/parts/sub/x.sh")"
	eq '1 2 3 ' "$(tr '\n' ' ' <"$M/parts/sub/link")"
	errno ENOENT stat "$M/parts/nope"
	eq '. ./empty ./part-aa ./part-ab ./part-ac ./part-ad ./sub ./sub/link ./sub/x.sh ' \
		"$(cd "$M/parts" && find . | sort | tr '\n' ' ')"
}

test_its_content_follows_the_input()
{
	parts
	eq 4 "$(find "$M/parts" -name 'part-*' | wc -l)"
	seq 4 >"$M/nums"
	eq 2 "$(find "$M/parts" -name 'part-*' | wc -l)"
	eq 4 "$(cat "$M/parts/part-ab")"
	errno ENOENT open r "$M/parts/part-ac"
	# who sits in it sees the new content as well
	(
		cd "$M/parts"
		seq 7 >../nums
		eq 3 "$(find . -name 'part-*' | wc -l)"
		eq 7 "$(cat part-ac)"
	)
}

test_tools_take_it_for_a_directory()
{
	parts
	tar -C "$M" -cf "$T/p.tar" parts
	mkdir "$T/u"
	tar -C "$T/u" -xf "$T/p.tar"
	diff -r "$M/parts" "$T/u/parts"
	rsync -a "$M/parts/" "$T/copy/"
	diff -r "$M/parts" "$T/copy"
	[ -x "$T/copy/sub/x.sh" ]
	cp -a "$M/parts" "$T/cp"
	diff -r "$M/parts" "$T/cp"
	eq ../part-aa "$(readlink "$T/cp/sub/link")"
	"$PYTHON" - "$M/parts" <<'END'
import os, sys
n = sum(len(f) for _, _, f in os.walk(sys.argv[1]))
sys.exit(n != 6)
END
}

test_nothing_in_it_is_written()
{
	parts
	ls "$M/parts" >/dev/null
	errno EPERM mkdir "$M/parts/new"
	errno EPERM unlink "$M/parts/part-aa"
	errno EPERM rmdir "$M/parts"
	errno EPERM open w "$M/parts/part-aa"
	not sh -c "echo x 2>/dev/null >'$M/parts/new'"
	not mv "$M/parts" "$M/other" 2>/dev/null
	not mv "$M/nums" "$M/parts/" 2>/dev/null
	content 10 parts/part-ad
}

test_the_past_has_the_content_of_then()
{
	local before

	parts
	eq 10 "$(cat "$M/parts/part-ad")"
	before=$(moment)
	seq 3 >"$M/nums"
	errno ENOENT stat "$M/parts/part-ad"
	eq 10 "$(cat "$M/.deriva/at/$before/parts/part-ad")"
	eq 6 "$(find "$M/.deriva/at/$before/parts" -type f -o -type l | wc -l)"
}

test_a_failure_is_every_readers()
{
	recipe bad <<'END'
in: []
out: dir
run: mkdir "$out"; touch "$out/half"; exit 3
END
	errno EIO open rd "$M/bad"
	errno EIO stat "$M/bad/half"
	has 'exit status 3' "$("$DERIVA" output "$M/bad") $("$DERIVA" why "$M/bad")"
	recipe bad <<'END'
in: []
out: dir
run: echo printed
END
	errno EIO open rd "$M/bad"
	has 'mkdir "$out"' "$("$DERIVA" why "$M/bad")"
	recipe bad <<'END'
in: []
out: dir
run: echo printed >"$out"
END
	errno EIO open rd "$M/bad"
	has 'regular file' "$("$DERIVA" why "$M/bad")"
	recipe bad <<'END'
in: []
out: dir
run: mkdir -p "$out/a"; mkfifo "$out/a/p"
END
	errno EIO open rd "$M/bad"
	has 'a/p' "$("$DERIVA" why "$M/bad")"
	recipe bad <<'END'
in: []
run: mkdir "$out"
END
	errno EIO open r "$M/bad"
	has 'out: dir' "$("$DERIVA" why "$M/bad")"
}

test_it_is_kept_over_a_remount()
{
	parts
	ls "$M/parts" >/dev/null
	umount_it
	mount_it
	eq 10 "$(cat "$M/parts/part-ad")"
	eq 1 "$(status results)"
	eq fresh "$(state parts)"
	eq 64 "$(attr addr "$M/parts" | tr -d '\n' | wc -c)"
}

test_file_becomes_directory_and_back()
{
	echo x >"$M/in"
	recipe d <<'END'
in: [in]
run: cat in
END
	content x d
	recipe d <<'END'
in: [in]
out: dir
run: mkdir "$out"; cp in "$out/f"
END
	content x d/f
	recipe d <<'END'
in: [in]
run: cat in
END
	content x d
}

test_rm_r_of_a_project_with_one()
{
	mkdir "$M/p"
	echo 1 >"$M/p/in"
	recipe p/d <<'END'
in: [in]
out: dir
run: mkdir "$out" "$out/s"; cp in "$out/s/f"
END
	content 1 p/d/s/f
	eq '' "$(rm -r "$M/p" 2>&1)"
	errno ENOENT stat "$M/p"
}

test_what_lies_in_it_is_an_input()
{
	local n

	parts
	recipe one <<'END'
in: [parts/part-ab, parts/sub/link]
run: cat parts/part-ab parts/sub/link; test ! -e parts/part-aa
END
	eq '4 5 6 1 2 3 ' "$(tr '\n' ' ' <"$M/one")"
	recipe globbed <<'END'
in: ["parts/part-*", "*/sub/x*"]
run: cat parts/part-* parts/sub/x.sh | wc -l
END
	content 12 globbed
	recipe sub <<'END'
in: [parts/sub/]
run: ls parts/sub
END
	eq 'link x.sh ' "$(tr '\n' ' ' <"$M/sub")"
	n=$(status results)
	seq 10 | sed 's/10/ten/' >"$M/nums" # another last part: no other input
	eq '4 5 6 1 2 3 ' "$(tr '\n' ' ' <"$M/one")"
	eq $((n + 1)) "$(status results)"
	content 12 globbed
	seq 3 >"$M/nums"
	errno EIO open r "$M/one"
	has 'parts/part-ab' "$("$DERIVA" why "$M/one")"
	content 5 globbed
	printf 'in: [' >"$M/parts.recipe"
	errno EIO open r "$M/one"
	has parts.recipe "$("$DERIVA" why "$M/one")"
}

test_what_it_needs_lies_in_itself()
{
	recipe d <<'END'
in: [d/x]
out: dir
run: mkdir "$out"
END
	errno ELOOP open rd "$M/d"
	recipe d <<'END'
in: ["d/*"]
out: dir
run: mkdir "$out"; echo 1 >"$out/f"
END
	content 1 d/f
}

test_patterns_make_directories()
{
	printf 'a\nb\n' >"$M/x.txt"
	printf 'c\n' >"$M/y.txt"
	recipe '%.d' <<'END'
in: {f: "%.txt"}
out: dir
run: mkdir "$out"; split -l 1 "$f" "$out/"
END
	content b x.d/ab
	eq 'x.d y.d' "$(cd "$M" && echo *.d)"
	content c y.d/aa
}

test_many_names()
{
	recipe many <<'END'
in: []
out: dir
run: |
  mkdir "$out"; cd "$out"
  seq 3000 | split -l 1 -a 3 -
END
	eq 3000 "$(find "$M/many" -type f | wc -l)"
	eq 3000 "$(cat "$M/many/xelj")"
}

run_tests "$@"
