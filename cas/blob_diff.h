/* cas/blob_diff.h - where two contents differ, by their trees.
 *
 * What both trees have in common is not looked into, so the time is that of the
 * difference: two versions of a file of any size that differ in one place cost
 * a path of nodes each. Content that only moved within the file is common: a
 * chunk is where its address is. A part that is there more often in one than in
 * the other counts as often as it is missing.
 *
 * Threads: one. Memory: of what differs, a chunk's entry for 64 KiB of it.
 * Errors:  those of blob_open() and blob_pread().
 */
#ifndef CAS_BLOB_DIFF_H
#define CAS_BLOB_DIFF_H

#include "cas/blob.h"

/* A stretch of one content that the other lacks. */
struct blob_range {
	uint64_t start, end;
};

struct blob_side {
	struct blob_range *ranges; /* in order, those that touch made one */
	size_t count;
	uint64_t bytes;	 /* in them */
	uint64_t chunks; /* of them, holes counted as one each */
	uint64_t size;	 /* of the content */
};

struct blob_delta {
	struct blob_side a, b;
};

int blob_diff(struct store *s, const struct addr *a, const struct addr *b,
	      struct blob_delta *ret) MUST_USE;
void blob_delta_done(struct blob_delta *d);

#endif
