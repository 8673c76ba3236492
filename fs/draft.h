/* fs/draft.h - a file's content while it is being written.
 *
 * A small one is in memory as a whole. Of a larger one a map says where each
 * part lies: in an unnamed file in the store's drafts/ (what was written), in a
 * blob (what the file had before, or what was copied from another one), or
 * nowhere (zeros). Taking it in costs what was written, and nothing for what is
 * shared (cas/blob_splice.h).
 *
 * Threads: readers at the same time; a writer alone. The caller locks.
 * Errors:  of pwrite(2), of cas/blob.h.
 */
#ifndef FS_DRAFT_H
#define FS_DRAFT_H

#include "cas/blob.h"

struct draft;

/* Over that content; takes the blob (NULL: none, size 0). */
int draft_new(struct store *s, struct blob *base, struct draft **ret) MUST_USE;
/* Empty, in place of whatever there was. */
int draft_empty(struct store *s, struct draft **ret) MUST_USE;
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
/* Zeros from start to end; its size stays. What was there needs no room any
 * more. */
int draft_zero(struct draft *d, uint64_t start, uint64_t end) MUST_USE;
/* Bytes of a blob of the same store, which is taken if that succeeds. They
 * are there: off + n is at most its size. */
int draft_copy(struct draft *d, uint64_t at, struct blob *from, uint64_t off,
	       uint64_t n) MUST_USE;
/* As lseek(2) with SEEK_DATA and SEEK_HOLE; -ENXIO. What was written is data,
 * zeros or not. */
int draft_seek(struct draft *d, uint64_t off, bool hole,
	       uint64_t *ret) MUST_USE;
/* Takes the whole into the store, and leaves the draft as it is: reading goes
 * on meanwhile. */
int draft_take_in(struct draft *d, struct addr *ret,
		  uint64_t *ret_size) MUST_USE;
/* That was done: the draft is clean over that content. keep: its file is
 * somebody else's from now on. */
int draft_taken(struct draft *d, const struct addr *a, bool keep) MUST_USE;
/* Both. ret_size may be NULL. */
int draft_commit(struct draft *d, struct addr *ret,
		 uint64_t *ret_size) MUST_USE;

/* For fs/seal.h: its file (-1: none); what lies where in it, with sums of its
 * bytes, which taking it in compares from then on (-EBADMSG: they have changed
 * on the disk); and the draft again from these: its bytes in the file lie
 * before `end`. What is in a blob has to be in that one (-EOPNOTSUPP). sums:
 * false for what was sealed before there were any. -EBADMSG. */
int draft_fd(const struct draft *d);
/* Taking it in has found that. */
bool draft_damaged(const struct draft *d);
int draft_seal(struct draft *d, const struct addr *base,
	       struct buf *b) MUST_USE;
int draft_restore(struct store *s, int fd, uint64_t end, struct cur *c,
		  bool sums, struct draft **ret) MUST_USE;

#endif
