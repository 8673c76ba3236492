#!/bin/bash
# One store, two mounts: what one has acknowledged the other shows within
# 100 ms - names, content, attributes, what is derived - although the kernel
# owns size and time of every file it has seen.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# The promise is 100 ms; a loaded machine with sanitizers gets more.
SOON=${SOON:-2}

second()
{
	N=$T/n
	mount_at "$S" "$N" "$@"
}

away()
{
	"$DERIVA" umount "$N"
}

# soon COMMAND...: it succeeds before the other mount may be behind
soon()
{
	local until=$(($(ms) + SOON * 1000))

	until "$@" >"$T/soon" 2>&1; do
		if [ "$(ms)" -gt "$until" ]; then
			echo "not soon enough: $*"
			cat "$T/soon"
			return 1
		fi
		sleep 0.005
	done
}

# holds WANT PATH: all of the file
holds()
{
	eq "$1" "$(cat "$2")"
}

is()
{
	eq "$1" "$(stat -c "$2" "$3")"
}

gone()
{
	not stat "$1"
}

# says WANT COMMAND...: asked anew each time
says()
{
	local want=$1

	shift
	eq "$want" "$("$@")"
}

listed()
{
	eq "$1" "$(find "$2" -mindepth 1 -maxdepth 1 | wc -l)"
}

test_names_come_and_go()
{
	second
	mkdir "$M/d"
	soon is directory %F "$N/d"
	echo x >"$N/d/f"
	soon holds x "$M/d/f"
	ln "$M/d/f" "$M/d/l"
	soon is 2 %h "$N/d/f"
	is 2 %h "$N/d/l"
	ln -s f "$N/d/s"
	soon holds x "$M/d/s"
	mv "$M/d/f" "$M/g"
	soon holds x "$N/g"
	soon gone "$N/d/f"
	rm "$N/d/l"
	soon gone "$M/d/l"
	soon is 1 %h "$M/g"
	rm "$M/d/s"
	soon gone "$N/d/s"
	rmdir "$N/d"
	soon gone "$M/d"
	eq g "$(ls "$M")"
	eq g "$(ls "$N")"
	away
}

test_content_and_size_change()
{
	local i

	second
	for i in 1 22 333 "" 55555; do
		echo -n "$i" >"$M/f"
		soon holds "$i" "$N/f"
		is "${#i}" %s "$N/f"
		echo -n "$i$i" >"$N/f"
		soon holds "$i$i" "$M/f"
		is "$((2 * ${#i}))" %s "$M/f"
	done
	# larger than any cache decides alone
	"$SYS" noise 8 1 >"$T/big"
	cp "$T/big" "$M/big"
	soon cmp "$T/big" "$N/big"
	printf changed | dd of="$M/big" bs=1 seek=4000000 conv=notrunc \
		status=none
	printf changed | dd of="$T/big" bs=1 seek=4000000 conv=notrunc \
		status=none
	soon cmp "$T/big" "$N/big"
	truncate -s 1000 "$N/big" "$T/big"
	soon cmp "$T/big" "$M/big"
	away
}

# Alone, a mount lets large files wait behind the close.
test_large_files_are_there_when_the_second_mount_comes()
{
	"$SYS" noise 64 1 >"$T/big"
	cp "$T/big" "$M/big"
	second
	cmp "$T/big" "$N/big"
	"$SYS" noise 64 2 >"$T/big"
	cp "$T/big" "$M/big"
	soon cmp "$T/big" "$N/big"
	away
}

# The same file, whatever node the kernel has for it.
test_the_number_stays()
{
	local ino

	second
	echo 1 >"$M/f"
	ino=$(stat -c %i "$M/f")
	soon is "$ino" %i "$N/f"
	echo 22 >"$N/f"
	soon holds 22 "$M/f"
	is "$ino" %i "$M/f"
	away
}

