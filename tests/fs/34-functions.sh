#!/bin/bash
# What `deriva functions NAME` shows people is what they will type first: every
# example is run as it stands there. And what functions have in common with
# commands - messages, limits, cost - has to hold for them, too.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# unfold DIR NAME: writes the files of the example of function NAME below DIR,
# all but the last, which goes to $T/want; prints the last one's name
unfold()
{
	"$DERIVA" functions --json "$2" | "$PYTHON" -c '
import json, os, sys
parts = json.load(sys.stdin)["example"].split("== ")
assert parts[0] == ""
files = [p.split("\n", 1) for p in parts[1:]]
for name, text in files[:-1]:
    os.makedirs(os.path.dirname(os.path.join(sys.argv[1], name)), exist_ok=True)
    with open(os.path.join(sys.argv[1], name), "w") as f:
        f.write(text)
with open(sys.argv[2], "w") as f:
    f.write(files[-1][1])
print(files[-1][0])
' "$1" "$T/want"
}

names()
{
	"$DERIVA" functions --json |
		"$PYTHON" -c 'import json, sys
for f in json.load(sys.stdin): print(f["name"])'
}

test_every_example_gives_what_it_says()
{
	local name last count=0

	for name in $(names); do
		mkdir "$M/$name"
		last=$(unfold "$M/$name" "$name")
		if ! cmp "$T/want" "$M/$name/$last"; then
			echo "# the example of $name" >&2
			"$DERIVA" output "$M/$name/$last" >&2
			return 1
		fi
		count=$((count + 1))
	done
	[ "$count" -gt 20 ]
}

test_every_example_is_what_the_terminal_shows()
{
	local name

	for name in $(names); do
		"$DERIVA" functions "$name" >"$T/shown"
		unfold "$T/$name" "$name" >/dev/null
		sed -n '/^Example:$/,$ s/^    //p' "$T/shown" |
			sed -n '/^== /!p' >"$T/body"
		[ -s "$T/body" ]
		eq "$(tail -1 "$T/want")" "$(tail -1 "$T/body")"
	done
}

test_a_wrong_param_names_its_line()
{
	echo x >"$M/a"
	recipe d <<'EOF'
in: [a]
fn: filter
params:
  regex: "a("
EOF
	errno EINVAL open r "$M/d"
	has "d.recipe:2: the regular expression is wrong at byte 3" \
		"$("$DERIVA" output "$M/d")"
	recipe e <<'EOF'
in: [a]
fn: head
params:
  lines: ten
EOF
	errno EINVAL open r "$M/e"
	has "e.recipe:4: \`lines\` of \`head\` is a number from 0 on, not \`ten\`" \
		"$("$DERIVA" output "$M/e")"
}

test_a_wrong_input_names_its_line()
{
	printf '6162\n6x\n' >"$M/a.hex"
	recipe d <<'EOF'
in: [a.hex]
fn: unhex
EOF
	errno EIO open r "$M/d"
	has "d.recipe:2: unhex: a.hex: line 2: \`x\` is no digit of hex" \
		"$("$DERIVA" output "$M/d")"
}

test_a_timeout_ends_a_function()
{
	truncate -s 60G "$M/a"
	recipe d <<'EOF'
in: [a]
fn: sha256
timeout: 0.3
EOF
	errno ETIMEDOUT open r "$M/d"
	has "longer than its timeout" "$("$DERIVA" output "$M/d")"
}

test_a_function_nobody_waits_for_is_stopped()
{
	truncate -s 60G "$M/a"
	recipe d <<'EOF'
in: [a]
fn: sha256
EOF
	cat "$M/d" >"$T/out" 2>&1 &
	wait_for busy
	kill -TERM $!
	wait_for idle
}

busy()
{
	[ "$(status running)" = 1 ]
}

idle()
{
	[ "$(status running)" = 0 ]
}

test_cost_of_a_function_is_counted()
{
	head -c 30000000 /dev/zero | tr '\0' 'x' >"$M/a"
	recipe d <<'EOF'
in: [a]
fn: sha256
EOF
	cat "$M/d" >"$T/out"
	"$PYTHON" -c 'import sys; assert float(sys.argv[1]) > 0' \
		"$(attribute cost "$M/d")"
}

attribute()
{
	getfattr --only-values -n "user.deriva.$1" "$2"
}

run_tests "$@"
