#!/bin/bash
# One recipe for many files: what a pattern defines comes and goes with its
# inputs, and is neither listed without being there nor there without being
# listed.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# photos/{a,b}.png, and a pattern that makes thumbs/NAME.jpg of each
photos()
{
	mkdir "$M/photos" "$M/thumbs"
	echo one >"$M/photos/a.png"
	echo two >"$M/photos/b.png"
	recipe 'thumbs/%.jpg' <<'END'
in: {photo: "../photos/%.png"}
run: tr a-z A-Z <"$photo"
END
}

# derived DIR: the names there that no file has, on one line
derived()
{
	(cd "$M/$1" && find . -maxdepth 1 ! -name '*.recipe' -type f -printf '%f\n' |
		sort | tr '\n' ' ')
}

test_one_recipe_makes_a_file_of_each_input()
{
	photos
	eq 'a.jpg b.jpg ' "$(derived thumbs)"
	content ONE thumbs/a.jpg
	content TWO thumbs/b.jpg
}

test_names_come_and_go_with_their_inputs()
{
	photos
	content ONE thumbs/a.jpg
	echo three >"$M/photos/c.png"
	content THREE thumbs/c.jpg
	eq 'a.jpg b.jpg c.jpg ' "$(derived thumbs)"
	rm "$M/photos/a.png"
	errno ENOENT stat "$M/thumbs/a.jpg"
	eq 'b.jpg c.jpg ' "$(derived thumbs)"
	mv "$M/photos/b.png" "$M/photos/d.png"
	errno ENOENT open r "$M/thumbs/b.jpg"
	content TWO thumbs/d.jpg
	mv "$M/photos" "$M/elsewhere"
	eq '' "$(derived thumbs)"
	errno ENOENT open r "$M/thumbs/d.jpg"
	mv "$M/elsewhere" "$M/photos"
	content TWO thumbs/d.jpg
}

