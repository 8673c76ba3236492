/* recipes/sorter.h - sorts any number of records in bounded memory.
 *
 * External merge sort (Knuth, TAOCP 3, 5.4): records are gathered until they
 * and their index fill RUN_MEMORY, sorted, and, unless they were all, written
 * to scratch as a run; then runs are merged (recipes/runs.h). Records that
 * compare equal keep the order in which they were added.
 *
 * Memory:  about 150 MiB at most, less for few records.
 * Threads: one at a time.
 * Errors:  -E2BIG a record over RUN_LINE_MAX, -ECANCELED, -ENOMEM; of scratch,
 *          with a message.
 */
#ifndef RECIPES_SORTER_H
#define RECIPES_SORTER_H

#include "core/err.h"
#include "recipes/runs.h"

struct sorter;

/* order, stop and the directory scratch are borrowed; scratch may be -1 when
 * the records fit into memory. */
int sorter_new(const struct order *order, int scratch_fd, const bool *stop,
	       struct sorter **ret) MUST_USE;
void sorter_free(struct sorter *s);
CLEANUP_FN(struct sorter, sorter_free)

/* A copy is kept. */
int sorter_add(struct sorter *s, const void *p, size_t n,
	       struct err *err) MUST_USE;
/* When all are added; then they come in order, each valid until the next call:
 * 1, or 0 at the end. With order->unique the first of equal ones alone. */
int sorter_sort(struct sorter *s, struct err *err) MUST_USE;
int sorter_next(struct sorter *s, struct line *ret, struct err *err) MUST_USE;

#endif
