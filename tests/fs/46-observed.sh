#!/bin/bash
# Observed inputs: a recipe without `in` depends on what its command looked at,
# and on nothing else. What was not there counts, and so does what a directory
# lists; what was seen before is found again without a run.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# ran PATH: it was run for its present content, not found
ran()
{
	grep -q '^ran: ' "$M/.deriva/why/$1"
}

found()
{
	grep -q '^found in the store' "$M/.deriva/why/$1"
}

test_what_was_read_is_an_input_and_nothing_else()
{
	echo a >"$M/a"
	echo b >"$M/b"
	recipe x <<END
run: cat a; $UUID
END
	local one two
	one=$(cat "$M/x")
	has a "$one"
	echo other >"$M/b"
	echo new >"$M/c"
	eq "$one" "$(cat "$M/x")"
	echo A >"$M/a"
	two=$(cat "$M/x")
	has A "$two"
	touch "$M/a" # the same content
	eq "$two" "$(cat "$M/x")"
}

test_what_was_not_there_is_an_input()
{
	recipe x <<'END'
run: cat conf 2>/dev/null || cat sub/conf 2>/dev/null || echo none
END
	content none x
	mkdir "$M/sub"
	content none x
	echo below >"$M/sub/conf"
	content below x
	echo here >"$M/conf"
	content here x
	rm "$M/conf"
	content below x
	rm -r "$M/sub"
	content none x
}

test_a_listing_is_an_input()
{
	mkdir "$M/d"
	recipe x <<'END'
run: ls d | wc -l
END
	content 0 x
	echo 1 >"$M/d/a"
	content 1 x
	echo 2 >"$M/d/a" # content is no listing
	content 1 x
	ran x
	mv "$M/d/a" "$M/d/b"
	content 1 x
	echo 3 >"$M/d/c"
	content 2 x
}

# Each state of the tree is run once, however often it comes back.
test_switching_back_and_forth_runs_nothing()
{
	local i
	declare -A seen
	recipe x <<END
run: |
  cat a b
  [ ! -e extra ] || cat extra
  $UUID
END
	for i in 1 2 3; do
		for v in one two three; do
			echo "$v" >"$M/a"
			echo "$v$v" >"$M/b"
			rm -f "$M/extra"
			[ "$v" != two ] || echo more >"$M/extra"
			if [ "$i" = 1 ]; then
				seen[$v]=$(cat "$M/x")
				ran x
			else
				eq "${seen[$v]}" "$(cat "$M/x")"
				found x
			fi
		done
	done
}

test_results_outlive_the_mount()
{
	local one
	echo a >"$M/a"
	recipe x <<END
run: cat a missing 2>/dev/null || :; $UUID
END
	one=$(cat "$M/x")
	umount_it
	mount_it
	eq "$one" "$(cat "$M/x")"
	echo now >"$M/missing"
	ne "$one" "$(cat "$M/x")"
}

test_derived_files_are_computed_first_at_one_job()
{
	local i
	umount_it
	mount_it -o jobs=1
	echo 0 >"$M/f0"
	for i in 1 2 3 4 5 6 7 8; do
		recipe "f$i" <<END
run: expr 1 + \$(cat f$((i - 1)))
END
	done
	content 8 f8
	echo 10 >"$M/f0"
	content 18 f8
	echo 0 >"$M/f0"
	content 8 f8
	found f8
}

test_one_reads_many_derived_files()
{
	local i
	for i in 1 2 3 4 5; do
		echo "$i" >"$M/s$i"
		recipe "d$i" <<END
in: [s$i]
run: cat s$i s$i
END
	done
	recipe all <<'END'
run: cat d?
END
	eq "1 1 2 2 3 3 4 4 5 5" "$(tr '\n' ' ' <"$M/all" | sed 's/ $//')"
	echo x >"$M/s3"
	eq "1 1 2 2 x x 4 4 5 5" "$(tr '\n' ' ' <"$M/all" | sed 's/ $//')"
	rm "$M/d2.recipe"
	eq "1 1 x x 4 4 5 5" "$(tr '\n' ' ' <"$M/all" | sed 's/ $//')"
}

test_a_derived_input_that_stays_the_same_costs_nothing()
{
	local one
	printf 'b\na\n' >"$M/s"
	recipe sorted <<'END'
in: [s]
run: sort s
END
	recipe x <<END
run: cat sorted; $UUID
END
	one=$(cat "$M/x")
	printf 'a\nb\n' >"$M/s"
	eq "$one" "$(cat "$M/x")"
	printf 'a\nc\n' >"$M/s"
	ne "$one" "$(cat "$M/x")"
}

test_circles_are_told()
{
	recipe a <<'END'
run: cat b
END
	recipe b <<'END'
run: cat a
END
	errno ELOOP open r "$M/a"
	errno ELOOP open r "$M/b"
	recipe b <<'END'
run: echo done
END
	content "done" a
}

