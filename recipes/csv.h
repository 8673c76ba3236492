/* recipes/csv.h - CSV (RFC 4180) as records of fields, and back.
 *
 * Bytes go in as they come, in pieces of any length; each record comes out when
 * it is complete. A record ends with LF or CRLF, the last one also with the
 * input; empty lines are passed over. A field that begins with a quote ends
 * with one, holds anything, and two quotes in it stand for one; in any other
 * field quotes are themselves. A byte order mark at the start is skipped.
 *
 * Memory:  one record, at most CSV_RECORD_MAX.
 * Threads: one at a time.
 * Errors:  -EILSEQ with "line N: ...", -E2BIG a longer record, what the
 *          callback returned, -ENOMEM. An error stays.
 */
#ifndef RECIPES_CSV_H
#define RECIPES_CSV_H

#include "core/buf.h"
#include "core/err.h"
#include "recipes/order.h"

#define CSV_RECORD_MAX MIB(4)

struct csv_record {
	const struct line *fields; /* valid during the callback */
	size_t n;		   /* at least 1 */
	uint64_t line;		   /* where it begins, from 1 */
};

/* 0, or -errno to end it. */
typedef int (*csv_fn)(void *ctx, const struct csv_record *r);

struct csv;
int csv_new(uint8_t delimiter, csv_fn fn, void *ctx, struct csv **ret) MUST_USE;
void csv_free(struct csv *c);
CLEANUP_FN(struct csv, csv_free)
int csv_feed(struct csv *c, const void *p, size_t n, struct err *err) MUST_USE;
/* No more bytes come. */
int csv_end(struct csv *c, struct err *err) MUST_USE;

/* One record alone, such as a list of columns; its fields are valid until
 * csv_free(). -EINVAL when it is none, or more. */
int csv_split(const void *p, size_t n, struct csv **ret,
	      struct csv_record *ret_record) MUST_USE;

/* A field of a record as it is written: in quotes when it has to be. only: it
 * is the one field, and may not be an empty line. */
void csv_put(struct buf *b, uint8_t delimiter, struct line field, bool only);

#endif
