#!/bin/bash
# Collection against everybody: writers that bring back what is just being
# swept (the same contents come and go) through two mounts, commands that put
# them, and collections that are killed, or halted for a while, at any moment.
# What was closed can be read, always, and fsck finds nothing. RACE_SECONDS
# (default 6) says how long.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_LONG=${RACE_SECONDS:-6}

# writer NUMBER MOUNT: until $T/stop exists; checks all it reads
writer()
{
	"$PYTHON" - "$2/w$1" "$1" "$T/stop" <<'END'
import os, random, sys
root, number, stop = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.mkdir(root)
def content(i):
    return random.Random(i).randbytes(3000 + i * 23000)
pool = [content(i) for i in range(12)]
rnd = random.Random(number)
has = {}
rounds = 0
while not os.path.exists(stop) or rounds < 20:
    rounds += 1
    name = f"{root}/f{rnd.randrange(6)}"
    what = rnd.random()
    if what < 0.15 and name in has:
        os.unlink(name)
        del has[name]
    elif what < 0.6:
        i = rnd.randrange(len(pool))
        with open(name, "wb") as f:
            f.write(pool[i])
        has[name] = i
    elif what < 0.8:
        i = rnd.randrange(len(pool))
        with open(name + ".new", "wb") as f:
            f.write(pool[i])
        os.replace(name + ".new", name)
        has[name] = i
    elif name in has:
        with open(name, "rb") as f:
            assert f.read() == pool[has[name]], name
for name, i in has.items():
    with open(name, "rb") as f:
        assert f.read() == pool[i], name
with open(f"{root}/model", "w") as f:
    for name, i in has.items():
        f.write(f"{os.path.basename(name)} {i}\n")
print(rounds)
END
}

# All that the writers left, read by nobody's cache.
verify()
{
	"$PYTHON" - "$M" <<'END'
import glob, random, sys
n = 0
for model in glob.glob(sys.argv[1] + "/w*/model"):
    root = model[:-len("model")]
    for line in open(model):
        name, i = line.split()
        want = random.Random(int(i)).randbytes(3000 + int(i) * 23000)
        assert open(root + name, "rb").read() == want, root + name
        n += 1
assert n > 0
END
}

# halted PID: for a while, several times: wherever it is
halted()
{
	local i

	for ((i = 0; i < 3; i++)); do
		sleep "0.0$((RANDOM % 5))$((RANDOM % 10))"
		kill -STOP "$1" 2>/dev/null || return 0
		sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
		kill -CONT "$1" 2>/dev/null || return 0
	done
}

# collections, of which many are killed or halted; some with all they want to do
# done
collections()
{
	local pid done=0 killed=0

	while [ ! -e "$T/stop" ]; do
		"$DERIVA" gc --store "$S" >>"$T/gc" 2>&1 &
		pid=$!
		if [ $((RANDOM % 3)) = 0 ]; then
			halted "$pid"
		elif [ $((RANDOM % 2)) = 0 ]; then
			sleep "0.0$((RANDOM % 9))$((RANDOM % 10))"
			! kill -9 "$pid" 2>/dev/null || killed=$((killed + 1))
		fi
		! wait "$pid" 2>/dev/null || done=$((done + 1))
	done
	echo "$done $killed" >"$T/collections"
}

# Some are halted between looking whether a content is there and saying so.
puts()
{
	local pid

	while [ ! -e "$T/stop" ]; do
		"$PYTHON" -c 'import random, sys
sys.stdout.buffer.write(random.Random('$((RANDOM % 12))').randbytes(60000))' |
			"$DERIVA" put --store "$S" - >/dev/null &
		pid=$!
		[ $((RANDOM % 2)) = 0 ] || halted "$pid"
		wait "$pid"
	done
}

test_writers_collections_and_kills()
{
	local i pids=()

	echo "retention: last 1" >"$M/.deriva/settings"
	mount_at "$S" "$T/m2" -o collect=100ms
	for i in 1 2 3 4; do
		if [ "$i" -gt 2 ]; then
			writer "$i" "$T/m2" >"$T/writer$i" 2>&1 &
		else
			writer "$i" "$M" >"$T/writer$i" 2>&1 &
		fi
		pids+=($!)
	done
	collections 2>/dev/null &
	pids+=($!)
	puts &
	pids+=($!)
	sleep "$SECONDS_LONG"
	touch "$T/stop"
	for i in "${pids[@]}"; do
		wait "$i" || { cat "$T"/writer*; return 1; }
	done
	echo "collections done and killed: $(cat "$T/collections")"
	verify
	"$DERIVA" gc --store "$S"
	"$DERIVA" umount "$T/m2"
	umount_it
	mount_it
	verify
	"$DERIVA" fsck --store "$S"
	"$DERIVA" gc --store "$S"
	verify
}

run_tests "$@"
