#!/bin/bash
# Who follows a store with `deriva watch` is told of every change and result,
# once, in order, whoever made it, and after whatever happened to the writer or
# the reader.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/../fs/lib.sh"

watch()
{
	"$DERIVA" watch --store "$S" "$@"
}

# All there is after a change.
all()
{
	watch --no-wait --since "${1-0}"
}

# The number of the newest change.
newest()
{
	all | tail -n 1 | jq .change
}

# lines FILE: whole ones
lines()
{
	grep -c '}$' "$1" || true
}

# has_lines NUMBER FILE
has_lines()
{
	[ "$(lines "$2")" -ge "$1" ]
}

start_watch()
{
	"$DERIVA" watch --store "$S" "$@" >"$T/seen" 2>"$T/said" &
	WATCH=$!
}

stop_watch()
{
	kill "$WATCH"
	wait "$WATCH" || true
}

test_what_is_told_of_each_change()
{
	local n a

	n=$(newest)
	mkdir "$M/d"
	printf 12345 >"$M/d/f"
	a=$(printf 12345 | b3sum --no-names)
	chmod 640 "$M/d/f"
	ln "$M/d/f" "$M/hard"
	mv "$M/d/f" "$M/d/g"
	setfattr -n user.x -v y "$M/hard"
	ln -s there "$M/l"
	mv "$M/d" "$M/e"
	rm "$M/e/g"
	all "$n" >"$T/seen"
	# each by what it did; times and numbers rise
	eq "create d
create d/f
write d/f
setattr d/f
link hard
rename d/g
xattr hard
create l
rename e
unlink e/g" "$(jq -r '"\(.op) \(.path)"' "$T/seen")"
	eq true "$(jq -s 'map(.change) | . == (sort | unique)' "$T/seen")"
	eq true "$(jq -s 'map(.time) | . == sort' "$T/seen")"
	eq "[\"$a\",5,\"file\"]" "$(jq -c 'select(.op == "write")
		| [.address, .size, .type]' "$T/seen")"
	eq '["0640"]' "$(jq -c 'select(.op == "setattr") | [.mode]' "$T/seen")"
	eq '["d/f",null]' "$(jq -c 'select(.path == "d/g") | [.from, .also]' \
		"$T/seen")"
	eq '["user.x","y",["d/g"]]' "$(jq -c 'select(.op == "xattr")
		| [.attribute, .value, .also]' "$T/seen")"
	eq '["link","there"]' "$(jq -c 'select(.path == "l") | [.type, .target]' \
		"$T/seen")"
	eq "d" "$(jq -r 'select(.path == "e") | .from' "$T/seen")"
	eq '"mkdir"' "$(jq -c 'select(.path == "d") | .program' "$T/seen")"
}

test_names_that_are_replaced_exchanged_or_no_text()
{
	local n

	echo 1 >"$M/a"
	echo 2 >"$M/b"
	n=$(newest)
	mv "$M/a" "$M/b"
	echo 3 >"$M/a"
	"$PYTHON" - "$M" <<'END'
import ctypes, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
assert libc.renameat2(-100, b"a", -100, b"b", 2) == 0
os.mknod(b"x\xff\n")
END
	all "$n" >"$T/seen"
	eq '["b","a",null]
["b","a",["a"]]' "$(jq -c 'select(.op == "rename") | [.path, .from, .also]' \
		"$T/seen")"
	eq '["x�\n","78ff0a"]' "$(tail -n 1 "$T/seen" |
		jq -c '[.path, .path_bytes]')"
}

test_results_are_told()
{
	local n

	n=$(newest)
	echo in >"$M/in"
	recipe good <<'END'
in: [in]
run: cat in
END
	recipe same <<'END'
in: [in]
run: cat in
END
	recipe bad <<'END'
in: []
run: exit 3
END
	cat "$M/good" "$M/good" >/dev/null
	cat "$M/same" >/dev/null
	not cat "$M/bad" 2>/dev/null
	echo other >"$M/in"
	cat "$M/good" >/dev/null
	echo in >"$M/in"
	cat "$M/good" >/dev/null
	all "$n" | jq -c 'select(.kind == "derived")' >"$T/seen"
	eq '["computed","good",3,null]
["found","same",3,null]
["failed","bad",null,"EIO"]
["computed","good",6,null]
["found","good",3,null]' "$(jq -c '[.op, .path, .size, .error]' "$T/seen")"
	eq "$(attr recipe "$M/good")" "$(tail -n 1 "$T/seen" | jq -r .recipe)"
	n=$(newest)
	"$DERIVA" drop "$M/good"
	"$DERIVA" drop "$M/good"
	eq "[\"dropped\",\"good\",\"$(attr recipe "$M/good")\"]" \
		"$(all "$n" | jq -c '[.op, .path, .recipe]')"
}