test_its_own_output_is_not_there()
{
	recipe x <<'END'
run: |
  cat x 2>/dev/null || echo no x
  ls
END
	eq "no x x.recipe" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
	touch "$M/y"
	eq "no x x.recipe y" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
}

test_neither_the_control_directory_nor_the_past_is_there()
{
	echo 1 >"$M/a"
	recipe x <<'END'
run: |
  ls $root/.deriva 2>/dev/null || echo none
  ls -A $root/.deriva/at 2>/dev/null || echo none
  cat ../.deriva/at/@1/a 2>/dev/null || echo none
END
	eq "none none none" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
}

test_a_recipe_below_sees_what_is_above()
{
	mkdir -p "$M/p/q" "$M/o"
	echo top >"$M/t"
	echo other >"$M/o/f"
	echo mid >"$M/p/m"
	recipe p/q/x <<'END'
run: cat ../m ../../t ../../o/f $root/o/f; ls ..; pwd
END
	eq "mid top other other q m /w/d/d" \
		"$(tr '\n' ' ' <"$M/p/q/x" | sed 's/ $//; s/m q/q m/')"
	echo TOP >"$M/t"
	has TOP "$(cat "$M/p/q/x")"
	mv "$M/o" "$M/r"
	mkdir "$M/o"
	echo moved >"$M/o/f"
	has moved "$(cat "$M/p/q/x")"
	# the same computation elsewhere, as deep, is found
	local one
	mkdir -p "$M/one/a" "$M/two/b"
	echo s >"$M/one/a/s"
	echo s >"$M/two/b/s"
	for d in one/a two/b; do
		recipe "$d/z" <<END
run: cat s; $UUID
END
	done
	one=$(cat "$M/one/a/z")
	eq "$one" "$(cat "$M/two/b/z")"
	eq "$(attr recipe "$M/one/a/z")" "$(attr recipe "$M/two/b/z")"
}

test_a_directory_that_moves_is_news()
{
	mkdir "$M/a"
	echo one >"$M/f"
	recipe a/x <<'END'
run: cat ../f
END
	content one a/x
	mkdir "$M/b"
	mv "$M/a" "$M/b/a"
	errno EIO open r "$M/b/a/x"
	echo two >"$M/b/f"
	content two b/a/x
}

test_links_and_modes_are_inputs()
{
	echo one >"$M/one"
	echo two >"$M/two"
	ln -s one "$M/l"
	printf '#!/bin/sh\necho ran\n' >"$M/prog"
	recipe x <<'END'
run: cat l; ./prog 2>/dev/null || echo not
END
	eq "one not" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
	chmod +x "$M/prog"
	eq "one ran" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
	ln -sfn two "$M/l"
	eq "two ran" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
}

test_what_is_being_written_is_read_as_it_is()
{
	echo one >"$M/a"
	recipe x <<'END'
run: cat a
END
	exec 7>>"$M/a"
	echo two >&7
	eq "one two" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
	echo three >&7
	eq "one two three" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
	exec 7>&-
	eq "one two three" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
}

test_a_change_while_it_runs_is_seen()
{
	echo one >"$M/a"
	recipe x <<'END'
run: cat a; sleep 1; cat b 2>/dev/null || echo no b
END
	cat "$M/x" >"$T/first" &
	sleep 0.5
	echo two >"$M/a"
	echo b >"$M/b"
	wait $!
	# one moment: before both or after both
	case $(tr '\n' ' ' <"$T/first") in
	"one no b " | "two b ") ;;
	*) cat "$T/first"; return 1 ;;
	esac
	eq "two b" "$(tr '\n' ' ' <"$M/x" | sed 's/ $//')"
}

# Its input changes faster than it runs, and is derived, too.
test_what_never_rests_is_answered()
{
	echo 0 >"$M/a"
	recipe x <<'END'
in: [a]
run: cat a
END
	recipe z <<'END'
run: cat a; sleep 0.1; cat x a
END
	(
		for ((i = 1; i < 2000; i++)); do
			[ ! -e "$T/stop" ] || exit 0
			echo "$i" >"$M/a"
			sleep 0.02
		done
		exit 1
	) &
	sleep 0.2
	cat "$M/z" >"$T/z"
	touch "$T/stop"
	wait $!
	# of one moment
	eq 1 "$(sort -u "$T/z" | wc -l)"
	cat "$M/z" >/dev/null
	eq "$(cat "$M/a")" "$(sort -u "$M/z")"
}

test_a_failure_is_remembered_until_what_it_saw_changes()
{
	recipe x <<'END'
run: cat a
END
	errno EIO open r "$M/x"
	has "a: No such file" "$(cat "$M/.deriva/output/x")"
	touch "$M/unrelated"
	errno EIO open r "$M/x"
	eq 1 "$(status results)"
	echo now >"$M/a"
	content now x
}

