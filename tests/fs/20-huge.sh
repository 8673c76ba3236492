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

run_tests "$@"
