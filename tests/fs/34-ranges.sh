#!/bin/bash
# An edit costs what it touches: nothing reads, hashes or stores a whole file
# because a part of it has changed, however the part was changed. Copies share.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

# Without a whole read: the size says so, not the time.
stored()
{
	status stored_bytes
}

# large NAME: 64 MiB of noise, doubled to 8 GiB by copies that share.
large()
{
	"$SYS" noise 64 3 >"$M/$1"
	"$PYTHON" - "$M/$1" <<'END'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(f).st_size
while size < 8 << 30:
    left = size
    while left:
        left -= os.copy_file_range(f, f, left, size - left, 2 * size - left)
    size *= 2
os.close(f)
END
}

test_edits_of_a_large_file_store_little()
{
	local before

	large f
	eq 8589934592 "$(stat -c %s "$M/f")"
	before=$(stored)
	at_most 100000000 "$before"
	printf middle | dd of="$M/f" bs=1 seek=4000000001 conv=notrunc status=none
	printf end >>"$M/f"
	truncate -s 8000000000 "$M/f"
	truncate -s 9000000000 "$M/f"
	printf start | dd of="$M/f" conv=notrunc status=none
	at_most 3000000 $(($(stored) - before))
	eq start "$(head -c 5 "$M/f")"
	eq middle "$(tail -c +4000000002 "$M/f" | head -c 6)"
	eq 9000000000 "$(stat -c %s "$M/f")"
	# and they are there after a crash
	sleep 0.1
	kill_daemon
	mount_it
	eq middle "$(tail -c +4000000002 "$M/f" | head -c 6)"
	eq "$(tail -c +4000000002 "$M/f" | head -c 1000000 | b3sum)" \
		"$({ printf middle; tail -c +4000000008 "$M/f"; } |
			head -c 1000000 | b3sum)"
}

test_edits_end_at_the_address_of_the_whole()
{
	"$SYS" noise 8 4 >"$T/f"
	cp "$T/f" "$M/f"
	"$PYTHON" - "$T/f" "$M/f" <<'END'
import mmap, os, random, subprocess, sys
a, b = (os.open(p, os.O_RDWR) for p in sys.argv[1:])
r = random.Random(5)

def both(f, *args):
    for fd in (a, b):
        f(fd, *args)

def through_map(fd, off, data):
    size = os.fstat(fd).st_size
    if off + len(data) <= size:
        with mmap.mmap(fd, size) as m:
            m[off:off + len(data)] = data

def allocate(fd, mode, off, n):
    subprocess.run(["fallocate", mode, "-o", str(off), "-l", str(n),
                    f"/proc/self/fd/{fd}"], pass_fds=[fd], check=True)

for step in range(250):
    size = os.fstat(a).st_size
    off = r.randrange(size + 200000) if r.random() < .1 else r.randrange(size)
    n = r.choice((1, 100, 4096, 65536, 300000))
    k = r.randrange(10)
    if k < 4:
        both(os.pwrite, r.randbytes(n), off)
    elif k == 4:
        both(os.pwrite, bytes(n), off)
    elif k == 5:
        both(through_map, off, r.randbytes(n))
    elif k == 6:
        both(os.ftruncate, max(1 << 20, min(off, 12 << 20)))
    elif k == 7:
        both(allocate, "--punch-hole", off, n)
    elif k == 8:
        both(allocate, "--zero-range", off, n)
    else:
        to = r.randrange(size)
        n = min(n * 4, abs(to - off), size - off if off < size else 0)
        if n:
            both(lambda fd: os.copy_file_range(fd, fd, n, off, to))
    if r.random() < .1:
        os.fsync(b)
    if r.random() < .2:
        at = r.randrange(size)
        assert os.pread(a, 100000, at) == os.pread(b, 100000, at), step
END
	same "$T/f" "$M/f"
	cp --reflink=never --sparse=never "$T/f" "$M/g"
	eq "$(attr addr "$M/g")" "$(attr addr "$M/f")"
}

test_many_edits_in_one_close()
{
	local peak

	"$SYS" noise 128 8 >"$M/f"
	"$PYTHON" - "$M/f" <<'END'
import os, random, sys
r = random.Random(9)
f = os.open(sys.argv[1], os.O_RDWR)
for _ in range(10000):
    os.pwrite(f, r.randbytes(1000), r.randrange(128 << 20))
os.close(f)
END
	cp --reflink=never --sparse=never "$M/f" "$T/f"
	cp "$T/f" "$M/g"
	eq "$(attr addr "$M/g")" "$(attr addr "$M/f")"
	peak=$(awk '/VmHWM/ { print $2 }' "/proc/$(status pid)/status")
	echo "peak of the daemon: $peak KiB"
	# a sanitizer's shadow is no measure
	if ! grep -qE 'lib(a|t)san' "/proc/$(status pid)/maps"; then
		at_most 250000 "$peak"
	fi
}

