/* core/query.h - a database of its own for one query over given tables.
 *
 * Nothing to do with a store's database: it lies in memory, and what does not
 * fit there in unnamed files of a scratch directory. The query may read its
 * tables and compute, and nothing else: no file, no other database, no
 * extension, no change; nothing random, and the time stands still at
 * 1980-01-01, so that the same tables give the same result.
 *
 * Threads: one at a time.
 * Memory:  about 64 MiB of pages, and what SQLite takes for one row.
 * Errors:  -EINVAL the statement, -EILSEQ its execution, both with SQLite's
 *          words; -ECANCELED stopped or over its time, -ENOSPC, -ENOMEM, -EIO.
 */
#ifndef CORE_QUERY_H
#define CORE_QUERY_H

#include "core/err.h"

#include <stdbool.h>

struct query;

enum query_type { QUERY_NULL, QUERY_INT, QUERY_REAL, QUERY_TEXT, QUERY_BLOB };

struct query_text {
	const void *p; /* NULL as a value: SQL's NULL */
	size_t n;
};

struct query_column {
	struct query_text name;
	enum query_type type; /* INT, REAL or TEXT: what values become */
};

/* Of a row of the result; text is valid during the callback. */
struct query_value {
	enum query_type type;
	struct query_text text; /* numbers, too */
};

/* stop and scratch_fd (a directory, -1: none) are borrowed; deadline_ns is of
 * clock_mono_ns(), 0: none. */
int query_open(int scratch_fd, const bool *stop, int64_t deadline_ns,
	       struct query **ret) MUST_USE;
void query_close(struct query *q);
CLEANUP_FN(struct query, query_close)

/* A table with rows to come, one after the other; the one before is complete
 * then. Values stand in the order of the columns. */
int query_table(struct query *q, const char *name,
		const struct query_column *columns, size_t n,
		struct err *err) MUST_USE;
int query_insert(struct query *q, const struct query_text *values,
		 struct err *err) MUST_USE;

/* One statement. head is called once, with the names of the columns, before
 * the rows. What a callback returns below 0 ends it. */
int query_run(struct query *q, const char *sql,
	      int (*head)(void *ctx, const struct query_text *names, size_t n),
	      int (*row)(void *ctx, const struct query_value *values, size_t n),
	      void *ctx, struct err *err) MUST_USE;

#endif
