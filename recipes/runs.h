/* recipes/runs.h - sorted runs of lines in scratch, and their merge.
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

/* Writes lines with their newlines, to the output or to a file; with
 * order->unique a line that compares equal to the one before is left out. */
struct run_writer {
	const struct order *order;
	struct blob_writer *out; /* NULL: the file */
	int fd;
	uint64_t off; /* in the file */
	struct buf pending;
	struct buf last; /* line, for order->unique */
	bool any;
};
int run_write(struct run_writer *w, struct line l) MUST_USE;
int run_writer_end(struct run_writer *w) MUST_USE;
void run_writer_done(struct run_writer *w);

/* A new run at the end of the file. */
void runs_begin(struct runs *r, struct run_writer *w);
int runs_end(struct runs *r, struct run_writer *w) MUST_USE;

/* All runs into one, which is the output. -ECANCELED. */
int runs_merge(struct runs *r, struct blob_writer *out) MUST_USE;

#endif
