/* core/roots.h - what rows refer to: where collection starts from.
 *
 * All of them are asked in one order: what may be copied from first, what it
 * is copied to later, so that no reference slips from before the walk's place
 * to behind it.
 *
 * Threads: one; reader is a connection of the caller's alone. Pages are short:
 *          nobody waits for them.
 */
#ifndef CORE_ROOTS_H
#define CORE_ROOTS_H

#include "core/addr.h"
#include "core/db.h"

struct root {
	struct addr addr;
	uint64_t ino, born; /* of a version; else 0 */
	struct addr
		recipe; /* of the result of which it is the output; else zero */
};
/* Returns 0 to go on. */
typedef int (*root_fn)(void *ctx, const struct root *r);

/* Contents of the present and of the history that is kept. */
int ns_roots(struct db *reader, root_fn fn, void *ctx) MUST_USE;
/* Outputs that are kept, what runs printed, and derived names of the past. */
int results_roots(struct db *reader, root_fn fn, void *ctx) MUST_USE;

/* For these two: rows of a query by pages. The query's columns are the
 * address (which may be NULL) and the key, whose parts are its parameters for
 * the page behind; the last parameter is the number of rows. */
struct root_query {
	const char *sql;
	int keys;	 /* parts of the key, at most ROOT_KEYS */
	int64_t from[4]; /* before the first row */
	bool is_version; /* the key is branch, ino, born */
	bool is_output;	 /* the computation comes behind the key */
};
#define ROOT_KEYS 4
int roots_page(struct db *reader, const struct root_query *q, root_fn fn,
	       void *ctx) MUST_USE;

#endif
