#!/bin/bash
# Everything a recipe may say, and what its command then sees: each line of the
# table of keys in deriva-recipe(5) has a test here.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_input_list()
{
	echo 1 >"$M/a"
	echo 2 >"$M/b"
	recipe d <<'END'
in: [b, a]
run: cat a b
END
	eq $'1\n2' "$(cat "$M/d")"
}

test_input_map_names_the_paths()
{
	mkdir "$M/sub"
	echo 1 >"$M/sub/a"
	echo 2 >"$M/b"
	recipe d <<'END'
in:
  one: sub/a
  many: [b, sub/a]
run: |
  cat "$one"
  echo "$many"
END
	eq $'1\nb\nsub/a' "$(cat "$M/d")"
}

test_argument_list_without_a_shell()
{
	echo 1 >"$M/a"
	recipe d <<'END'
in: [a]
run: [printf, '%s|', 'in $HOME', 'a b', '*', '$(id)', '`id`']
END
	eq 'in $HOME|a b|*|$(id)|`id`|' "$(cat "$M/d")"
}

test_argument_list_with_named_inputs()
{
	echo 1 >"$M/a"
	echo 2 >"$M/b"
	recipe d <<'END'
in: {x: a, l: [b, a]}
run: [cat, $x, $l]
END
	eq $'1\n2\n1' "$(cat "$M/d")"
}

test_output_by_name_or_by_standard_output()
{
	recipe d <<'END'
in: []
run: echo seen nowhere; echo file >"$out"
END
	content file d
	recipe e <<'END'
in: []
run: echo standard
END
	content standard e
}

test_output_is_executable_if_the_command_made_it_so()
{
	recipe d <<'END'
in: []
run: |
  echo '#!/bin/sh' >"$out"
  echo 'echo ran' >>"$out"
  chmod +x "$out"
END
	eq ran "$("$M/d")"
	recipe e <<'END'
in: []
run: echo x
END
	[ ! -x "$M/e" ]
}

test_a_derived_tool_as_input_is_executable()
{
	test_output_is_executable_if_the_command_made_it_so
	recipe f <<'END'
in: [d]
run: ./d
END
	content ran f
}

test_empty_output()
{
	recipe d <<'END'
in: []
run: 'true'
END
	eq 0 "$(stat -c %s "$M/d")"
	eq "" "$(cat "$M/d")"
	eq fresh "$(state d)"
	recipe e <<'END'
in: []
run: ': >"$out"'
END
	eq "" "$(cat "$M/e")"
}

test_paths_above_and_from_the_root()
{
	mkdir -p "$M/a/b" "$M/c"
	echo up >"$M/a/up"
	echo far >"$M/c/far"
	echo top >"$M/top"
	recipe a/b/d <<'END'
in: [../up, /c/far, ../../top]
run: cat ../up "$root"/c/far ../../top
END
	eq $'up\nfar\ntop' "$(cat "$M/a/b/d")"
}

test_glob_is_sorted_and_follows_the_files()
{
	mkdir "$M/in"
	echo b >"$M/in/b.csv"
	echo a >"$M/in/a.csv"
	echo x >"$M/in/x.txt"
	recipe d <<'END'
in: {files: "in/*.csv"}
run: echo "$files"
END
	eq $'in/a.csv\nin/b.csv' "$(cat "$M/d")"
	echo c >"$M/in/c.csv"
	eq $'in/a.csv\nin/b.csv\nin/c.csv' "$(cat "$M/d")"
	rm "$M/in/a.csv"
	eq $'in/b.csv\nin/c.csv' "$(cat "$M/d")"
	mv "$M/in/b.csv" "$M/in/b.txt"
	eq in/c.csv "$(cat "$M/d")"
}

test_glob_in_its_own_directory_leaves_itself_out()
{
	echo a >"$M/a.csv"
	recipe all.csv <<'END'
in: ["*.csv"]
run: ls
END
	eq a.csv "$(cat "$M/all.csv")"
}

test_glob_takes_in_derived_files()
{
	echo 1 >"$M/in"
	recipe x.csv <<'END'
in: [in]
run: cat in
END
	recipe all <<'END'
in: ["*.csv"]
run: cat *.csv
END
	content 1 all
	echo 2 >"$M/in"
	content 2 all
}

test_params_are_environment_of_a_command()
{
	recipe d <<'END'
in: []
params: {columns: 80, title: "a b", empty: ""}
run: echo "$columns $title [$empty]"
END
	content "80 a b []" d
}