test_a_copy_shares_and_is_there_at_once()
{
	local before a

	large f
	a=$(attr addr "$M/f")
	before=$(stored)
	cp "$M/f" "$M/g"
	eq "$a" "$(attr addr "$M/g")"
	at_most 100000 $(($(stored) - before))
	# what one becomes the other does not
	printf other | dd of="$M/g" conv=notrunc status=none
	ne other "$(head -c 5 "$M/f")"
	eq "$a" "$(attr addr "$M/f")"
}

test_a_copy_takes_what_is_written_so_far()
{
	"$PYTHON" - "$M" <<'END'
import os, sys
m = sys.argv[1]
data = os.urandom(3 << 20)
f = open(m + "/f", "wb")
f.write(data)
f.flush()
with open(m + "/g", "wb") as g, open(m + "/f", "rb") as r:
    n = 0
    while n < len(data):
        n += os.copy_file_range(r.fileno(), g.fileno(), len(data) - n)
    assert os.copy_file_range(r.fileno(), g.fileno(), 100) == 0
assert open(m + "/g", "rb").read() == data
f.write(b"more")
f.close()
assert open(m + "/f", "rb").read() == data + b"more"
assert open(m + "/g", "rb").read() == data
END
}

test_derived_files_and_the_past_are_copied_as_well()
{
	local t

	"$SYS" noise 4 6 >"$M/f"
	recipe d <<'END'
in: [f]
run: cat f f
END
	cp "$M/d" "$M/e"
	eq "$(attr addr "$M/d")" "$(attr addr "$M/e")"
	same "$M/d" "$M/e"
	t=$(moment)
	echo new >"$M/f"
	cp "$M/.deriva/at/$t/f" "$M/old"
	eq "$("$SYS" noise 4 6 | b3sum)" "$(b3sum <"$M/old")"
}

test_a_sparse_image_costs_what_is_in_it()
{
	local before

	truncate -s 1T "$M/image"
	before=$(stored)
	"$PYTHON" - "$M/image" <<'END'
import os, random, sys
r = random.Random(7)
at = sorted(r.randrange(1 << 28) << 12 for _ in range(100))
for i in range(10):
    f = os.open(sys.argv[1], os.O_RDWR)
    for off in at[i::10]:
        os.pwrite(f, r.randbytes(4096), off)
    os.close(f)
f = os.open(sys.argv[1], os.O_RDONLY)
off, found = 0, []
while True:
    try:
        off = os.lseek(f, off, os.SEEK_DATA)
    except OSError:
        break
    found.append(off >> 12 << 12)
    off = os.lseek(f, off, os.SEEK_HOLE)
assert found == at, (found, at)
END
	at_most 3000000 $(($(stored) - before))
	eq 1099511627776 "$(stat -c %s "$M/image")"
	at_most 4000 "$(du -k "$M/image" | cut -f1)"
	cp --sparse=always "$M/image" "$M/copy"
	eq "$(attr addr "$M/image")" "$(attr addr "$M/copy")"
}

test_nothing_changed_is_no_version()
{
	local before

	large f
	sleep 0.1
	before=$(status versions)
	"$PYTHON" - "$M/f" <<'END'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR)
os.pread(f, 100, 4 << 30)
os.close(f)
f = os.open(sys.argv[1], os.O_RDWR | os.O_APPEND)
os.close(f)
END
	eq "$before" "$(status versions)"
}

test_allocating_tells_a_full_disk()
{
	echo x >"$M/f"
	fallocate -l 1M "$M/f"
	eq 1048576 "$(stat -c %s "$M/f")"
	fallocate --keep-size -l 2M "$M/f"
	eq 1048576 "$(stat -c %s "$M/f")"
	eq x "$(head -c 1 "$M/f")"
	not fallocate -l 4E "$M/f"
	not fallocate --collapse-range -o 0 -l 4096 "$M/f"
	eq 1048576 "$(stat -c %s "$M/f")"
}

test_a_file_cut_to_nothing_and_written_anew()
{
	large f
	echo new >"$M/f"
	content new f
	"$PYTHON" - "$M/f" <<'END'
import os, sys
f = os.open(sys.argv[1], os.O_RDWR)
for n in (5 << 20, 100, 300 << 10, 0, 256 << 10, (256 << 10) + 1, 3):
    os.ftruncate(f, n)
    if n:
        os.pwrite(f, b"z", n - 1)
        assert os.pread(f, 10, n - 1) == b"z"
    assert os.fstat(f).st_size == n
assert os.pread(f, 10, 0) == b"\0\0z", os.pread(f, 10, 0)
END
}

run_tests "$@"
