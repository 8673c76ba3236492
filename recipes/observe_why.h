/* recipes/observe_why.h - what a run saw, told to people.
 *
 * Private to explanations. Threads: db_lock() held.
 */
#ifndef RECIPES_OBSERVE_WHY_H
#define RECIPES_OBSERVE_WHY_H

#include "recipes/target.h"

struct trace;

/* The steps that led to a result. *ret_key: the computation that they began
 * from; without steps it is the address itself. */
int trace_load(struct eval *ev, const struct addr *recipe, struct addr *ret_key,
	       struct trace **ret) MUST_USE;
void trace_free(struct trace *t);
CLEANUP_FN(struct trace, trace_free)

/* A line for each. depth: that of the recipe's directory. */
void trace_tell(const struct trace *t, unsigned depth, struct buf *out);
/* Each path that was looked up and was no directory, as trace_tell() writes it;
 * there: something was. */
int trace_files(const struct trace *t, unsigned depth,
		int (*fn)(void *ctx, const char *path, bool there),
		void *ctx) MUST_USE;
/* How deep a computation with observed inputs lies. */
unsigned observe_depth_of(struct eval *ev, const struct addr *key);
/* A line for each question of both that has another answer now. */
int trace_compare(const struct trace *now, const struct trace *then,
		  unsigned depth, struct buf *out, unsigned *told) MUST_USE;

#endif
