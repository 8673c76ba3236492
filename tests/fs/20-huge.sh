#!/bin/bash
# Outputs beyond 2 GiB, where 32 bits end.
# shellcheck source=tests/fs/lib.sh
. "$(dirname "$0")/lib.sh"

test_an_output_of_2_gib_and_a_little()
{
	recipe d <<'END'
in: []
run: yes 0123456789abcde | head -c 2148483648
END
	eq 2148483648 "$(stat -c %s "$M/d")"
	eq 2148483648 "$(wc -c <"$M/d")"
	cmp "$M/d" <(yes 0123456789abcde | head -c 2148483648)
	recipe last <<'END'
in: [d]
run: tail -c 16 d
END
	content 0123456789abcde last
}

test_a_sparse_source_of_5_gib()
{
	truncate -s 5G "$M/f"
	printf end >>"$M/f"
	recipe d <<'END'
in: [f]
run: tail -c 3 f; wc -c <f
END
	content end5368709123 d
}

# The address is that of the manual page, which format.py was written from.
test_a_sparse_file_of_1_tib_has_the_address_of_the_format()
{
	"$PYTHON" - "$M/f" <<'END'
import os, random, sys
pick = random.Random(5)
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.ftruncate(fd, 1 << 40)
os.pwrite(fd, b"begin", 0)
os.pwrite(fd, b"end", (1 << 40) - 3)
for i in range(60):
    at = pick.randrange(1 << 40)
    os.pwrite(fd, pick.randbytes(pick.choice((1, 4096, 300000))), at)
    # zeros that were written, beside a hole, and a gap that is no hole
    os.pwrite(fd, bytes(pick.randrange(200000)) + b"x", at + 400000)
END
	eq "$("$PYTHON" "$(dirname "$0")/../format/format.py" address "$M/f")" \
		"$(attr addr "$M/f") $M/f"
	cp --sparse=always "$M/f" "$T/f"
	eq "$("$PYTHON" "$(dirname "$0")/../format/format.py" address "$T/f")" \
		"$(attr addr "$M/f") $T/f"
}

run_tests "$@"
