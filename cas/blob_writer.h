/* cas/blob_writer.h - what blob_splice.c needs of a writer; private to cas/.
 *
 * A writer holds back the bytes that it cannot decide on yet. Where a piece
 * has ended and the next begins is a boundary: what follows it depends only on
 * the bytes behind it, unless a run of zeros lies across it.
 */
#ifndef CAS_BLOB_WRITER_H
#define CAS_BLOB_WRITER_H

#include "cas/blob.h"
#include "cas/blob_tree.h"

/* How many bytes it was given. */
uint64_t blob_writer_written(const struct blob_writer *w);
/* Takes off the next piece if what was written decides it: 1; 0: not so, more
 * has to be written first. */
int blob_writer_step(struct blob_writer *w) MUST_USE;
/* Whether what was taken off ends at a boundary (not within a hole), and its
 * offset in what is written. */
bool blob_writer_boundary(const struct blob_writer *w, uint64_t *ret_off);
/* Entries and nodes of a blob, from one offset to another. */
struct blob_part {
	struct blob *from;
	uint64_t start, end;
	/* adds them to the tree */
	int (*add)(struct blob_tree *t, const struct blob_part *p);
};

/* What was written behind the boundary is forgotten: in its place come those of
 * the part. They are added when it is their turn, which may be as late as in
 * blob_finish(). */
int blob_writer_skip(struct blob_writer *w,
		     const struct blob_part *part) MUST_USE;
/* An error of the caller's becomes the writer's. */
int blob_writer_fail(struct blob_writer *w, int rc);

#endif
