/* core/keepsakes.h - snapshots and pins: names for moments, and what must never
 * be dropped.
 *
 * A snapshot is a change number with a name: the whole tree as it was then is
 * kept. A pin holds a path: of a derived file, whatever the name holds; of a
 * file or directory, what is there when it is pinned.
 *
 * A pin is of the branch it was made on; snapshots are of all.
 *
 * Each is a change, so that a database made anew from the journals has them.
 *
 * Threads: as core/db.h: db_lock() held.
 */
#ifndef CORE_KEEPSAKES_H
#define CORE_KEEPSAKES_H

#include "core/buf.h"
#include "core/ns.h"

#include <stdbool.h>

/* -EEXIST: another moment has that name. -EINVAL: no name for a snapshot. */
int snapshot_add(struct ns *ns, const struct ns_by *by, const char *name,
		 uint64_t seq, int64_t time_ns) MUST_USE;
/* -ENOENT. */
int snapshot_find(struct db *db, const char *name, uint64_t *ret_seq) MUST_USE;
int snapshots_each(struct db *db,
		   int (*fn)(void *ctx, const char *name, uint64_t seq,
			     int64_t time_ns),
		   void *ctx) MUST_USE;

struct pin {
	uint64_t branch;  /* set by pin_add() */
	const char *path; /* below the root */
	uint64_t dir;	  /* and the name in it */
	const char *name;
	uint64_t ino; /* of a file or directory; 0: it is derived */
	uint64_t seq;
	int64_t time_ns;
};
/* Again: from that change on. */
int pin_add(struct ns *ns, const struct ns_by *by,
	    const struct pin *p) MUST_USE;
/* -ENOENT */
int pin_remove(struct ns *ns, const struct ns_by *by,
	       const char *path) MUST_USE;
int pins_each(struct db *db, int (*fn)(void *ctx, const struct pin *p),
	      void *ctx) MUST_USE;
/* Whether that derived name is pinned: 1 or 0. */
int pin_holds(struct db *db, uint64_t dir, const char *name,
	      size_t len) MUST_USE;
/* Whether that directory itself is pinned. */
int pins_hold_dir(struct db *db, uint64_t ino) MUST_USE;

/* For a database that is made anew: rows alone, which take another's place. */
int snapshot_restore(struct db *db, const char *name, uint64_t seq,
		     int64_t time_ns) MUST_USE;
int pin_restore(struct db *db, const struct pin *p) MUST_USE;
int pin_unrestore(struct db *db, uint64_t branch, const char *path) MUST_USE;

#endif
