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

# Members lie under the paths of the recipe, which therefore count.
test_tar_is_read_by_tar()
{
	local name

	mkdir -p "$M/sub/deep" "$T/out"
	seq 100000 >"$M/sub/a.txt"
	printf '#!/bin/sh\n' >"$M/sub/run"
	chmod +x "$M/sub/run"
	name=$(printf 'sub/deep/\303\251 %0150d' 7)
	: >"$M/$name"
	recipe sub/all.tar <<EOF
in: [a.txt, run, "deep/*", /sub/deep/../run2]
fn: tar
EOF
	cp -p "$M/sub/run" "$M/sub/run2"
	tar -tvf "$M/sub/all.tar" >"$T/list"
	tar -C "$T/out" -xf "$M/sub/all.tar"
	same "$M/sub/a.txt" "$T/out/a.txt"
	[ -x "$T/out/run" ]
	[ ! -x "$T/out/a.txt" ]
	[ -f "$T/out/${name#sub/}" ]
	[ -x "$T/out/sub/run2" ]
	eq 4 "$(find "$T/out" -type f | wc -l)"
	has "-rw-r--r-- 0/0" "$(cat "$T/list")"
	# the same inputs, the same bytes
	cp "$M/sub/all.tar" "$T/before"
	touch "$M/sub/a.txt"
	same "$T/before" "$M/sub/all.tar"
	mv "$M/sub/run" "$M/sub/walk"
	sed -i 's/run,/walk,/' "$M/sub/all.tar.recipe"
	has walk "$(tar -tf "$M/sub/all.tar")"
}

test_zip_is_read_by_unzip_and_python()
{
	mkdir "$T/out" "$M/d"
	seq 100000 >"$M/a.txt"
	: >"$M/d/$(printf 'caf\303\251')"
	cp /bin/true "$M/true"
	recipe all.zip <<'EOF'
in: [a.txt, "d/*", true]
fn: zip
EOF
	unzip -tq "$M/all.zip"
	unzip -qd "$T/out" "$M/all.zip"
	same "$M/a.txt" "$T/out/a.txt"
	[ -x "$T/out/true" ]
	eq "['a.txt', 'd/caf\xe9', 'true']" "$("$PYTHON" -c '
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
print(ascii(z.namelist()))' "$M/all.zip")"
	at_most 400000 "$(stat -c %s "$M/all.zip")"
}

test_two_members_of_one_name_are_refused()
{
	mkdir "$M/d"
	echo 1 >"$M/a"
	echo 2 >"$M/d/a"
	recipe d/all.tar <<'EOF'
in: [a, ../a]
fn: tar
EOF
	errno EIO open r "$M/d/all.tar"
	has "d/all.tar.recipe:2: tar: two inputs would both be called \`a\`" \
		"$("$DERIVA" output "$M/d/all.tar")"
}

attribute()
{
	getfattr --only-values -n "user.deriva.$1" "$2"
}

run_tests "$@"
