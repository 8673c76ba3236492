/* replay LOG - how many records a log of tests/lib/disk.h has.
 * replay LOG AT SEED DEST - makes DEST as a power cut before record AT leaves
 * it, and prints when that was, in nanoseconds of the monotonic clock. */
#include "tests/lib/power.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct power *p;
	size_t at;

	if (argc != 2 && argc != 5)
		return 2;
	p = power_load(argv[1]);
	if (argc == 2) {
		printf("%zu\n", power_count(p));
	} else {
		at = strtoul(argv[2], NULL, 10);
		power_cut(p, at, strtoull(argv[3], NULL, 10), argv[4]);
		printf("%lld\n",
		       (long long)power_record(p, at ? at - 1 : 0)->time_ns);
	}
	power_free(p);
	return 0;
}
