/* cas/mlog.h - the Merkle log of a store: its leaves are the records of the
 * journals, in order (deriva-store(5)).
 *
 * Nothing of it is written with a change. Who wants a root or a proof has the
 * new leaves hashed then, and what can be remembered of them is: 256 leaves
 * make a row, so that it is never again more than the journals since the last
 * row, and those of the leaves that are asked for.
 *
 * Threads: one at a time, without db_lock().
 * Errors:  -EBADMSG, -ENOENT, -EUCLEAN journals or rows are damaged: fsck.
 */
#ifndef CAS_MLOG_H
#define CAS_MLOG_H

#include "cas/peek.h"
#include "core/journal.h"
#include "core/merkle.h"
#include "core/tiles.h"

struct mlog;

/* The log up to a tip that is durable. What is new of it goes into rows of
 * `db`, which may be written; both are borrowed. */
int mlog_open(struct peek *p, struct db *db, const struct tip *upto,
	      struct mlog **ret) MUST_USE;
void mlog_close(struct mlog *m);
CLEANUP_FN(struct mlog, mlog_close)

uint64_t mlog_size(const struct mlog *m); /* leaves */
const struct merkle *mlog_tree(struct mlog *m);

/* One leaf: its number, its record, and the values of the record's journal,
 * which stand before those of this record. */
struct mlog_leaf {
	uint64_t index;
	const uint8_t *record;
	size_t len;
	struct journal_values values;
};
/* The leaves of a change (mostly one), in order; a callback's non-zero ends it
 * and is returned. -ENOENT: the log has no such change. */
int mlog_change(struct mlog *m, uint64_t seq,
		int (*fn)(void *ctx, const struct mlog_leaf *leaf),
		void *ctx) MUST_USE;

/* Hashes the whole log anew, and compares what is remembered of it: tiles, and
 * heads that were signed. found: what is wrong, in words. The chain of journals
 * itself has been checked (cas/fsck.h). */
int mlog_check(struct peek *p, void (*found)(void *ctx, const char *what),
	       void *ctx) MUST_USE;

#endif
