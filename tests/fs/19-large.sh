#!/bin/bash
# Size must not matter: large sources, large outputs, ranges from anywhere, in
# memory that does not grow with them.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_a_source_of_256_mib()
{
	"$SYS" noise 256 1 >"$T/f"
	cp "$T/f" "$M/f"
	same "$T/f" "$M/f"
	umount_it
	mount_it
	same "$T/f" "$M/f"
	eq "$(tail -c 100 "$T/f" | b3sum)" "$(tail -c 100 "$M/f" | b3sum)"
}

test_an_output_of_256_mib()
{
	recipe d <<'END'
in: []
run: yes 0123456789abcde | head -c 256M
END
	eq 268435456 "$(stat -c %s "$M/d")"
	cmp "$M/d" <(yes 0123456789abcde | head -c 256M)
	recipe e <<'END'
in: [d]
run: tail -c 5 d
END
	content bcde e
}

test_an_output_of_256_mib_by_out()
{
	"$SYS" noise 256 9 >"$M/src"
	recipe d <<'END'
in: [src]
run: cp src "$out"
END
	same "$M/src" "$M/d"
	# the same content is kept once
	at_most 320000000 "$(status stored_bytes)"
	eq "$(attr addr "$M/src")" "$(attr addr "$M/d")"
}

test_a_function_over_256_mib()
{
	local peak

	"$SYS" noise 256 3 >"$M/src"
	recipe d <<'END'
in: [src]
fn: sha256
END
	has "$(sha256sum <"$M/src" | cut -d' ' -f1)" "$(cat "$M/d")"
	peak=$(awk '/VmHWM/ { print $2 }' "/proc/$(status pid)/status")
	echo "peak of the daemon: $peak KiB"
	# a sanitizer's shadow is no measure
	if ! grep -qE 'lib(a|t)san' "/proc/$(status pid)/maps"; then
		at_most 300000 "$peak"
	fi
}

test_zeros_cost_nothing()
{
	local before

	before=$(status stored_bytes)
	recipe d <<'END'
in: []
run: head -c 256M /dev/zero
END
	eq 268435456 "$(stat -c %s "$M/d")"
	at_most 1000000 $(($(status stored_bytes) - before))
	cmp -n 268435456 "$M/d" /dev/zero
}

test_random_ranges()
{
	"$SYS" noise 64 4 >"$T/f"
	cp "$T/f" "$M/f"
	umount_it
	mount_it
	"$PYTHON" - "$T/f" "$M/f" <<'END'
import os, random, sys
a, b = (os.open(p, os.O_RDONLY) for p in sys.argv[1:])
size = os.fstat(a).st_size
assert os.fstat(b).st_size == size
r = random.Random(1)
for _ in range(3000):
    at, n = r.randrange(size + 10), r.choice((1, 100, 4096, 70000, 1 << 20))
    assert os.pread(a, n, at) == os.pread(b, n, at), (at, n)
END
}

run_tests "$@"
