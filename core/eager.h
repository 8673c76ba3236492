/* core/eager.h - recipe files that want their results made without being
 * asked.
 *
 * Remembered so that a mount knows of them without a look at every file.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_EAGER_H
#define CORE_EAGER_H

#include "core/db.h"
#include "core/ns.h"

struct eager;

/* Those of a branch. */
int eager_open(struct db *db, uint64_t branch, struct eager **ret) MUST_USE;
void eager_close(struct eager *e);
CLEANUP_FN(struct eager, eager_close)

/* Remembers or forgets a recipe file; nothing is written when that is known
 * already. 1: it was written. */
int eager_set(struct eager *e, uint64_t dir, const char *name, size_t len,
	      bool yes) MUST_USE;
/* A branch that is made has what the one it is made from has. */
int eager_inherit(struct db *db, uint64_t from, uint64_t to) MUST_USE;
int eager_each(struct eager *e,
	       int (*fn)(void *ctx, uint64_t dir, const char *name, size_t len),
	       void *ctx) MUST_USE;

#endif