test_attributes_change()
{
	second
	echo x >"$M/f"
	mkdir "$M/d"
	soon is 644 %a "$N/f"
	is 755 %a "$N/d"
	chmod 600 "$M/f"
	chmod 700 "$M/d"
	soon is 600 %a "$N/f"
	soon is 700 %a "$N/d"
	touch -d @1000000000 "$N/f"
	soon is 1000000000 %Y "$M/f"
	is 2 %s "$M/f"
	"$PYTHON" -c 'import os, sys
os.setxattr(sys.argv[1], "user.colour", b"red")' "$M/f"
	soon says red "$SYS" getxattr user.colour "$N/f"
	# times of a directory
	touch "$N/d/new"
	soon is "$(stat -c %y "$N/d")" %y "$M/d"
	away
}

test_derived_files_follow()
{
	local i

	second
	echo 1 >"$M/in"
	cat >"$M/up.recipe" <<'END'
in: [in]
run: sed 's/^/up /' in
END
	cat >"$M/twice.recipe" <<'END'
in: [up]
run: cat up up
END
	soon holds "up 1" "$N/up"
	holds $'up 1\nup 1' "$M/twice"
	holds $'up 1\nup 1' "$N/twice"
	# computed once, for both
	eq 2 "$(status results)"
	for i in 2 3 4; do
		echo "$i" >"$M/in"
		soon holds $'up '"$i"$'\nup '"$i" "$N/twice"
		holds "up $i" "$N/up"
		echo "x$i" >"$N/in"
		soon holds $'up x'"$i"$'\nup x'"$i" "$M/twice"
		is "$((5 + ${#i}))" %s "$M/up"
	done
	# the recipe itself
	sed -i 's/up \//UP \//' "$N/up.recipe"
	soon holds "UP x4" "$M/up"
	rm "$M/up.recipe"
	soon gone "$N/up"
	not cat "$N/twice" 2>/dev/null
	away
}

test_an_ordinary_file_in_the_place_of_a_derived_one()
{
	second
	echo 1 >"$M/in"
	printf 'in: [in]\nrun: cat in\n' >"$M/d.recipe"
	holds 1 "$M/d"
	soon holds 1 "$N/d"
	rm "$N/d.recipe"
	soon gone "$M/d"
	echo mine >"$M/d"
	soon holds mine "$N/d"
	printf 'in: [in]\nrun: cat in\n' >"$N/d.recipe"
	soon says blocked attr state "$M/d.recipe"
	holds mine "$M/d"
	away
}

test_a_failure_that_the_other_mount_retried()
{
	second
	cat >"$M/d.recipe" <<'END'
in: []
run: test -e /tmp/none && echo yes
END
	not cat "$M/d" 2>/dev/null
	not cat "$N/d" 2>/dev/null
	eq 1 "$(status failures)"
	"$DERIVA" retry "$N/d"
	not cat "$N/d" 2>/dev/null
	not cat "$M/d" 2>/dev/null
	away
}

# What another process does to a directory that is somebody's working directory.
test_a_directory_moves()
{
	second
	mkdir -p "$M/a/b/c"
	echo x >"$M/a/b/c/f"
	soon holds x "$N/a/b/c/f"
	(
		cd "$N/a/b/c"
		mv "$M/a/b" "$M/moved"
		soon holds x "$N/moved/c/f"
		eq x "$(cat f)"
		gone "$N/a/b"
		echo y >g
		soon holds y "$M/moved/c/g"
		rm -r "$M/moved"
		soon gone "$N/moved"
		not touch here 2>/dev/null
	)
	away
}

test_an_open_file_keeps_what_it_opened()
{
	second
	echo before >"$M/f"
	soon holds before "$N/f"
	exec 5<"$N/f"
	echo "after, and longer" >"$M/f"
	soon holds "after, and longer" "$N/f"
	eq before "$(cat <&5)"
	eq 7 "$(stat -L -c %s /proc/self/fd/5)"
	exec 5<&-
	away
}

# Also one that nobody has read from yet.
test_an_open_file_survives_its_removal()
{
	second
	echo kept >"$M/f"
	soon holds kept "$N/f"
	exec 5<>"$N/f"
	rm "$M/f"
	soon gone "$N/f"
	# the other mount forgets it altogether
	sleep 0.1
	eq kept "$(cat <&5)"
	echo more >&5
	eq 10 "$(stat -L -c %s /proc/self/fd/5)"
	exec 5>&-
	gone "$N/f"
	gone "$M/f"
	away
}

