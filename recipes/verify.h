/* recipes/verify.h - a result made a second time, and compared.
 *
 * That is a run like any other, of a target of the past, so that nobody who
 * reads the name waits for it; but what comes out replaces nothing. Output that
 * differs is kept beside the other, and neither is dropped any more
 * (core/verified.h).
 *
 * Private to evaluation; all under db_lock().
 */
#ifndef RECIPES_VERIFY_H
#define RECIPES_VERIFY_H

#include "recipes/task.h"

/* What the run of a task came to, against what is known. */
int verify_compare(struct eval *ev, const struct task *j,
		   const struct result *res) MUST_USE;
/* A computation ended: whether it is one of those to be made again in the
 * background, by the setting. */
bool verify_chosen(struct eval *ev, const struct addr *recipe);

#endif
