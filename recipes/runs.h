/* recipes/runs.h - sorted runs of records in scratch, and their merge.
 *
 * All runs of a pass lie one behind the other in one file without a name;
 * a merge that is not the last one writes them to another such file.
 *
 * Memory: FAN_IN lines of the longest, or blocks.
 */
#ifndef RECIPES_RUNS_H
#define RECIPES_RUNS_H

#include "cas/blob.h"
#include "recipes/order.h"

#define RUN_LINE_MAX MIB(4)

struct runs;

/* In the directory scratch. -EBADF when there is none (-1). order and stop
 * are borrowed. */
int runs_open(int scratch_fd, const struct order *order, const bool *stop,
	      struct runs **ret) MUST_USE;
void runs_close(struct runs *r);

/* Writes records, in order; with order->unique one that compares equal to the
 * one before is left out. */
struct run_writer {
	const struct order *order;
	int fd;
	uint64_t off; /* in the file */
	struct buf pending;
	struct buf last; /* for order->unique */
	bool any;
};
/* A new run at the end of the file; -E2BIG over RUN_LINE_MAX. */
void runs_begin(struct runs *r, struct run_writer *w);
int run_write(struct run_writer *w, struct line l) MUST_USE;
int runs_end(struct runs *r, struct run_writer *w) MUST_USE;
void run_writer_done(struct run_writer *w);

/* When all runs are there: from then on runs_next() gives their records in
 * order, each valid until the next call: 1, or 0 at the end. With order->unique
 * equal ones of different runs are all given. -ECANCELED. */
int runs_merge(struct runs *r) MUST_USE;
int runs_next(struct runs *r, struct line *ret) MUST_USE;

#endif
