/* core/db_redo.h - taking back one of several mutators without a savepoint of
 * its own; for core/db*.c alone.
 *
 * A savepoint of SQLite's costs a copy of every page that is written for the
 * first time behind it: a dozen for each file that is made. So there is one
 * for many mutators, and what the statements behind it were is kept here. To
 * take back the last mutator, all of them are rolled back, and those before it
 * are done again.
 *
 * Threads: under db_lock().
 */
#ifndef CORE_DB_REDO_H
#define CORE_DB_REDO_H

#include "core/buf.h"

struct stmt;

struct redo {
	struct buf log;	    /* of statements and what was bound to them */
	bool incomplete;    /* what came last is not in it */
	struct stmt *named; /* those that are in it */
	unsigned dead;	    /* of which so many were freed meanwhile */
};

/* A statement that writes was carried out, with what is bound to it now. */
void redo_note(struct redo *r, struct stmt *s);
/* Where the next one will stand. */
size_t redo_mark(const struct redo *r);
/* Worth a new savepoint, before the next mutator. */
bool redo_is_long(const struct redo *r);
/* Does again what was done up to the mark, and forgets the rest. */
int redo_replay(struct redo *r, size_t mark) MUST_USE;
void redo_clear(struct redo *r);
void redo_done(struct redo *r);

#endif
