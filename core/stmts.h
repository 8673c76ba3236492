/* core/stmts.h - a module's prepared statements, made at first use, by number.
 *
 * Owns:    the statements. Borrows: the db and the table of SQL texts.
 * Threads: as core/db.h: db_lock() held around every call.
 */
#ifndef CORE_STMTS_H
#define CORE_STMTS_H

#include "core/db.h"

struct stmts {
	struct db *db;
	uint64_t branch; /* what #B in a text stands for; 1 unless set */
	const char *const *sql;
	struct stmt **made;
	size_t n;
};

int stmts_init(struct stmts *s, struct db *db, const char *const *sql,
	       size_t n) MUST_USE;
void stmts_done(struct stmts *s);
/* Before the first is made. */
void stmts_set_branch(struct stmts *s, uint64_t branch);
/* A text with the branch's number in place of each #B; to be freed. */
int stmts_text(const char *sql, uint64_t branch, char **ret) MUST_USE;

/* The statement, ready to be bound; NULL with *ret_rc set on failure. It may
 * not be in use by a caller up the stack. */
struct stmt *stmts_get(struct stmts *s, unsigned id, int *ret_rc) MUST_USE;

/* The same for a statement whose rows are handed to a callback that may come
 * back here: it is the caller's alone until stmts_give(). */
struct stmt *stmts_take(struct stmts *s, unsigned id, int *ret_rc) MUST_USE;
void stmts_give(struct stmts *s, unsigned id, struct stmt *st);

/* For a query of one integer: steps, and resets. 1 with the value, 0 when there
 * is no row, -errno. */
int stmts_int(struct stmt *st, int64_t *ret) MUST_USE;

#endif
