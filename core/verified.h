/* core/verified.h - which results were made a second time, and what came out.
 *
 * A result that came out otherwise is not reproducible: the other output is
 * kept beside it, and neither is ever dropped.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_VERIFIED_H
#define CORE_VERIFIED_H

#include "core/addr.h"
#include "core/db.h"

#include <stdbool.h>

struct verified {
	uint64_t times;	   /* it came out the same */
	int64_t when_ns;   /* the last time it was made again, whatever came */
	struct addr other; /* what came out otherwise, last; zero: nothing */
	int64_t other_ns;
	bool other_is_dir, other_executable;
	uint64_t other_size;
	char message[512]; /* it failed instead, last; "" otherwise */
};

/* -ENOENT: it was never made again. */
int verified_get(struct db *db, const struct addr *recipe,
		 struct verified *ret) MUST_USE;
/* Replaces. */
int verified_put(struct db *db, const struct addr *recipe,
		 const struct verified *v) MUST_USE;
/* Whether its bytes and those of another output have to stay: 1 or 0. */
int verified_holds(struct db *db, const struct addr *recipe) MUST_USE;

#endif
