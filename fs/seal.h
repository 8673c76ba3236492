/* fs/seal.h - large drafts that were closed and are not in the store yet.
 *
 * Taking a large draft in takes longer than close(2) may: it is sealed instead.
 * Its file in drafts/ gets a name, and behind its bytes what it takes to take
 * it in after a crash: the inode and the version that it comes after, and which
 * of its ranges changed. From then on nobody writes to it.
 *
 * A seal is found again by the next mount (seals_recover) when the process was
 * killed. After a power cut only one that was made durable counts, since the
 * file's pages may be missing: it says so itself, or is still the same file
 * since the machine was started.
 *
 * Layout behind the draft's bytes, at a multiple of 4096:
 *	"DERIVSL1", u64 1 when durable, body, 32 bytes BLAKE3 of the body
 *	(context "deriva seal v1"); at the file's end u64 where this begins,
 *	u64 length of the body, "DERIVSL1"
 * It is no part of the store's format: a version that does not know one leaves
 * it alone.
 *
 * Threads: any. Lock order: a file's lock, then the seals'; db_lock() is
 *          neither wanted nor taken.
 */
#ifndef FS_SEAL_H
#define FS_SEAL_H

#include "fs/draft.h"

struct seals;
struct seal;

struct seal_info {
	uint64_t ino, version; /* comes after that version of its content */
	struct addr base;      /* which is that */
	int64_t mtime_ns;      /* of the new one */
	int64_t row_mtime_ns;  /* of the inode when it was sealed */
	uint32_t uid, pid;     /* who wrote */
	char program[32];
};

int seals_open(struct store *s, struct seals **ret) MUST_USE;
/* What seals_sync() has not removed stays for the next mount. */
void seals_close(struct seals *s);

/* Waits while somebody syncs: what comes after a seal is not durable before
 * it. -EOPNOTSUPP: this draft cannot be sealed. */
int seal_make(struct seals *s, struct draft *d, const struct seal_info *info,
	      struct seal **ret) MUST_USE;
/* Its content is in rows that are committed: the file goes with the next sync.
 * Not taken: it stays for the next mount. */
void seal_done(struct seals *s, struct seal *seal, bool taken);

/* store_sync(), which makes seals durable before the rows that came after
 * them, and those that were taken in removed afterwards. */
int seals_sync(struct seals *s) MUST_USE;

/* Calls back for each seal that a dead process left and that can be relied on;
 * the draft is the callback's to read. 0: taken in, in rows that are
 * committed, or of no use any more: it is removed at seals_sync(). -errno: it
 * stays, and that is logged. */
typedef int (*seal_fn)(void *ctx, const struct seal_info *info,
		       struct draft *d);
int seals_recover(struct seals *s, seal_fn fn, void *ctx) MUST_USE;

#endif