test_the_last_close_wins_and_both_are_versions()
{
	second
	echo base >"$M/f"
	soon holds base "$N/f"
	"$PYTHON" - "$M/f" "$N/f" <<'END'
import os, sys, time
second = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
os.write(second, b"from the second\n")
open(sys.argv[1], "w").write("from the first\n")
end = time.time() + 2
while open(sys.argv[2]).read() != "from the first\n":
    assert time.time() < end
assert os.fstat(second).st_size == 21
os.close(second)
assert open(sys.argv[2]).read() == "base\nfrom the second\n"
END
	soon holds $'base\nfrom the second' "$M/f"
	holds $'base\nfrom the second' "$N/f"
	has "$(echo "from the first" | b3sum --no-names)" \
		"$("$DERIVA" log "$M/f")"
	# and what is written next lies on top of that
	echo end >>"$M/f"
	soon holds $'base\nfrom the second\nend' "$N/f"
	away
}

test_writes_to_a_mapped_file()
{
	second
	"$SYS" noise 1 1 >"$M/f"
	soon cmp "$M/f" "$N/f"
	"$PYTHON" - "$M/f" "$N/f" <<'END'
import mmap, os, sys, time
a = open(sys.argv[1], "r+b")
m = mmap.mmap(a.fileno(), 0)
m[5000:5005] = b"there"
m.flush()
m.close()
a.close()
end = time.time() + 2
while open(sys.argv[2], "rb").read()[5000:5005] != b"there":
    assert time.time() < end
    time.sleep(0.005)
END
	away
}