test_env_passes_a_variable_and_its_value_counts()
{
	umount_it
	E2E_NAME=one mount_it
	recipe d <<'END'
in: []
env: [E2E_NAME]
run: echo "$E2E_NAME"
END
	content one d
	umount_it
	E2E_NAME=two mount_it
	content two d
	umount_it
	E2E_NAME=one mount_it
	content one d
	eq 2 "$(status results)"
}

test_scalars_are_text()
{
	recipe d <<'END'
in: []
params: {n: 010, y: yes, f: 1.50, z: ~}
run: echo "$n $y $f $z"
END
	content "010 yes 1.50 ~" d
}

test_environment_is_fixed()
{
	recipe d <<'END'
in: []
run: echo "$LC_ALL $TZ $HOME $(pwd) ${SOURCE_DATE_EPOCH:+set}"
END
	content "C.UTF-8 UTC /tmp /w set" d
}

test_inputs_are_read_only()
{
	echo 1 >"$M/a"
	recipe d <<'END'
in: [a]
run: if echo 2 >a; then echo wrote; else echo refused; fi 2>/dev/null
END
	content refused d
	content 1 a
}

test_only_the_inputs_are_visible()
{
	echo 1 >"$M/a"
	echo 2 >"$M/b"
	recipe d <<'END'
in: [a]
run: ls -A
END
	content a d
}

test_fn_concat()
{
	printf 1 >"$M/a"
	printf 2 >"$M/b"
	recipe d <<'END'
in: [b, a]
fn: concat
END
	content 21 d
}

test_fn_sort()
{
	printf 'b\na\nB\na\n' >"$M/a"
	recipe d <<'END'
in: [a]
fn: sort
END
	eq $'B\na\na\nb' "$(cat "$M/d")"
}

test_fn_lines_counts()
{
	seq 1234 >"$M/a"
	recipe d <<'END'
in: [a]
fn: lines
END
	has 1234 "$(cat "$M/d")"
}

test_fn_sha256()
{
	seq 100000 >"$M/a"
	recipe d <<'END'
in: [a]
fn: sha256
END
	has "$(sha256sum <"$M/a" | cut -d' ' -f1)" "$(cat "$M/d")"
}

test_fn_gunzip()
{
	seq 100000 >"$T/a"
	gzip -c "$T/a" >"$M/a.gz"
	recipe d <<'END'
in: [a.gz]
fn: gunzip
END
	same "$T/a" "$M/d"
	head -c 1000 "$T/a" >"$M/a.gz"
	errno EIO open r "$M/d"
}

test_fn_zstd()
{
	seq 100000 >"$M/a"
	recipe d.zst <<'END'
in: [a]
fn: zstd
END
	eq 28b52ffd "$(head -c 4 "$M/d.zst" | od -An -tx1 | tr -d ' ')"
	at_most 300000 "$(stat -c %s "$M/d.zst")"
}

test_functions_lists_each_with_its_arguments()
{
	local said f

	said=$("$DERIVA" functions)
	for f in concat sort lines sha256 gunzip zstd; do
		has "$f" "$said"
	done
}

test_a_shell_command_stops_at_the_first_error()
{
	recipe d <<'END'
in: []
run: |
  false
  echo never
END
	errno EIO open r "$M/d"
	recipe e <<'END'
in: []
run: echo "$unset_variable"
END
	errno EIO open r "$M/e"
}

test_run_over_several_lines()
{
	echo 'b a' >"$M/in"
	recipe d <<'END'
in: [in]
run: |
  # a comment of the shell, which YAML leaves alone here
  for w in $(cat in); do
          echo "$w: x # not a comment"
  done | sort
END
	eq $'a: x # not a comment\nb: x # not a comment' "$(cat "$M/d")"
}

test_owner_and_mode_are_those_of_the_recipe()
{
	recipe d <<'END'
in: []
run: echo x
END
	chmod 640 "$M/d.recipe"
	cat "$M/d" >/dev/null
	eq "440 $(id -u)" "$(stat -c '%a %u' "$M/d")"
	chmod 644 "$M/d.recipe"
	eq 444 "$(stat -c %a "$M/d")"
}

test_a_key_of_later_is_refused_by_name()
{
	recipe e <<'END'
fn: concat
END
	errno EINVAL open r "$M/e"
	has in "$(cat "$M/.deriva/output/e")"
	has "$M/e" "$(cat "$M/e" 2>&1 || true)"
	eq 0 "$(status results)"
}

run_tests "$@"
