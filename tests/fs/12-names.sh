#!/bin/bash
# Names are bytes. What people call their files (blanks, quotes, newlines, other
# scripts, bytes that are no UTF-8) must come through as an input, as an output
# and in messages.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

awkward=$'a b  "q" \'s\' $x `y` \\z *?[!]\n second line;&|<>(){}#~'

test_an_ordinary_file_with_an_awkward_name()
{
	echo x >"$M/$awkward"
	eq "$awkward" "$(ls -N "$M")"
	content x "$awkward"
	mv "$M/$awkward" "$M/-rf"
	content x -rf
}

test_an_input_with_an_awkward_name()
{
	echo x >"$M/in \"two\" words"
	recipe d <<'END'
in: {f: 'in "two" words'}
run: cat "$f"; cat 'in "two" words'
END
	eq $'x\nx' "$(cat "$M/d")"
}

test_an_input_with_a_newline_in_its_name()
{
	echo x >"$M/"$'line\nbreak'
	recipe d <<'END'
in: {f: "line\nbreak"}
run: [cat, $f]
END
	content x d
}

test_all_awkward_names_through_a_glob()
{
	mkdir "$M/in"
	echo 1 >"$M/in/a b"
	echo 2 >"$M/in/"$'new\nline'
	echo 3 >"$M/in/quote\"s'"
	echo 4 >"$M/in/-n"
	echo 5 >"$M/in/\$HOME"
	recipe d <<'END'
in: ["in/*"]
run: cat in/* | sort
END
	eq $'1\n2\n3\n4\n5' "$(cat "$M/d")"
}

test_a_name_that_is_not_utf8_through_a_glob()
{
	mkdir "$M/in"
	echo latin1 >"$M/in/"$'caf\xe9'
	echo rubbish >"$M/in/"$'\xff\xfe\x80'
	recipe d <<'END'
in: {f: "in/*"}
run: |
  cat in/*
  printf '%s\n' "$f" | od -An -tx1 | tr -d ' \n'
END
	eq $'latin1\nrubbish\n696e2f636166e90a696e2ffffe800a' \
		"$(cat "$M/d")"
	echo x >>"$M/in/"$'caf\xe9'
	has x "$(cat "$M/d")"
	"$DERIVA" why "$M/d" >"$T/said"
	"$PYTHON" -c 'import json, sys
json.load(open(sys.argv[1], "rb"))' "$M/.deriva/status"
}

test_a_derived_file_with_an_awkward_name()
{
	recipe "$awkward" <<'END'
in: []
run: echo x
END
	content x "$awkward"
	has x "$("$DERIVA" why "$M/$awkward")x"
	cat "$M/.deriva/why/$awkward" >/dev/null
	rm "$M/$awkward.recipe"
	errno ENOENT open r "$M/$awkward"
}

test_a_derived_file_in_an_awkward_directory()
{
	mkdir "$M/$awkward"
	echo 1 >"$M/$awkward/in"
	recipe "$awkward/d" <<'END'
in: [in]
run: cat in; pwd
END
	eq $'1\n/w' "$(cat "$M/$awkward/d")"
}

test_a_derived_file_whose_name_is_not_utf8()
{
	recipe $'d\xe9' <<'END'
in: []
run: echo x
END
	content x $'d\xe9'
	"$DERIVA" status "$M" >/dev/null
	"$DERIVA" status --json "$M/"$'d\xe9' |
		"$PYTHON" -c 'import json, sys; json.load(sys.stdin.buffer)'
}

test_unicode()
{
	echo x >"$M/naïve ☃ 日本語"
	recipe "größe" <<'END'
in: [naïve ☃ 日本語]
run: cat "naïve ☃ 日本語"
END
	content x "größe"
}

test_two_spellings_of_a_letter_are_two_names()
{
	echo composed >"$M/"$'\u00e9'
	echo combining >"$M/"$'e\u0301'
	content composed $'\u00e9'
	content combining $'e\u0301'
	# shellcheck disable=SC2012
	eq 2 "$(ls "$M" | wc -l)"
}

test_a_long_derived_name()
{
	local name

	# with the suffix 255 bytes
	name=$(printf 'n%.0s' {1..248})
	recipe "$name" <<'END'
in: []
run: echo x
END
	content x "$name"
}

test_a_message_about_an_awkward_name_is_one_of_text()
{
	recipe d <<'END'
in: ["not\nthere"]
run: cat
END
	errno EIO open r "$M/d"
	attr error "$M/d" >"$T/error"
	eq "" "$(tr -d '\n' <"$T/error" | tr -cd '\000-\037')"
}

run_tests "$@"
