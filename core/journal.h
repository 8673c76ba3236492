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

/* Where salts come from: fills p with n random bytes; NULL: getrandom(2).
 * For tests, which want the same bytes each time. */
typedef int (*journal_salt_fn)(void *ctx, void *p, size_t n);
void journal_set_salt(struct journal *j, journal_salt_fn fn, void *ctx);

/* The branch whose changes follow; 1 (main) unless set. */
void journal_set_branch(struct journal *j, uint64_t branch);

/* A record, then its effects; a record ends where the next begins. A journal
 * that is NULL records nothing. What fails here (memory, salts) fails the
 * commit of the batch. */
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
/* What is let go of and what is kept (core/retention.h, core/keepsakes.h,
 * core/settings.h). */
void journal_gone(struct journal *j, uint64_t ino, uint64_t born);
void journal_snapshot(struct journal *j, const char *name, uint64_t seq,
		      int64_t time_ns);
struct pin;
void journal_pin(struct journal *j, const struct pin *p);
void journal_unpin(struct journal *j, const char *path);
void journal_setting(struct journal *j, const char *name, const char *value);
struct branch;
void journal_branch(struct journal *j, const struct branch *b);
void journal_unbranch(struct journal *j, uint64_t id);
/* The branch of the record has all of another one up to a change of it. */
void journal_merged(struct journal *j, uint64_t from, uint64_t upto);
/* The bytes of that computation's output are not kept any more; name NULL: of
 * all names that hold it. */
void journal_dropped(struct journal *j, uint64_t dir, const char *name,
		     size_t len, const struct addr *recipe);
/* Some values of a journal were forgotten: its clear object is another from now
 * on; and: no row has those any more that were forgotten by that change
 * (core/forgotten.h). */
void journal_values_now(struct journal *j, const struct addr *journal,
			const struct addr *before, const struct addr *now);
void journal_scrubbed(struct journal *j, uint64_t seq);
/* Takes back the record begun last: its change did not come to be. */
void journal_undo(struct journal *j);

/* The newest journal of the chain and its last change; -ENOENT: none yet. */
int journal_head(struct journal *j, struct addr *ret,
		 uint64_t *ret_seq) MUST_USE;

/* --- what other processes did -----------------------------------------------
 * The chain is all processes': each journal names the one before, whoever
 * wrote that. */

/* Journals of other processes have been committed: those after `from` (zero:
 * from the first) up to `to`. Told once of each, when a batch begins or
 * journal_look() is called, in order; db_lock() held, perhaps deep inside an
 * operation. */
typedef void (*journal_news_fn)(void *ctx, const struct addr *from,
				const struct addr *to);
/* From now on; what is there already is no news. */
int journal_set_news(struct journal *j, journal_news_fn fn, void *ctx) MUST_USE;
/* Looks whether there are news now. */
int journal_look(struct journal *j) MUST_USE;

/* --- decoding, for checking and rebuilding -------------------------------
 * Strict: what is accepted encodes to the same bytes again. -EBADMSG else. A
 * callback returns 0 to go on; anything else is returned. */

struct journal_info {
	struct addr prev;
	struct addr clear; /* object with salts and values */
	uint64_t first_seq;
	uint32_t count;
	bool last; /* of its batch */
};
/* Calls back per record with the bytes of the record (a leaf); fn may be
 * NULL. Records are checked as journal_record() does, without values. */
int journal_decode(const void *p, size_t n, struct journal_info *ret,
		   int (*fn)(void *ctx, const void *record, size_t len),
		   void *ctx) MUST_USE;

/* The values of a clear object, in the order in which records hash them. */
struct journal_values {
	struct cur cur;
	uint32_t left;
};
/* Checks the whole object, and stands before its first value. */
int journal_values(const void *p, size_t n,
		   struct journal_values *ret) MUST_USE;

/* A salted value: its hash, and the bytes where they are known. */
struct journal_value {
	struct addr hash; /* zero: there is no value (absent, not empty) */
	const void *p;	  /* NULL: forgotten, or no clear object was given */
	size_t len;
};

enum journal_effect_type {
	JOURNAL_BORN = 1, /* name: dir, name, ino */
	JOURNAL_DIED,
	JOURNAL_INODE,	 /* ino, mode .. mtime_ns, value: address or target */
	JOURNAL_XATTR,	 /* ino, name, value */
	JOURNAL_NOXATTR, /* ino, name */
	JOURNAL_RESULT,	 /* dir, name, recipe, error .. wall_ns, value: address
			  */
	/* since version 9 of the database */
	JOURNAL_GONE,	  /* ino, seq: that version's bytes are not kept */
	JOURNAL_SNAPSHOT, /* name, seq, when_ns */
	JOURNAL_PIN,	  /* dir, name, ino, seq, when_ns, value: path */
	JOURNAL_UNPIN,	  /* name: the path */
	JOURNAL_SETTING,  /* name, value */
	/* since version 13 of the database */
	JOURNAL_BRANCH,	  /* ino: its number; dir: the parent's, seq: the fork,
			   * name. Again: another name */
	JOURNAL_UNBRANCH, /* ino: its number */
	/* since version 15 */
	JOURNAL_MERGED,	      /* ino: the other branch's number, seq */
	JOURNAL_DROPPED = 20, /* dir, name (or none), recipe */
	JOURNAL_VALUES,	      /* of: a journal; before, now: clear objects */
	JOURNAL_SCRUBBED,     /* seq */
};
struct journal_effect {
	enum journal_effect_type type;
	uint64_t dir, ino;
	uint32_t mode, uid, gid;
	uint64_t rdev, size;
	int64_t mtime_ns, wall_ns;
	uint64_t seq; /* another change, of which it speaks */
	int64_t when_ns;
	int error;
	bool executable, output_dir;
	struct addr of, before, now;
	struct journal_value name, recipe, value;
};
struct journal_record {
	uint64_t seq;
	int64_t time_ns;
	uint32_t op, branch, uid, pid;
	struct journal_value program, message;
	uint32_t effects;
};
/* One record: ret is filled before the first effect is handed over. With clear
 * (may be NULL) each value is taken from it and checked against its hash; call
 * for the records of a journal in order. */
int journal_record(const void *p, size_t n, struct journal_values *clear,
		   struct journal_record *ret,
		   int (*fn)(void *ctx, const struct journal_record *r,
			     const struct journal_effect *e),
		   void *ctx) MUST_USE;
/* A clear object without some of its values: those whose bytes stand at these
 * offsets of it, in ascending order. */
int journal_forget(const void *clear, size_t n, const uint32_t *at,
		   size_t count, struct buf *ret) MUST_USE;
/* Whether the values are those that the journal's records hash: all of them,
 * none too many. */
int journal_check(const void *journal, size_t n, const void *clear,
		  size_t clear_n) MUST_USE;

#endif
