/* recipes/upkeep.h - what evaluation does without being asked.
 *
 * Recipes with `eager: true`: their names are computed 100 ms after something
 * they depend on changed, one after the other as long as nothing that a reader
 * waits for is queued; a computation that is in a reader's way is stopped and
 * begun again later. Tools: looked at once a second, so that a result whose
 * program changed on the machine is stale.
 *
 * Private to evaluation; all under db_lock().
 */
#ifndef RECIPES_UPKEEP_H
#define RECIPES_UPKEEP_H

#include "recipes/target.h"

struct upkeep;

int upkeep_new(struct eval *ev, struct upkeep **ret) MUST_USE;
void upkeep_free(struct upkeep *u);

/* Its thread, until ev->closing. */
void *upkeep_main(void *ev);
void upkeep_ring(struct upkeep *u);

/* A recipe file came, went, or is another. */
void upkeep_recipe(struct eval *ev, uint64_t dir, const char *file, size_t len);
/* What a target holds is to be made again, to compare, when there is time. */
void upkeep_verify(struct eval *ev, const struct target *t);
/* A target with t->eager or t->look changed. */
void upkeep_target(struct eval *ev, const struct target *t);

#endif