test_what_is_done_to_the_store()
{
	local n

	echo 1 >"$M/f"
	n=$(newest)
	"$DERIVA" snapshot --store "$S" before
	"$DERIVA" branch work "$M"
	"$DERIVA" branch -d work "$M"
	eq '["store","keep","before",null,null]
["store","branch",null,"work",null]
["store","branch",null,null,"work"]' "$(all "$n" |
		jq -c '[.kind, .op, .snapshot, .made, .removed]')"
}

test_only_what_concerns_a_path()
{
	local n

	mkdir "$M/d" "$M/dd"
	n=$(newest)
	echo >"$M/d/f"
	echo >"$M/dd/f"
	chmod 700 "$M/d"
	mv "$M/d/f" "$M/out"
	mv "$M/d" "$M/moved"
	rm "$M/out"
	eq "d/f d/f d out moved" "$(watch --no-wait --since "$n" d |
		jq -rj '.path + " "' | sed 's/ $//')"
	eq "d/f d/f moved out" "$(watch --no-wait --since "$n" d/f/ |
		jq -r .path | sort -u | xargs | sed 's/^d.f /d\/f d\/f /')"
	# a path of the mount, which is no more
	eq 5 "$(cd / && "$DERIVA" watch --no-wait --since "$n" "$M/d" |
		grep -c change)"
}

test_it_waits_and_is_quick()
{
	local i before worst=0 took

	start_watch --since 0
	wait_for has_lines 1 "$T/seen"
	for ((i = 0; i < 5; i++)); do
		before=$(date +%s%N)
		: >"$M/f$i"
		until grep -q "\"f$i\"" "$T/seen"; do :; done
		took=$((($(date +%s%N) - before) / 1000000))
		worst=$((took > worst ? took : worst))
	done
	stop_watch
	echo "worst: $worst ms"
	# 50 on a quiet machine, with sanitizers and others at work more
	at_most 1000 "$worst"
}

test_every_change_of_all_processes_once()
{
	local i n=100

	mkdir "$T/m2"
	mount_at "$S" "$T/m2"
	start_watch --since 0
	for i in 1 2 3; do
		(
			to=$M
			[ "$i" != 2 ] || to=$T/m2
			for ((j = 0; j < n; j++)); do
				echo "$i $j" >"$to/$i-$j"
				[ "$i" != 3 ] || rm "$to/$i-$j"
			done
		) &
		pids[i]=$!
	done
	wait "${pids[@]}"
	"$DERIVA" snapshot --store "$S" end
	: >"$M/last"
	wait_for grep -q '"last"' "$T/seen"
	stop_watch
	"$DERIVA" umount "$T/m2"
	all >"$T/again"
	same "$T/again" "$T/seen"
	eq "$((7 * n))" "$(jq -r .path "$T/seen" | grep -c -)"
	eq 0 "$(jq .change "$T/seen" | sort | uniq -d | wc -l)"
	jq .change "$T/seen" | sort -nc
}

test_a_slow_reader_loses_nothing()
{
	local i

	mkfifo "$T/pipe"
	"$DERIVA" watch --store "$S" --since 0 >"$T/pipe" &
	WATCH=$!
	exec 5<"$T/pipe"
	for ((i = 0; i < 400; i++)); do
		: >"$M/a-name-that-is-rather-long-to-fill-a-pipe-with-$i"
	done
	all >"$T/all"
	at_least 100000 "$(stat -c %s "$T/all")" # more than a pipe holds
	head -c "$(stat -c %s "$T/all")" <&5 >"$T/seen"
	same "$T/all" "$T/seen"
	exec 5<&-
	: >"$M/one-more"
	wait "$WATCH" || true # it ends when nobody reads any more
}

test_nothing_is_lost_when_daemon_and_watch_are_killed()
{
	local round since=0

	: >"$T/told"
	for round in 1 2 3; do
		start_watch --since "$since"
		(
			cd "$M" # not what is below it when it is gone
			for ((i = 0; i < 2000; i++)); do
				echo "$i" >"$round-$i" || break
			done
		) 2>/dev/null &
		WRITER=$!
		wait_for has_lines $((round * 20)) "$T/seen"
		if [ "$round" = 2 ]; then
			kill -9 "$WATCH"
			wait "$WATCH" || true
			kill_daemon
		else
			kill_daemon
			kill -9 "$WATCH"
			wait "$WATCH" || true
		fi
		wait "$WRITER" || true
		mount_it
		# what was cut off in the middle of a line is told again
		grep '}$' "$T/seen" >>"$T/told" || true
		since=$(tail -n 1 "$T/told" | jq .change)
	done
	all "$since" >>"$T/told"
	all >"$T/all"
	same "$T/all" "$T/told"
	# and each change that the store knows is there
	ls "$M" >"$T/names"
	jq -r 'select(.op == "create") | .path' "$T/all" | grep -v '^$' | sort \
		>"$T/created"
	eq "" "$(comm -23 <(sort "$T/names") "$T/created")"
}

