/* core/sealed.h - rows of files that were closed and wait to be taken in.
 *
 * A row names a file in drafts/ (fs/seal.h) and the last change before it was
 * closed. What comes behind that change is undone after a power cut which the
 * file did not survive, or the tree would be a mixture. Once its content has a
 * version, the row says with which change, until both are durable: a rollback
 * that takes the version back brings the row to life again.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_SEALED_H
#define CORE_SEALED_H

#include "core/db.h"

#define SEALED_NAME 64

struct sealed {
	uint64_t id;	/* in the order they were closed; never used twice */
	uint64_t seq;	/* the last change before */
	uint64_t taken; /* its version is there as of that change; 0: not yet */
	char name[SEALED_NAME];
};

int sealed_add(struct db *db, const char *name, uint64_t seq,
	       uint64_t *ret_id) MUST_USE;
int sealed_take(struct db *db, uint64_t id, uint64_t seq) MUST_USE;
int sealed_drop(struct db *db, uint64_t id) MUST_USE;
/* By name: 1, or 0: none. */
int sealed_find(struct db *db, const char *name, struct sealed *ret) MUST_USE;
/* Those behind that id, in order, until fn returns other than 0, which is
 * passed on. fn may change rows. */
int sealed_each(struct db *db, uint64_t after,
		int (*fn)(void *ctx, const struct sealed *s),
		void *ctx) MUST_USE;
/* The history ends with that change again, and before that id (UINT64_MAX: in
 * spite of none). */
int sealed_rewind(struct db *db, uint64_t seq, uint64_t before) MUST_USE;

#endif
