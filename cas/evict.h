/* cas/evict.h - results whose bytes go because there are more than the budget.
 *
 * What core/budget.h says, but for what somebody has open or what is about to
 * be read by a run. Only rows change: collection frees the bytes.
 *
 * Threads: one; db_lock() is taken for some rows at a time.
 * Errors:  -ECANCELED stopped.
 */
#ifndef CAS_EVICT_H
#define CAS_EVICT_H

#include "cas/store.h"
#include "core/budget.h"

struct evict_options {
	uint64_t budget; /* 0: none */
	bool dry;	 /* rows stay as they are */
	/* NULL: never. */
	bool (*stop)(void *ctx);
	/* Of each result that goes, or would; NULL. */
	int (*gone)(void *ctx, const struct budget_row *row);
	void *ctx;
	struct ns *ns; /* each that goes is a change of it; dry: NULL */
};

struct eviction {
	uint64_t results, bytes; /* that went */
	uint64_t kept;		 /* bytes that stay */
};

/* Looks up what new directories hold, so that it counts. */
int evict_measure(struct store *s, bool (*stop)(void *ctx), void *ctx) MUST_USE;
/* After that. reader: a connection of the caller's alone. */
int evict_run(struct store *s, struct db *reader, const struct evict_options *o,
	      struct eviction *ret) MUST_USE;

#endif
