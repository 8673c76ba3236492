/* cas/feed.h - every change of a store, in order, as lines of JSON.
 *
 * What is handed out is read from the database and the journals by the change's
 * number when it is asked for: nothing waits in memory, so that a slow reader
 * loses nothing, and one that ended goes on where it was. Only what was
 * committed is seen. The same change is always the same line, unless something
 * of it was forgotten meanwhile. The lines are described in deriva-events(5).
 *
 * Threads: one at a time.
 * Memory:  of one journal (1 MiB), and of the longest line; of a store whose
 *          older journals have no rows (core/tip.h) 32 bytes a journal while
 *          those are read.
 * Errors:  -EBADMSG, -ENOENT the journals are damaged: fsck.
 */
#ifndef CAS_FEED_H
#define CAS_FEED_H

#include "cas/peek.h"

struct feed;

/* Changes after that number. peek is borrowed. path: only what concerns that
 * path from the root (no slash in front or at the end, "" all) or lies below;
 * copied. */
int feed_open(struct peek *p, uint64_t after, const char *path,
	      struct feed **ret) MUST_USE;
void feed_close(struct feed *f);
CLEANUP_FN(struct feed, feed_close)

/* The next line, its newline included; it is there until the next call. 1, or
 * 0: that was all for now. */
int feed_next(struct feed *f, const char **ret, size_t *ret_len,
	      uint64_t *ret_seq) MUST_USE;
/* The number of the last change that was handed out, or passed over. */
uint64_t feed_at(const struct feed *f);

#endif
