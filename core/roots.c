#include "core/roots.h"

#include <errno.h>

#define PAGE 1000

struct page {
	struct root rows[PAGE];
	size_t count;
	int64_t key[ROOT_KEYS]; /* of the last row */
};

static int take_row(struct stmt *s, const struct root_query *q, struct page *p)
{
	struct root *r = &p->rows[p->count];
	int i, rc;

	for (i = 0; i < q->keys; i++)
		p->key[i] = stmt_col_int(s, 1 + i);
	if (stmt_col_is_null(s, 0))
		return 0;
	*r = (struct root){.ino = q->is_version ? (uint64_t)p->key[1] : 0,
			   .born = q->is_version ? (uint64_t)p->key[2] : 0};
	rc = stmt_col_addr(s, 0, &r->addr);
	if (rc == 0 && q->is_output)
		rc = stmt_col_addr(s, 1 + q->keys, &r->recipe);
	p->count += rc == 0;
	return rc;
}

/* 1: there may be more. */
static int read_page(struct stmt *s, const struct root_query *q, struct page *p)
{
	int rc, i, rows = 0;

	for (i = 0; i < q->keys; i++)
		stmt_int(s, 1 + i, p->key[i]);
	stmt_int(s, 1 + q->keys, PAGE);
	p->count = 0;
	while ((rc = stmt_step(s)) > 0) {
		rows++;
		rc = take_row(s, q, p);
		if (rc < 0) {
			stmt_reset(s);
			return rc;
		}
	}
	return rc < 0 ? rc : rows == PAGE;
}

int roots_page(struct db *reader, const struct root_query *q, root_fn fn,
	       void *ctx)
{
	CLEANUP_FREE struct page *p = calloc(1, sizeof(*p));
	struct stmt *s;
	size_t i;
	int more, rc;

	if (!p)
		return -ENOMEM;
	memcpy(p->key, q->from, sizeof(p->key));
	db_lock(reader);
	s = db_prepare(reader, q->sql, &rc);
	if (!s) {
		db_unlock(reader);
		return rc;
	}
	do {
		more = read_page(s, q, p);
		rc = more < 0 ? more : 0;
		for (i = 0; !rc && i < p->count; i++)
			rc = fn(ctx, &p->rows[i]);
	} while (!rc && more);
	stmt_free(s);
	db_unlock(reader);
	return rc;
}
