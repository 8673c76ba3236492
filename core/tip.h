/* core/tip.h - how far the chain of journals goes, and how much of it is on the
 * disk for certain.
 *
 * A tip is the last change of a batch, and the last journal of that batch. The
 * newest is where the chain goes on. All are kept, one by one, so that a change
 * is found by its number; but stores of before that have none of their older
 * ones, and a database that was rebuilt from the packs none but the newest.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_TIP_H
#define CORE_TIP_H

#include "core/addr.h"
#include "core/db.h"

struct tips;

struct tip {
	uint64_t seq;	  /* 0: nothing yet */
	struct addr head; /* zero: none */
};

int tips_open(struct db *db, struct tips **ret) MUST_USE;
void tips_close(struct tips *t);
CLEANUP_FN(struct tips, tips_close)

int tips_newest(struct tips *t, struct tip *ret) MUST_USE;
/* The first whose changes go beyond seq; the last whose do not. 1, or 0: there
 * is none. */
int tips_after(struct tips *t, uint64_t seq, struct tip *ret) MUST_USE;
int tips_upto(struct tips *t, uint64_t seq, struct tip *ret) MUST_USE;
/* The last one that is noted to have been synced: 1, or 0: none. */
int tips_durable(struct tips *t, struct tip *ret) MUST_USE;
/* Written with the batch: everything up to there has been synced. What is less
 * than what is known changes nothing. */
int tips_set_durable(struct tips *t, const struct tip *tip) MUST_USE;
/* The last one known to be durable first (seq 0 where there is none), then
 * those behind it. */
int tips_each(struct tips *t, int (*fn)(void *ctx, const struct tip *tip),
	      void *ctx) MUST_USE;
/* The chain goes on from there: what came behind it is undone. */
int tips_rewind(struct tips *t, const struct tip *tip) MUST_USE;

#endif