test_exclusive_creation_has_one_winner()
{
	second
	"$PYTHON" - "$M" "$N" <<'END'
import os, sys, threading
wins = [[], []]
def create(i):
    for n in range(500):
        try:
            os.close(os.open(f"{sys.argv[1 + i]}/f{n}",
                             os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            wins[i].append(n)
        except FileExistsError:
            pass
t = [threading.Thread(target=create, args=(i,)) for i in (0, 1)]
[x.start() for x in t]
[x.join() for x in t]
assert sorted(wins[0] + wins[1]) == list(range(500)), wins
assert sorted(os.listdir(sys.argv[1])) == sorted(f"f{n}" for n in range(500))
END
	away
}

test_rename_takes_a_name_once()
{
	second
	"$PYTHON" - "$M" "$N" <<'END'
import os, sys, threading
N = 300
for n in range(N):
    open(f"{sys.argv[1]}/from{n}", "w").write(str(n))
wins = [[], []]
def move(i):
    for n in range(N):
        try:
            os.rename(f"{sys.argv[1 + i]}/from{n}",
                      f"{sys.argv[1 + i]}/to{n}-{i}")
            wins[i].append(n)
        except FileNotFoundError:
            pass
t = [threading.Thread(target=move, args=(i,)) for i in (0, 1)]
[x.start() for x in t]
[x.join() for x in t]
assert sorted(wins[0] + wins[1]) == list(range(N)), wins
have = {x: open(f"{sys.argv[1]}/{x}").read() for x in os.listdir(sys.argv[1])}
assert len(have) == N, len(have)
for x, text in have.items():
    assert x.startswith(f"to{text}-"), (x, text)
END
	away
}

test_views_of_the_past_are_the_same_in_both()
{
	local t

	echo 1 >"$M/f"
	t=$(moment)
	second
	eq 1 "$(cat "$N/.deriva/at/$t/f")"
	exec 5<"$N/.deriva/at/$t/f"
	echo 2 >"$M/f"
	soon holds 2 "$N/f"
	eq 1 "$(cat "$N/.deriva/at/$t/f")"
	eq 1 "$(cat <&5)"
	exec 5<&-
	away
}

test_one_is_killed_and_the_other_goes_on()
{
	local pid

	second
	echo 1 >"$N/f"
	sleep 0.1
	pid=$(status_of "$N" pid)
	(
		while echo x >>"$N/busy"; do :; done
	) 2>/dev/null &
	sleep 0.3
	kill -9 "$pid"
	wait $! || true
	wait_for dead "$pid"
	content 1 f
	echo 2 >"$M/f"
	content 2 f
	fusermount3 -uz "$N"
	# and it comes back, without a hand
	second
	holds 2 "$N/f"
	grep -qx x "$N/busy"
	echo 3 >"$N/f"
	soon holds 3 "$M/f"
	away
}

test_what_a_killed_mount_left_is_swept_while_others_run()
{
	local pid

	second
	cat >"$M/slow.recipe" <<'END'
in: []
run: echo begun; sleep 60
END
	cat >"$M/long.recipe" <<'END'
in: []
run: sleep 3; echo done
END
	soon stat "$N/slow.recipe"
	cat "$M/long" >"$T/long" &
	cat "$N/slow" >/dev/null 2>&1 &
	wait_for says 1 status_of "$N" running
	wait_for says 1 status running
	eq 2 "$(find "$S/drafts" -mindepth 1 -maxdepth 1 | wc -l)"
	pid=$(status_of "$N" pid)
	kill -9 "$pid"
	wait_for dead "$pid"
	fusermount3 -uz "$N"
	second
	# the one that still runs was let alone
	eq 1 "$(find "$S/drafts" -mindepth 1 -maxdepth 1 | wc -l)"
	wait_for grep -q 'done' "$T/long"
	away
}

test_umount_of_one_leaves_the_other()
{
	second
	echo x >"$N/f"
	"$DERIVA" umount "$N"
	not mountpoint -q "$N"
	content x f
	second
	holds x "$N/f"
	"$DERIVA" umount "$M"
	echo y >"$N/f"
	away
	mount_it
	content y f
}

test_commands_use_the_mount_they_are_given()
{
	second
	echo 1 >"$M/in"
	printf 'in: [in]\nrun: cat in\n' >"$M/d.recipe"
	soon stat "$N/d.recipe"
	"$DERIVA" build "$N/d"
	eq fresh "$(attr state "$N/d")"
	has in "$("$DERIVA" why "$N/d")"
	has fresh "$("$DERIVA" status "$N/d")"
	eq "$("$DERIVA" log "$M/in")" "$("$DERIVA" log "$N/in")"
	away
}

test_three_mounts_and_a_read_only_one()
{
	second -o ro
	mount_at "$S" "$T/three"
	echo 1 >"$M/f"
	soon holds 1 "$N/f"
	soon holds 1 "$T/three/f"
	echo 22 >"$T/three/f"
	soon holds 22 "$N/f"
	soon holds 22 "$M/f"
	not touch "$N/f" 2>/dev/null
	"$DERIVA" umount "$T/three"
	away
}

# A mount where nothing happens is asleep.
test_nothing_to_follow_costs_nothing()
{
	local pid before

	second
	pid=$(status_of "$N" pid)
	sleep 1
	before=$(awk '/ctxt/ {n += $2} END {print n}' "/proc/$pid/task"/*/status)
	sleep 2
	at_most $((before + 20)) \
		"$(awk '/ctxt/ {n += $2} END {print n}' \
			"/proc/$pid/task"/*/status)"
	away
}

test_a_long_chain_of_changes_at_once()
{
	second
	mkdir "$M/d"
	soon stat "$N/d"
	kill -STOP "$(status_of "$N" pid)"
	"$PYTHON" - "$M/d" <<'END'
import os, sys
for n in range(3000):
    open(f"{sys.argv[1]}/f{n}", "w").write(str(n))
for n in range(0, 3000, 2):
    os.unlink(f"{sys.argv[1]}/f{n}")
END
	kill -CONT "$(status pid)" "$(tail -1 "$T/pids")"
	SOON=5 soon listed 1500 "$N/d"
	soon holds 2999 "$N/d/f2999"
	away
}

run_tests "$@"
