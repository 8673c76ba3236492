#!/bin/bash
# The slips everybody makes in YAML. Each must be a clear error with its line,
# never a recipe that quietly means something else.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# slip LINE TEXT: standard input is a recipe that is refused at that line, with
# that text in the message
slip()
{
	recipe d
	errno EINVAL open r "$M/d"
	has "d.recipe:$1" "$(attr error "$M/d")"
	has "$2" "$(attr error "$M/d")"
	eq "$(attr error "$M/d")" "$(attr error "$M/d" | head -c 4000)"
}

test_bare_star()
{
	slip 1 quote <<'END'
in: [*.csv]
run: cat *.csv
END
}

test_bare_star_in_run()
{
	slip 2 quote <<'END'
in: []
run: *
END
}

test_bare_percent()
{
	slip 2 quote <<'END'
in: []
run: %s
END
}

test_colon_and_blank_in_a_command()
{
	slip 2 quote <<'END'
in: []
run: echo key: value
END
}

test_comment_behind_a_command()
{
	slip 2 '#' <<'END'
in: []
run: grep foo in # bar
END
}

test_tab()
{
	printf 'in:\n\t- a\nrun: cat a\n' | slip 2 tab
}

test_repeated_key()
{
	slip 3 run <<'END'
in: []
run: echo 1
run: echo 2
END
}

test_repeated_name()
{
	slip 3 x <<'END'
in:
  x: a
  x: b
run: cat "$x"
END
}

test_unknown_key()
{
	slip 1 inputs <<'END'
inputs: [a]
run: cat a
END
}

test_second_document()
{
	slip 3 document <<'END'
in: []
run: echo 1
---
in: []
run: echo 2
END
}

test_alias_and_anchor()
{
	slip 1 '&' <<'END'
in: &i [a]
run: echo
END
}

test_tag()
{
	slip 2 tag <<'END'
in: []
run: !!str echo
END
}

test_not_a_map()
{
	slip 1 '' <<'END'
- in
- run
END
	slip 1 '' <<'END'
just text
END
}

test_empty_file()
{
	slip 1 '' </dev/null
}

test_neither_run_nor_fn_and_both()
{
	slip 1 run <<'END'
in: []
END
	slip "" fn <<'END'
in: []
run: echo
fn: sort
END
}

test_unknown_function_with_a_proposal()
{
	slip 2 sort <<'END'
in: [a]
fn: srot
END
}

test_unknown_parameter_of_a_function()
{
	echo x >"$M/a"
	recipe d <<'END'
in: [a]
fn: sort
params: {colour: red}
END
	errno EINVAL open r "$M/d"
	has colour "$(attr error "$M/d")"
}

test_unclosed_bracket()
{
	slip "" '' <<'END'
in: [a
run: cat a
END
}

test_bad_timeout()
{
	slip 3 timeout <<'END'
in: []
run: echo
timeout: soon
END
}

test_a_path_out_of_the_mount()
{
	recipe d <<'END'
in: [../../etc/passwd]
run: cat ../../etc/passwd
END
	ne ok "$("$SYS" open r "$M/d")"
	has passwd "$(attr error "$M/d")"
}

test_binary_garbage()
{
	head -c 5000 /dev/urandom >"$M/d.recipe"
	errno EINVAL open r "$M/d"
	printf 'in: []\nrun: "a\0b"\n' >"$M/d.recipe"
	errno EINVAL open r "$M/d"
	printf 'in: []\nrun: \377\376\n' >"$M/d.recipe"
	errno EINVAL open r "$M/d"
}

test_a_recipe_too_large()
{
	{
		echo 'in: []'
		echo 'run: |'
		yes '  echo a long recipe indeed' | head -c 2M
	} >"$M/d.recipe"
	ne ok "$("$SYS" open r "$M/d")"
	has d.recipe "$(attr error "$M/d")"
}

test_carriage_returns_are_harmless()
{
	printf 'in: []\r\nrun: echo x\r\n' >"$M/d.recipe"
	content x d
}

test_quoted_ways_that_work()
{
	echo 1 >"$M/a.csv"
	recipe d <<'END'
in: ["*.csv"]
run: 'cat *.csv; echo "key: value"; echo a # b'
END
	eq $'1\nkey: value\na' "$(cat "$M/d")"
}

run_tests "$@"
