/* core/journal.h - the change records of each batch as an object (permanent).
 *
 * Every batch that changed something ends with one journal object: its change
 * records in canonical form with all effects, the address of the journal
 * before, and whether it is the last of its batch (a batch over 1 MiB is
 * several journals that count only together). Names, targets, messages,
 * programs, values and addresses stand in the records as salted hashes; salts
 * and clear values lie in a second object beside it (same kind, other tag),
 * which forgetting may drop while the records, the leaves of the store's
 * Merkle log, stay provable. deriva-store(5) has the bytes.
 *
 * core writes no bytes of files: it hands the finished objects to a function
 * that cas registers.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"

#define JOURNAL_MAX MIB(1)

struct journal;
struct ns_attr;
struct ns_by;

/* Stores an object; the address comes back. Set before the first change. */
typedef int (*journal_put_fn)(void *ctx, enum obj_kind kind, const void *p,
			      size_t n, struct addr *ret);

/* Registers itself as a hook of db: before commit, the gathered records become
 * objects, and the row of the chain's head is written. Without a put function
 * (tests of core) nothing is kept. */
int journal_open(struct db *db, struct journal **ret) MUST_USE;
void journal_close(struct journal *j);
CLEANUP_FN(struct journal, journal_close)
void journal_set_put(struct journal *j, journal_put_fn fn, void *ctx);

/* A record, then its effects; a record ends where the next begins. */
void journal_change(struct journal *j, uint64_t seq, int64_t time_ns, int op,
		    const struct ns_by *by);
void journal_name(struct journal *j, bool born, uint64_t dir, const char *name,
		  size_t len, uint64_t ino);
/* An inode as it is now: attributes, content's address, link's target. */
void journal_inode(struct journal *j, const struct ns_attr *attr,
		   const char *target);
void journal_xattr(struct journal *j, uint64_t ino, const char *name,
		   const void *value, size_t len); /* value NULL: removed */
struct result;
void journal_result(struct journal *j, uint64_t dir, const char *name,
		    size_t len, const struct result *r);

/* Decoding, for checking and rebuilding. Calls back per record with the bytes
 * of the record (a leaf). -EBADMSG for what is no journal. */
struct journal_info {
	struct addr prev;
	struct addr clear; /* object with salts and values */
	uint64_t first_seq;
	uint32_t count;
	bool last; /* of its batch */
};
int journal_decode(const void *p, size_t n, struct journal_info *ret,
		   int (*fn)(void *ctx, const void *record, size_t len),
		   void *ctx) MUST_USE;

#endif
