/* core/forgotten.h - values of journals that were forgotten.
 *
 * A journal names its clear object, and both lie in packs for ever. When values
 * are forgotten (core/forget.h), a new clear object without them takes the old
 * one's place: a change says so, a row here knows it, and the old object is for
 * collection. When that change is durable, the rows lose those values, too, and
 * a second change says that. So there are always values to go back to until it
 * cannot be taken back any more.
 *
 * Threads: db_lock() of that connection held.
 */
#ifndef CORE_FORGOTTEN_H
#define CORE_FORGOTTEN_H

#include "core/addr.h"
#include "core/db.h"

struct forgotten {
	struct addr old, now, journal;
	uint64_t seq; /* the change that said so */
	bool done;    /* the rows heed it */
};

/* Which object has the values of a journal that names `clear`: itself, or what
 * came in its place. */
int forgotten_now(struct db *db, const struct addr *clear,
		  struct addr *ret) MUST_USE;
/* A row, and a note that collection has to free everything. */
int forgotten_add(struct db *db, const struct forgotten *f) MUST_USE;
/* Some of the rows that are not done: how many. */
int forgotten_todo(struct db *db, struct forgotten *ret, size_t max) MUST_USE;
int forgotten_done(struct db *db, const struct addr *old) MUST_USE;
/* Objects that are for collection. */
int forgotten_each_old(struct db *db,
		       int (*fn)(void *ctx, const struct addr *a),
		       void *ctx) MUST_USE;
/* Whether a collection has to free everything: what was forgotten lies in packs
 * until then. */
int forgotten_purge(struct db *db) MUST_USE;
int forgotten_set_purge(struct db *db, bool purge) MUST_USE;

/* What of the rows was in a value that a journal does not have any more. */
struct journal_effect;
struct journal_record;
int forgotten_scrub(struct db *db, const struct journal_record *r,
		    const struct journal_effect *e) MUST_USE;
int forgotten_scrub_change(struct db *db,
			   const struct journal_record *r) MUST_USE;

#endif
