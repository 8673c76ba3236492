/* fs/draft.h - a file's content while it is being written.
 *
 * What was written lies in memory as long as the file is small, else in an
 * unnamed file in the store's drafts/, with the list of ranges that changed;
 * what did not is still read from the content the file had before.
 *
 * Threads: readers at the same time; a writer alone. The caller locks.
 * Errors:  of pwrite(2), of cas/blob.h.
 */
#ifndef FS_DRAFT_H
#define FS_DRAFT_H

#include "cas/blob.h"

struct draft;

/* Over a content of that size; takes the blob (NULL: none, size 0). */
int draft_new(struct store *s, struct blob *base, struct draft **ret) MUST_USE;
void draft_free(struct draft *d);
CLEANUP_FN(struct draft, draft_free)

uint64_t draft_size(const struct draft *d);
bool draft_dirty(const struct draft *d);
/* Bytes that taking it in may add to the store; and those of its content that
 * are no holes, as far as that is known. */
uint64_t draft_changed(const struct draft *d);
uint64_t draft_data(const struct draft *d);
/* Nothing but its size was set since it was last taken in. */
bool draft_only_truncated(const struct draft *d);
ssize_t draft_read(struct draft *d, void *p, size_t n, uint64_t off) MUST_USE;
int draft_write(struct draft *d, const void *p, size_t n,
		uint64_t off) MUST_USE;
int draft_truncate(struct draft *d, uint64_t size) MUST_USE;
/* Takes the whole into the store; the draft is clean over that content. */
int draft_commit(struct draft *d, struct addr *ret,
		 uint64_t *ret_size) MUST_USE;

#endif
