/* fs/extents.h - where each part of a draft lies: a sorted map of ranges.
 *
 * An extent says that the bytes from start to end are those of a source (a
 * number of the caller's) from off on; what is in no extent is zeros. Random
 * writes all over a file make a million of them: finding one takes the
 * logarithm, putting one moves a few KiB.
 *
 * Threads: any number of readers, or one writer. The caller locks.
 * Errors:  -ENOMEM of extents_prepare(), which a change cannot have.
 */
#ifndef FS_EXTENTS_H
#define FS_EXTENTS_H

#include "core/macros.h"

#include <stdbool.h>

struct extent {
	uint64_t start, end, off;
	uint32_t source;
};

/* Starts zeroed. */
struct extents {
	struct extent_leaf **leaves; /* none of them empty */
	struct extent_leaf *spare[2];
	size_t count, cap;
};

void extents_done(struct extents *x);

/* What off lies in: true, and the extent; false, and in start and end how far
 * the zeros go (end is UINT64_MAX when nothing follows). */
bool extents_find(const struct extents *x, uint64_t off, struct extent *ret);
/* Before every single change: all the memory that it may need. */
int extents_prepare(struct extents *x) MUST_USE;
/* In place of whatever was there. */
void extents_put(struct extents *x, const struct extent *e);
void extents_clear(struct extents *x, uint64_t start, uint64_t end);
/* How many bytes from start to end are in an extent; of that source. */
uint64_t extents_count(const struct extents *x, uint64_t start, uint64_t end);
uint64_t extents_count_of(const struct extents *x, uint32_t source,
			  uint64_t start, uint64_t end);
static inline bool extents_empty(const struct extents *x)
{
	return !x->count;
}

#endif
