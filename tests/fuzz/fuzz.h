/* tests/fuzz/fuzz.h - what every fuzz target includes.
 *
 * A target is one function that takes any bytes and aborts when a promise is
 * broken. Its main replays files (replay.c), which the tests do with the
 * target's corpus; with -Dfuzz=true it is libFuzzer's instead (scripts/fuzz).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)                                                  \
	do {                                                           \
		if (!(what)) {                                         \
			fprintf(stderr, "%s:%d: broken promise: %s\n", \
				__FILE__, __LINE__, #what);            \
			abort();                                       \
		}                                                      \
	} while (0)

#endif
