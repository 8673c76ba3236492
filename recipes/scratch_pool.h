/* recipes/scratch_pool.h - scratch directories that are used again.
 *
 * Making a directory costs more than running a short command takes, on some
 * file systems, and removing it again as much. So a run leaves its own to the
 * next, if nothing tells it from a new one: no name, mode, attribute or flag is
 * left of what the command did. What is given back in any other state is
 * removed.
 *
 * Threads: any.
 */
#ifndef RECIPES_SCRATCH_POOL_H
#define RECIPES_SCRATCH_POOL_H

#include "recipes/scratch.h"

struct scratch_pool;

int scratch_pool_new(struct store *store, struct scratch_pool **ret) MUST_USE;
/* Removes what is in it; all that was taken has been given back. */
void scratch_pool_free(struct scratch_pool *p);

/* An empty one, to be ended with scratch_give() or scratch_done(). */
int scratch_take(struct scratch_pool *p, uint64_t number,
		 struct scratch *ret) MUST_USE;
/* What the command left is removed. Nobody may have any of it open. */
void scratch_give(struct scratch_pool *p, struct scratch *s);
/* It is as it was taken. */
void scratch_put_back(struct scratch_pool *p, struct scratch *s);

#endif
