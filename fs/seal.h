/* fs/seal.h - large drafts that were closed and are not in the store yet.
 *
 * Taking a large draft in takes longer than close(2) may: it is sealed instead.
 * Its file in drafts/ gets a name, and behind its bytes what it takes to take
 * it in after a crash: the inode and the version that it comes after, and which
 * of its ranges changed. From then on nobody writes to it.
 *
 * A row (core/sealed.h) says behind which change it comes; each sync of the
 * store makes it durable first (cas/seal_file.h). The next mount finds it again
 * (seals_recover) when the process was killed; what a power cut left of it, and
 * of what came later, is put in order when the store is opened (cas/recover.c).
 *
 * Its bytes have sums (fs/sums.h): what has changed on the disk is not taken
 * in, but becomes a version whose content is missing (EIO, and fsck names it);
 * the file is kept beside the others for who wants what is left of it.
 *
 * Threads: any. Lock order: a file's lock, db_lock(), then the seals'.
 */
#ifndef FS_SEAL_H
#define FS_SEAL_H

#include "core/ns.h"
#include "fs/draft.h"

struct seals;
struct seal;

struct seal_info {
	uint64_t seq; /* a change before it was closed */
	uint64_t branch;
	uint64_t ino, version; /* comes after that version of its content */
	struct addr base;      /* which is that */
	int64_t mtime_ns;      /* of the new one */
	int64_t row_mtime_ns;  /* of the inode when it was sealed */
	uint32_t uid, pid;     /* who wrote */
	char program[32];
};

int seals_open(struct store *s, struct ns *ns, struct seals **ret) MUST_USE;
/* What seals_sync() has not removed stays for the next mount. */
void seals_close(struct seals *s);

/* db_lock() not held. -EOPNOTSUPP: this draft cannot be sealed. */
int seal_make(struct seals *s, struct draft *d, const struct seal_info *info,
	      struct seal **ret) MUST_USE;
/* Its content has a version, in the batch that is open, or nobody will miss it;
 * db_lock() held. */
int seal_take(struct seals *s, struct seal *seal) MUST_USE;
/* taken: that batch is committed, and the file goes with the next sync. Else it
 * stays for the next mount. */
void seal_done(struct seals *s, struct seal *seal, bool taken);
/* Its bytes have changed on the disk: an address that nothing has, for the
 * version that is taken instead. The file gets another name, and stays. */
void seal_damaged(struct seals *s, struct seal *seal, struct addr *ret);

/* store_sync(), and then files go whose content is durable. */
int seals_sync(struct seals *s) MUST_USE;

/* Calls back for each seal that a dead process left; the draft is the
 * callback's to read. 0: in rows, or of no use any more: what
 * seal_done() says of one that was taken. -EXDEV: it stays for a mount of its
 * branch. -errno: it stays, and that is logged. */
typedef int (*seal_fn)(void *ctx, struct seal *seal,
		       const struct seal_info *info, struct draft *d);
int seals_recover(struct seals *s, seal_fn fn, void *ctx) MUST_USE;

#endif
