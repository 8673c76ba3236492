#!/bin/bash
# What a recipe says of the machine's programs, of when it is computed and of
# how long its result is kept: each has to hold without anybody's asking twice.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# A program that is found in the sandbox's PATH and is ours: root alone can put
# one there. Its name is this test's own.
TOOL=deriva-test-tool-$$
TOOLS_DIR=/usr/local/bin

own_tool()
{
	[ -w "$TOOLS_DIR" ] || return 1
	trap 'rm -f "$TOOLS_DIR/$TOOL" "$TOOLS_DIR/$TOOL".*' EXIT
	printf '#!/bin/sh\necho %s\n' "$1" >"$TOOLS_DIR/$TOOL.new"
	chmod 755 "$TOOLS_DIR/$TOOL.new"
	mv "$TOOLS_DIR/$TOOL.new" "$TOOLS_DIR/$TOOL"
}

is_state()
{
	[ "$(state "$2")" = "$1" ]
}

is_content()
{
	[ "$(cat "$M/$2")" = "$1" ]
}

# The state of what it was made from is another question: has it been made of
# this? Nobody but the background may have asked.
made_of()
{
	[ "$(sed -n 's/^content: .*  \([0-9]*\) bytes.*/\1/p' \
		"$M/.deriva/why/$2")" = "$1" ]
}

test_tool_is_part_of_the_address_and_its_change_is_noticed()
{
	own_tool one || return 0
	recipe d <<END
in: []
tools: [$TOOL]
run: $TOOL
END
	content one d
	first=$(attr recipe "$M/d")
	own_tool two
	wait_for is_content two d
	ne "$first" "$(attr recipe "$M/d")"
	has "tool $TOOL is another program now" "$("$DERIVA" why "$M/d")"
	has "tool: $TOOL  $TOOLS_DIR/$TOOL" "$("$DERIVA" why "$M/d")"
	# back again: nothing runs
	runs=$(status results)
	own_tool one
	wait_for is_content one d
	eq "$runs" "$(status results)"
}

test_tool_is_known_again_after_a_remount()
{
	recipe d <<'END'
in: []
tools: [sh, sort]
run: date +%N
END
	before=$(cat "$M/d")
	umount_it
	mount_it
	content "$before" d
	why=$("$DERIVA" why "$M/d")
	has "machine: $(uname -s) $(uname -r)" "$why"
	has "$(b3sum --no-names "$(readlink -f /usr/bin/sort)" | cut -c1-16)" \
		"$why"
	has "program: date  $(readlink -f /usr/bin/date)" "$why"
}

test_missing_tool_is_named_and_found_when_it_comes()
{
	recipe d <<END
in: []
tools: [$TOOL]
run: $TOOL
END
	errno EIO open r "$M/d"
	has "d.recipe:2: tool \`$TOOL\` is not there" "$(attr error "$M/d")"
	own_tool here || return 0
	wait_for is_content here d
}

test_keep_never_drops_the_bytes_when_its_last_reader_closes()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
keep: never
run: cat in
END
	exec 8<"$M/d" 9<"$M/d"
	exec 8<&-
	sleep 0.3
	eq fresh "$(state d)"
	eq 1 "$(cat <&9)"
	exec 9<&-
	wait_for is_state dropped d
	# and is there for whoever reads it again
	content 1 d
	eq 2 "$(stat -c %s "$M/d")"
}

test_keep_is_noted_with_the_result()
{
	echo 1 >"$M/in"
	for k in always auto; do
		printf 'in: [in]\nkeep: %s\nrun: echo %s\n' "$k" "$k" >"$M/$k.recipe"
		cat "$M/$k" >/dev/null
	done
	has "keep: always" "$("$DERIVA" why "$M/always")"
	lacks "keep: " "$("$DERIVA" why "$M/auto")"
	# a recipe that changes its mind needs no other run
	runs=$(status results)
	sed -i 's/keep: auto/keep: always/' "$M/auto.recipe"
	content auto auto
	has "keep: always" "$("$DERIVA" why "$M/auto")"
	eq "$runs" "$(status results)"
}

test_eager_is_computed_without_being_asked()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
eager: true
run: cat in
END
	wait_for made_of 2 d
	echo 22 >"$M/in"
	wait_for made_of 3 d
	content 22 d
	# one that was not eager from the start
	recipe e <<'END'
in: [in]
run: cat in; echo e
END
	sleep 0.3
	eq new "$(state e)"
	echo 'eager: true' >>"$M/e.recipe"
	wait_for made_of 5 e
	# and no more
	sed -i /eager/d "$M/e.recipe"
	sleep 0.3
	echo 333 >"$M/in"
	wait_for made_of 4 d
	sleep 0.3
	made_of 5 e
}

test_eager_pattern_makes_what_comes()
{
	mkdir "$M/p"
	echo a >"$M/p/a.txt"
	recipe 'p/%.up' <<'END'
in: {t: "%.txt"}
eager: true
run: tr a-z A-Z <"$t"
END
	wait_for made_of 2 p/a.up
	echo b >"$M/p/b.txt"
	wait_for made_of 2 p/b.up
	echo bb >"$M/p/b.txt"
	wait_for made_of 3 p/b.up
	content BB p/b.up
}

test_eager_goes_on_after_a_remount()
{
	echo 1 >"$M/in"
	recipe d <<'END'
in: [in]
eager: true
env: [DERIVA_TEST_EAGER]
run: cat in; echo "${DERIVA_TEST_EAGER-}"
END
	wait_for made_of 3 d
	runs=$(status results)
	umount_it
	mount_it
	sleep 0.5
	eq "$runs" "$(status results)"
	echo 22 >"$M/in"
	wait_for made_of 4 d
	umount_it
	# what changed meanwhile
	DERIVA_TEST_EAGER=xxx mount_it
	wait_for made_of 7 d
	eq $'22\nxxx' "$(cat "$M/d")"
}

test_eager_gives_way_to_readers()
{
	umount_it
	mount_it -o jobs=1
	echo 1 >"$M/in"
	recipe slow <<'END'
in: [in]
eager: true
run: sleep 30; cat in
END
	wait_for is_state running slow
	recipe d <<'END'
in: [in]
run: cat in
END
	start=$(ms)
	content 1 d
	at_most 15000 $(($(ms) - start))
	rm "$M/slow.recipe"
}

run_tests "$@"
