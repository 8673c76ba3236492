/* core/rebuild.h - rows from journals, and journals from rows.
 *
 * A database that was lost comes back from the journals in the packs: the whole
 * namespace with its history and which versions were let go of, results,
 * snapshots, pins and settings. What journals do not have is lost with it:
 * times of access, how often a result was used, what commands printed.
 *
 * Threads: db_lock() held.
 * Errors:  -EBADMSG a journal that is not in form; of core/db.h.
 */
#ifndef CORE_REBUILD_H
#define CORE_REBUILD_H

#include "core/addr.h"
#include "core/db.h"

struct rebuild;

struct rebuild_sums {
	uint64_t changes, versions, results;
	uint64_t odd;	  /* effects that did not fit what was there */
	uint64_t unknown; /* names, contents and so on whose values are lost */
	uint64_t adopted; /* what lost its name, now in /lost+found */
	uint64_t dropped; /* names of what is lost */
};

/* Into an empty database. Commits now and then. */
int rebuild_new(struct db *db, struct rebuild **ret) MUST_USE;
void rebuild_free(struct rebuild *r);
CLEANUP_FN(struct rebuild, rebuild_free)
/* Journals in the order of their changes. clear NULL: its values are lost.
 * gap: one before it is missing. */
int rebuild_add(struct rebuild *r, const void *journal, size_t n,
		const void *clear, size_t clear_n, bool gap) MUST_USE;
/* What a computation is, of which an object with that address was found. */
int rebuild_recipe(struct db *db, const struct addr *a, const void *p,
		   size_t n) MUST_USE;
/* After the last: link counts, totals, numbers above `seq` and every one that
 * was used; head is the newest journal, NULL when there is none. Commits. What
 * a gap left without a name is put into /lost+found. */
int rebuild_end(struct rebuild *r, const struct addr *head, uint64_t seq,
		struct rebuild_sums *ret) MUST_USE;

struct journal;
/* Writes a new chain of journals for all that the rows say, from the first
 * change on: for one that is damaged. The old chain is not touched. Commits. */
int rebuild_journals(struct db *db, struct journal *j,
		     void (*progress)(void *ctx, uint64_t seq),
		     void *ctx) MUST_USE;

/* Copies from a database that was put aside what can be read of it and is in no
 * journal: what computations are, details of results, and tables that this
 * version does not rebuild. Failures are only counted. */
int rebuild_salvage(struct db *db, const char *path, uint64_t *ret_rows,
		    uint64_t *ret_failures) MUST_USE;

#endif