test_a_sibling_called_d_is_refused()
{
	mkdir "$M/s" "$M/d"
	recipe s/x <<'END'
run: echo x
END
	errno EIO open r "$M/s/x"
	has '`d`' "$(cat "$M/.deriva/output/s/x")"
	rmdir "$M/d"
	content x s/x
}

test_a_function_lists_its_inputs()
{
	recipe x <<'END'
fn: concat
END
	errno EINVAL open r "$M/x"
	has "list a function's inputs" "$(cat "$M/.deriva/output/x")"
}

test_why_names_what_was_seen()
{
	echo a >"$M/a"
	recipe x <<'END'
run: cat a; cat b 2>/dev/null || ls >/dev/null
END
	cat "$M/x" >/dev/null
	local why
	why=$(cat "$M/.deriva/why/x")
	has "made by: cat a" "$why"
	has "observed: a  " "$why"
	has "observed: b is not there" "$why"
	has "observed: names in ./" "$why"
	echo A >"$M/a"
	cat "$M/x" >/dev/null
	has "because: a changed" "$(cat "$M/.deriva/why/x")"
}

test_why_tells_inputs_that_were_never_read()
{
	echo a >"$M/a"
	echo b >"$M/b"
	recipe x <<'END'
in: [a, b]
run: cat a
END
	cat "$M/x" >/dev/null
	has "never read: b" "$(cat "$M/.deriva/why/x")"
	lacks "never read: a" "$(cat "$M/.deriva/why/x")"
	recipe y <<'END'
in: [a, b]
run: ls; cat [ab]
END
	cat "$M/y" >/dev/null
	lacks "never read" "$(cat "$M/.deriva/why/y")"
}

# Random edits; after each, all is as if it were computed from scratch.
test_random_edits_against_computations_from_scratch()
{
	"$PYTHON" - "$M" "$T/plain" "${OBSERVED_SEED:-$RANDOM}" <<'END'
import os, random, shutil, subprocess, sys

top, plain, seed = sys.argv[1:]
print("seed", seed)
rnd = random.Random(int(seed))
os.makedirs(plain)
dirs = ["p", "p/q", "r"]
for d in dirs:
    os.makedirs(f"{top}/{d}")
    os.makedirs(f"{plain}/{d}")
# what each reads depends on what it finds; in order, so that there is no circle
recipes = {
    "p/q/one": "cat a b 2>/dev/null || cat ../a 2>/dev/null || echo none",
    "p/two": "cat q/one; for f in q/*; do echo $f; done",
    "r/three": 'n=$(cat ../a 2>/dev/null | head -1); cat "../p/$n" '
               "2>/dev/null || echo no $n",
    "four": "cat p/two r/three; [ ! -e r/a ] || cat r/b 2>/dev/null || ls r",
    "five": "find p -name '[ab]' -type f | LC_ALL=C sort | xargs -r cat",
}
for n, text in recipes.items():
    for t in top, plain:
        with open(f"{t}/{n}.recipe", "w") as f:
            f.write("run: |\n  " + text + "\n")


def scratch():
    for n in recipes:
        if os.path.exists(f"{plain}/{n}"):
            os.unlink(f"{plain}/{n}")
    want = {}
    # names are there for others before they are computed, not for itself
    for n in recipes:
        open(f"{plain}/{n}", "w").close()
    for n, text in recipes.items():
        os.unlink(f"{plain}/{n}")
        want[n] = subprocess.run(
            ["/bin/sh", "-euc", text], cwd=os.path.dirname(f"{plain}/{n}"),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        with open(f"{plain}/{n}", "wb") as f:
            f.write(want[n])
    return want


names = [d + f for d in ("", "p/", "p/q/", "r/") for f in "ab"]
for step in range(int(os.environ.get("OBSERVED_STEPS", "50"))):
    for t, kind, name, text, to in [
            (t, *c) for c in [(rnd.randrange(4), rnd.choice(names),
                               rnd.choice("ab"), rnd.choice(names))]
            for t in (top, plain)]:
        if kind == 0 and os.path.exists(f"{t}/{name}"):
            os.unlink(f"{t}/{name}")
        elif kind == 1 and os.path.exists(f"{t}/{name}"):
            os.rename(f"{t}/{name}", f"{t}/{to}")
        else:
            with open(f"{t}/{name}", "w") as f:
                f.write(text + "\n")
    want = scratch()
    for n in rnd.sample(sorted(want), 3):
        try:
            got = open(f"{top}/{n}", "rb").read()
        except OSError as e:
            got = str(e)
        if got != want[n]:
            sys.exit(f"step {step}: {n}: {got!r}, not {want[n]!r}")
END
}

run_tests "$@"
