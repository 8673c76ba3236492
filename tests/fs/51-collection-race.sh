#!/bin/bash
# Collection against everybody: writers that bring back what is just being
# swept (the same contents come and go), commands that put them, and collections
# that are killed at any moment. What was closed can be read, always, and fsck
# finds nothing.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_LONG=${RACE_SECONDS:-6}

# writer NUMBER: until $T/stop exists; checks all it reads
writer()
{
	"$PYTHON" - "$M/w$1" "$1" "$T/stop" <<'END'
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

# collections, of which most are killed; some with all they want to do done
collections()
{
	local pid done=0 killed=0

	while [ ! -e "$T/stop" ]; do
		"$DERIVA" gc --store "$S" >>"$T/gc" 2>&1 &
		pid=$!
		if [ $((RANDOM % 3)) != 0 ]; then
			sleep "0.0$((RANDOM % 9))$((RANDOM % 10))"
			! kill -9 "$pid" 2>/dev/null || killed=$((killed + 1))
		fi
		! wait "$pid" 2>/dev/null || done=$((done + 1))
	done
	echo "$done $killed" >"$T/collections"
}

puts()
{
	while [ ! -e "$T/stop" ]; do
		"$PYTHON" -c 'import random, sys
sys.stdout.buffer.write(random.Random('$((RANDOM % 12))').randbytes(60000))' |
			"$DERIVA" put --store "$S" - >/dev/null
	done
}

test_writers_collections_and_kills()
{
	local i pids=()

	echo "retention: last 1" >"$M/.deriva/settings"
	for i in 1 2 3; do
		writer "$i" >"$T/writer$i" 2>&1 &
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
	umount_it
	mount_it
	verify
	"$DERIVA" fsck --store "$S"
	"$DERIVA" gc --store "$S"
	verify
}

run_tests "$@"