test_without_a_mount()
{
	echo 1 >"$M/f"
	umount_it
	start_watch --since 0
	wait_for grep -q '"write"' "$T/seen"
	mount_it
	echo 2 >"$M/g"
	wait_for grep -q '"g"' "$T/seen"
	umount_it
	mount_it
	echo 3 >"$M/h"
	wait_for grep -q '"h"' "$T/seen"
	stop_watch
	eq "" "$(cat "$T/said")"
}

test_moments_and_mistakes()
{
	local rc=0 before n

	: >"$M/a"
	before=$(moment)
	: >"$M/b"
	eq b "$(watch --no-wait --since "$before" | jq -r .path)"
	n=$(newest)
	eq "" "$(watch --no-wait --since "@$n")"
	eq "" "$(watch --no-wait)"
	refused "the last change of this store is $n" watch --since 99999
	watch --since never 2>"$T/said" || rc=$?
	eq 2 "$rc"
	has "neither the number of a change nor a time" "$(cat "$T/said")"
	refused "is no store" "$DERIVA" watch --store "$T" --no-wait
}

# Of a store of an older version, or made anew, only the newest batch has a row.
test_without_rows_of_older_batches()
{
	local i

	for ((i = 0; i < 20; i++)); do
		: >"$M/$i"
		[ $((i % 5)) != 0 ] || sync "$M/$i"
	done
	all >"$T/before"
	umount_it
	mv "$S/deriva.db" "$T"
	rm -f "$S"/deriva.db-*
	"$DERIVA" fsck --repair --store "$S" >/dev/null || true
	all >"$T/after"
	same "$T/before" "$T/after"
	n=$(sed -n 10p "$T/before" | jq .change)
	all "$n" >"$T/after"
	same <(tail -n +11 "$T/before") "$T/after"
}

test_the_events_file_says_the_same_and_grows()
{
	local e=$M/.deriva/events size

	echo 1 >"$M/f"
	all >"$T/all"
	same "$T/all" "$e"
	same <(tail -c 100 "$T/all") <(tail -c 100 "$e")
	size=$(stat -c %s "$T/all")
	same <(tail -c +51 "$T/all") <(dd if="$e" bs=1 skip=50 status=none)
	eq "" "$(tail -c +$((size + 1)) "$e")"
	exec 5<"$e"
	cat <&5 >"$T/seen"
	eq "" "$(cat <&5)"
	echo 2 >"$M/g"
	all >"$T/all"
	cat <&5 >>"$T/seen"
	same "$T/all" "$T/seen"
	eq "$(stat -c %s "$T/all")" "$(stat -L -c %s /dev/fd/5)"
	exec 5<&-
	not tee -a "$e" <<<x >/dev/null 2>"$T/said"
	has "Operation not permitted" "$(cat "$T/said")"
}

test_the_events_file_is_waited_for()
{
	mkdir "$T/m2"
	mount_at "$S" "$T/m2"
	timeout 60 "$PYTHON" - "$M" "$T/m2" <<'END'
import json, os, select, subprocess, sys, threading, time
here, there = sys.argv[1:]
fd = os.open(here + "/.deriva/events", os.O_RDONLY)
got = b""
while data := os.read(fd, 65536):
    got += data
poll = select.poll()
poll.register(fd, select.POLLIN)
assert poll.poll(100) == [], "there is nothing to read"
ep = select.epoll()
ep.register(fd, select.EPOLLIN)

def after(seconds, path):
    threading.Timer(seconds, lambda: open(path, "w").close()).start()

def paths():
    data = b""
    while more := os.read(fd, 65536):
        data += more
    return [json.loads(x)["path"] for x in data.splitlines()]

after(0.3, here + "/mine")
assert poll.poll(20000), "a change of this mount"
assert paths() == ["mine"]
after(0.3, there + "/theirs")
assert select.select([fd], [], [], 20)[0], "a change of another mount"
assert paths() == ["theirs"]
after(0.3, here + "/third")
assert ep.poll(20), "epoll"
assert paths() == ["third"]

# many, from both, each once and in order
def write(where, name):
    for i in range(200):
        open("%s/%s%d" % (where, name, i), "w").close()
threads = [threading.Thread(target=write, args=a)
           for a in ((here, "a"), (there, "b"))]
for t in threads:
    t.start()
seen = []
while len(seen) < 400 and poll.poll(20000):
    seen += paths()
assert sorted(seen) == sorted(n + str(i) for n in "ab" for i in range(200))
os.close(fd)
END
	"$DERIVA" umount "$T/m2"
}

test_tail_follows_the_events_file()
{
	tail -n +1 -f "$M/.deriva/events" >"$T/seen" 2>&1 &
	TAIL=$!
	wait_for has_lines 1 "$T/seen"
	: >"$M/f"
	wait_for grep -q '"f"' "$T/seen"
	: >"$M/g"
	wait_for grep -q '"g"' "$T/seen"
	kill "$TAIL"
	wait "$TAIL" || true
	all >"$T/all"
	same "$T/all" "$T/seen"
}

run_tests "$@"
