/* tests/recipes/fn_fixture.h - calling built-in functions in tests.
 *
 * A store, a scratch directory and one call, the output of which is read back
 * and compared with what the system's own tools say. What a function gives for
 * a small input is compared with what it gives when that is read in other
 * blocks, each time.
 */
#ifndef TESTS_RECIPES_FN_FIXTURE_H
#define TESTS_RECIPES_FN_FIXTURE_H

#include "tests/lib/harness.h"

#include "cas/store.h"
#include "recipes/function.h"

struct bench {
	char *dir;
	struct store *store;
	int scratch;
	bool stop;
	size_t block; /* of reading, 0: as usual */
};
void setup(struct bench *b);
void teardown(struct bench *b);
#define BENCH CLEANUP(teardown) struct bench

void read_back(struct bench *b, const struct addr *a, struct buf *ret);
/* An input called in.txt. */
void put(struct bench *b, const void *p, size_t n, struct fn_input *ret);

/* Params as "name", "value", ..., NULL. */
#define PARAMS_MAX 8
int call_fn(struct bench *b, const char *name, const struct fn_input *inputs,
	    size_t n, const char *const *params, struct buf *ret,
	    struct err *err);
/* Of one input; must not fail. */
void run_fn(struct bench *b, const char *name, const void *p, size_t n,
	    const char *const *params, struct buf *ret);
/* Bytes through a shell command. */
void run_tool(struct bench *b, const char *command, const void *p, size_t n,
	      struct buf *ret);
/* The function gives what the command does. */
void check_against(struct bench *b, const char *name, const char *const *params,
		   const char *command, const void *p, size_t n);

enum style { WORDS, NUMBERS, BYTES };
void fill(struct buf *b, enum style style, size_t n, uint64_t seed);
#define FN_SIZES 7
extern const size_t fn_sizes[FN_SIZES];
/* Every size in every style, and texts without a last newline. */
void check_all(struct bench *b, const char *name, const char *const *params,
	       const char *command);

#endif
