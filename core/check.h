/* core/check.h - whether the rows of a database are what they must be.
 *
 * Read only, on a connection of its own, best within check_begin() and
 * check_end(), so that all is as of one moment.
 *
 * Threads: db_lock() held.
 * Errors:  what was found goes to the callback, in words; what is returned is a
 *          failure of the checking: -EBADMSG, -EUCLEAN when the database cannot
 *          be read on (told as well).
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include "core/db.h"

#define CHECK_MAX 100 /* of one kind; the rest is counted */

struct check {
	struct db *db;
	void (*found)(void *ctx, const char *what);
	/* Totals that are wrong while what they count is not known to be, which
	 * check_recount() mends; NULL: as found. */
	void (*total)(void *ctx, const char *what);
	void *ctx;
};

int check_begin(const struct check *c) MUST_USE;
void check_end(const struct check *c);

/* Every page in use, and every index against its table (SQLite's own). */
int check_pages(const struct check *c) MUST_USE;
/* The namespace: intervals of a name do not overlap, names lead to inodes and
 * lie in directories, the present is the newest version, link counts, numbers
 * and times of changes in order, counters. */
int check_namespace(const struct check *c) MUST_USE;
/* A part of it: of each branch, link counts and what it holds, which come from
 * its rows and those of what it was made from together. */
int check_branches(const struct check *c) MUST_USE;
int check_recount_branches(struct db *db) MUST_USE;
/* Counts anew. For a database that may be written; commits. */
int check_recount(struct db *db) MUST_USE;

/* Journals against rows: every effect has its row, and every row an effect.
 * Journals may come in any order. */
struct journal_check;
int journal_check_new(const struct check *c,
		      struct journal_check **ret) MUST_USE;
void journal_check_free(struct journal_check *j);
CLEANUP_FN(struct journal_check, journal_check_free)
/* clear: its values. -EBADMSG: the journal or its values are not in form. */
int journal_check_add(struct journal_check *j, const void *journal, size_t n,
		      const void *clear, size_t clear_n) MUST_USE;
/* After the last. */
int journal_check_end(struct journal_check *j) MUST_USE;

#endif