test_an_edit_of_one_input_runs_one()
{
	local before

	photos
	cat "$M"/thumbs/*.jpg >/dev/null
	before=$(status results)
	echo other >"$M/photos/a.png"
	eq 'OTHER TWO' "$(cat "$M"/thumbs/*.jpg | tr '\n' ' ' | sed 's/ $//')"
	eq $((before + 1)) "$(status results)"
}

test_chains_of_patterns()
{
	photos
	recipe 'thumbs/%.sum' <<'END'
in: ["%.jpg"]
fn: sha256
END
	recipe 'thumbs/%.tag' <<'END'
in: ["%.sum"]
run: head -c 4 *
END
	eq 'a.jpg a.sum a.tag b.jpg b.sum b.tag ' "$(derived thumbs)"
	content "$(printf 'ONE\n' | sha256sum | head -c 4)" thumbs/a.tag
	echo three >"$M/photos/a.png"
	content "$(printf 'THREE\n' | sha256sum | head -c 4)" thumbs/a.tag
	rm "$M/photos/a.png"
	eq 'b.jpg b.sum b.tag ' "$(derived thumbs)"
}

test_a_pattern_is_used_once_in_a_chain()
{
	echo x >"$M/a"
	recipe '%x' <<'END'
in: ["%"]
run: cat *
END
	content x ax
	errno ENOENT stat "$M/axx"
	eq 'a ax ' "$(derived . | sed 's/%x.recipex //')"
}

test_patterns_in_a_circle_end()
{
	recipe '%.a' <<'END'
in: ["%.b"]
fn: concat
END
	recipe '%.b' <<'END'
in: ["%.a"]
fn: concat
END
	errno ENOENT stat "$M/x.a"
	eq '' "$(derived .)"
	echo s >"$M/y.b"
	eq 'y.a y.b ' "$(derived .)"
	content s y.a
}

test_a_source_wins_over_a_pattern()
{
	mkdir "$M/photos" "$M/thumbs"
	echo one >"$M/photos/a.png"
	echo mine >"$M/thumbs/a.jpg"
	recipe 'thumbs/%.jpg' <<'END'
in: {photo: "../photos/%.png"}
run: tr a-z A-Z <"$photo"
END
	content mine thumbs/a.jpg
	eq source "$(state thumbs/a.jpg)"
	eq 'a.jpg ' "$(derived thumbs)"
	rm "$M/thumbs/a.jpg"
	content ONE thumbs/a.jpg
	eq fresh "$(state thumbs/a.jpg)"
}

test_an_explicit_recipe_wins_over_a_pattern()
{
	photos
	content ONE thumbs/a.jpg
	recipe thumbs/a.jpg <<'END'
in: []
run: echo special
END
	content special thumbs/a.jpg
	content TWO thumbs/b.jpg
	eq 'a.jpg b.jpg ' "$(derived thumbs)"
	rm "$M/thumbs/a.jpg.recipe"
	content ONE thumbs/a.jpg
}

test_the_more_special_pattern_wins()
{
	photos
	recipe 'thumbs/a%.jpg' <<'END'
in: ["../photos/a%.png"]
run: echo special
END
	echo ab >"$M/photos/ab.png"
	content special thumbs/ab.jpg
	content ONE thumbs/a.jpg
	rm "$M/thumbs/a%.jpg.recipe"
	content AB thumbs/ab.jpg
}

test_all_inputs_with_the_stem_have_to_be_there()
{
	mkdir "$M/l" "$M/r"
	touch "$M/l/a" "$M/l/b" "$M/r/b" "$M/r/c" "$M/common"
	recipe '%.both' <<'END'
in: ["l/%", "r/%", common]
run: echo both
END
	eq 'b.both common ' "$(derived .)"
	errno ENOENT stat "$M/a.both"
	touch "$M/r/a"
	content both a.both
	eq 'a.both b.both common ' "$(derived .)"
	rm "$M/common"
	errno EIO open r "$M/a.both" # it is defined; an input is missing
	has common "$("$DERIVA" output "$M/a.both")"
}

test_a_stem_in_a_directory_and_globs_in_it()
{
	mkdir -p "$M/src/x" "$M/src/y" "$M/src/z"
	echo 1 >"$M/src/x/a.csv"
	echo 2 >"$M/src/x/b.csv"
	echo 3 >"$M/src/y/a.csv"
	touch "$M/src/file"
	recipe '%.all' <<'END'
in: ["src/%/*.csv"]
fn: concat
END
	eq 'file.all x.all y.all z.all ' "$(derived .)"
	eq '1 2 ' "$(tr '\n' ' ' <"$M/x.all")"
	eq '' "$(cat "$M/z.all")"
	echo 4 >"$M/src/z/new.csv"
	eq 4 "$(cat "$M/z.all")"
	recipe '%.one' <<'END'
in: ["src/%/a.csv"]
fn: concat
END
	eq 'x.one y.one ' "$(cd "$M" && echo *.one) "
}

test_stems_with_everything_a_name_may_hold()
{
	local stem

	mkdir "$M/in"
	for stem in 'a b' "it's" 'q"q' '$(x)' 'a*b' '[a]' '50%' $'n\nl' \
		$'\xff\xfe' '-x' '{y}' "$(printf '%0240d' 7)"; do
		echo "$stem" >"$M/in/$stem.t"
	done
	recipe '%.u' <<'END'
in: {f: "in/%.t", g: ["in/%*"]}
run: cat "$f"
END
	for stem in 'a b' "it's" 'q"q' '$(x)' 'a*b' '[a]' '50%' $'n\nl' \
		$'\xff\xfe' '-x' '{y}' "$(printf '%0240d' 7)"; do
		content "$stem" "$stem.u"
	done
	eq 12 "$(find "$M" -maxdepth 1 -name '*.u' -printf x | wc -c)"
}

test_a_percent_sign_is_written_twice()
{
	echo x >"$M/100%"
	recipe '50%%' <<'END'
in: [100%%]
fn: concat
END
	content x '50%'
	eq fresh "$(state '50%')"
	errno ENOENT stat "$M/50%%"
	rm "$M/50%%.recipe"
	errno ENOENT stat "$M/50%"
}

test_dot_files_are_no_stems_at_the_front()
{
	touch "$M/.a.t" "$M/b.t"
	recipe '%.u' <<'END'
in: ["%.t"]
fn: concat
END
	eq '.a.t b.t b.u ' "$(derived .)"
	errno ENOENT stat "$M/.a.u"
}

test_a_pattern_changed_broken_and_mended()
{
	photos
	content ONE thumbs/a.jpg
	recipe 'thumbs/%.jpg' <<'END'
in: {photo: "../photos/%.png"
END
	errno EINVAL open r "$M/thumbs/a.jpg"
	has 'thumbs/%.jpg.recipe:' "$("$DERIVA" output "$M/thumbs/a.jpg")"
	# and nothing else is in its way
	errno ENOENT stat "$M/thumbs/new.jpg"
	echo x >"$M/thumbs/new.jpg"
	recipe 'thumbs/%.jpg' <<'END'
in: {photo: "../photos/%.png"}
run: rev <"$photo"
END
	content eno thumbs/a.jpg
	content x thumbs/new.jpg
	recipe 'thumbs/%.jpg' <<'END'
in: [../photos/a.png]
fn: concat
END
	errno EINVAL open r "$M/thumbs/a.jpg"
	has "line" "$("$DERIVA" output "$M/thumbs/a.jpg" | tr : ' ') line"
	rm "$M/thumbs/%.jpg.recipe"
	errno ENOENT open r "$M/thumbs/a.jpg"
}

test_derived_names_feed_globs_and_inputs()
{
	photos
	recipe all <<'END'
in: ["thumbs/*.jpg"]
fn: concat
END
	recipe one <<'END'
in: [thumbs/c.jpg]
fn: concat
END
	eq 'ONE TWO ' "$(tr '\n' ' ' <"$M/all")"
	errno EIO open r "$M/one"
	echo three >"$M/photos/c.png"
	eq 'ONE TWO THREE ' "$(tr '\n' ' ' <"$M/all")"
	content THREE one
	rm "$M/photos/b.png"
	eq 'ONE THREE ' "$(tr '\n' ' ' <"$M/all")"
	rm "$M/thumbs/%.jpg.recipe"
	eq '' "$(cat "$M/all")"
	errno EIO open r "$M/one"
}

test_a_glob_takes_in_nothing_that_the_recipe_makes()
{
	echo 1 >"$M/a.t"
	echo 2 >"$M/b.t"
	recipe '%.n' <<'END'
in: {f: "%.t", all: ["*.t", "*.n"]}
run: echo "$all" | wc -l
END
	content 2 a.n
	content 2 b.n
}

test_the_past_has_the_names_of_then()
{
	local before

	photos
	content ONE thumbs/a.jpg
	before=$(moment)
	rm "$M/photos/a.png"
	echo three >"$M/photos/c.png"
	mv "$M/thumbs/%.jpg.recipe" "$M/gone.recipe"
	content ONE ".deriva/at/$before/thumbs/a.jpg"
	content TWO ".deriva/at/$before/thumbs/b.jpg"
	errno ENOENT stat "$M/.deriva/at/$before/thumbs/c.jpg"
	eq 'a.jpg b.jpg ' "$(derived ".deriva/at/$before/thumbs")"
}

test_they_are_there_after_a_remount()
{
	photos
	content ONE thumbs/a.jpg
	umount_it
	mount_it
	eq 'a.jpg b.jpg ' "$(derived thumbs)"
	content ONE thumbs/a.jpg
	content TWO thumbs/b.jpg
}

test_rm_r_rmtree_and_find_are_quiet()
{
	photos
	mkdir "$M/p"
	mv "$M/photos" "$M/thumbs" "$M/p"
	echo x >"$M/p/thumbs/src.t"
	recipe 'p/thumbs/%.u' <<'END'
in: ["%.t"]
fn: concat
END
	# only the ordinary files, of which the rest follows
	(cd "$M" && find p -type f ! -name '*.jpg' ! -name '*.u' -print0 |
		tar -c --null -T -) >"$T/p.tar"
	eq '' "$(rm -r "$M/p" 2>&1)"
	tar -C "$M" -xf "$T/p.tar"
	eq 3 "$(find "$M/p" -name '*.jpg' -o -name '*.u' | wc -l)"
	eq '' "$("$PYTHON" -c 'import shutil, sys; shutil.rmtree(sys.argv[1])' \
		"$M/p" 2>&1)"
	tar -C "$M" -xf "$T/p.tar"
	eq '' "$(find "$M/p" -delete 2>&1)"
	errno ENOENT stat "$M/p"
}

test_nothing_derived_is_written_or_removed()
{
	photos
	errno EPERM unlink "$M/thumbs/a.jpg"
	not sh -c "echo x 2>/dev/null >'$M/thumbs/a.jpg'"
	not mv "$M/photos/a.png" "$M/thumbs/a.jpg" 2>/dev/null
	content ONE thumbs/a.jpg
	echo x >"$M/thumbs/free.jpg" # no photo of that name: anybody's
	echo y >"$M/photos/free.png"
	content x thumbs/free.jpg
}

test_a_broken_link_is_no_input()
{
	mkdir "$M/in"
	ln -s nowhere "$M/in/a.t"
	echo b >"$M/in/b.t"
	ln -s b.t "$M/in/c.t"
	recipe '%.u' <<'END'
in: ["in/%.t"]
fn: concat
END
	eq 'b.u c.u ' "$(derived .)"
	content b c.u
	errno ENOENT stat "$M/a.u"
}

test_many_stems_and_one_look_up()
{
	mkdir "$M/in" "$M/out"
	"$PYTHON" - "$M/in" <<'END'
import sys
for i in range(5000):
    open(f"{sys.argv[1]}/{i}.t", "w").write(f"{i}\n")
END
	recipe 'out/%.u' <<'END'
in: ["../in/%.t"]
fn: concat
END
	eq 5000 "$(find "$M/out" -name '*.u' | wc -l)"
	content 4711 out/4711.u
	eq 1 "$(status results)"
}

# Random sources and patterns, against rules written down in a few lines.
test_random_trees_agree_with_a_model()
{
	"$PYTHON" - "$M" <<'END'
import os, random, sys
seed = int.from_bytes(os.urandom(4), "little")
print("seed", seed)
rnd = random.Random(seed)
top = sys.argv[1]
dirs = ["", "d/"]
os.mkdir(f"{top}/d")
sources = set()
patterns = {}           # (dir, suffix made) -> (dir, suffix needed)
explicit = {}           # path -> text
stems, suffixes = ["x", "y", "zz"], [".a", ".b", ".c", ".d"]


def defined(path, used=()):
    if path in sources:
        return True
    if path in explicit:
        return True
    for key, need in patterns.items():
        d, made = key
        name = path[len(d):]
        if key in used or not path.startswith(d) or "/" in name:
            continue
        if not name.endswith(made) or len(name) == len(made):
            continue
        if defined(need[0] + name[:-len(made)] + need[1], used + (key,)):
            return True
    return False


def there(d):
    return {n for n in os.listdir(f"{top}/{d}")
            if not n.endswith(".recipe") and n not in ("d",)}


for step in range(250):
    d, s, x = rnd.choice(dirs), rnd.choice(stems), rnd.choice(suffixes)
    path, kind = d + s + x, rnd.randrange(6)
    if kind < 2:
        if path in sources:
            os.unlink(f"{top}/{path}")
            sources.discard(path)
        elif not defined(path):
            open(f"{top}/{path}", "w").write("s")
            sources.add(path)
    elif kind < 4:
        file = f"{top}/{d}%{x}.recipe"
        if (d, x) in patterns:
            os.unlink(file)
            del patterns[d, x]
        else:
            nd, ns = rnd.choice(dirs), rnd.choice(suffixes)
            if (nd, ns) == (d, x):
                continue
            open(file, "w").write(f'in: ["/{nd}%{ns}"]\nfn: concat\n')
            patterns[d, x] = (nd, ns)
    elif kind == 4:
        file = f"{top}/{path}.recipe"
        if path in explicit:
            os.unlink(file)
            del explicit[path]
        else:
            open(file, "w").write("in: []\nrun: printf s\n")
            explicit[path] = "s"
    for d in dirs:
        want = {s + x for s in stems for x in suffixes if defined(d + s + x)}
        if there(d) != want:
            sys.exit(f"step {step}, {d}: {there(d)} is not {want}")
        for name in (s + x for s in stems for x in suffixes):
            if os.path.lexists(f"{top}/{d}{name}") != (name in want):
                sys.exit(f"step {step}: {d}{name}")
    if step % 10 == 0:
        for d in dirs:
            for name in there(d):
                if d + name in explicit and d + name in sources:
                    continue
                try:
                    if open(f"{top}/{d}{name}").read() != "s":
                        sys.exit(f"step {step}: content of {d}{name}")
                except OSError as e:
                    sys.exit(f"step {step}: {d}{name}: {e}")
END
}

run_tests "$@"
