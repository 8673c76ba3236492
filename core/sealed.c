#include "core/sealed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int run(struct db *db, const char *sql, uint64_t a, uint64_t b)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db, sql, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(a, (uint64_t)INT64_MAX));
	stmt_int(st, 2, (int64_t)MIN(b, (uint64_t)INT64_MAX));
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

static int column_row(struct stmt *st, struct sealed *ret)
{
	const char *p;
	size_t n;

	p = stmt_col_blob(st, 3, &n);
	if (!n || n >= SEALED_NAME || memchr(p, '/', n))
		return -EUCLEAN;
	ret->id = (uint64_t)stmt_col_int(st, 0);
	ret->seq = (uint64_t)stmt_col_int(st, 1);
	ret->taken = (uint64_t)stmt_col_int(st, 2);
	memcpy(ret->name, p, n);
	ret->name[n] = '\0';
	return 0;
}

/* 1, or 0: none. */
static int one_row(struct stmt *st, struct sealed *ret)
{
	struct sealed s;
	int rc = stmt_step(st);

	if (rc > 0) {
		rc = column_row(st, &s);
		stmt_reset(st);
		if (rc >= 0) {
			*ret = s;
			rc = 1;
		}
	}
	return rc;
}

int sealed_find(struct db *db, const char *name, struct sealed *ret)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"SELECT id, seq, taken, name FROM sealed"
			" WHERE name = ?1",
			&rc);
	if (!st)
		return rc;
	stmt_text(st, 1, name, strlen(name));
	rc = one_row(st, ret);
	stmt_free(st);
	return rc;
}

int sealed_add(struct db *db, const char *name, uint64_t seq, uint64_t *ret_id)
{
	struct sealed s;
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"INSERT INTO sealed(seq, taken, name)"
			" VALUES (?1, 0, ?2)",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)seq);
	stmt_text(st, 2, name, strlen(name));
	rc = stmt_run(st);
	stmt_free(st);
	if (rc >= 0)
		rc = sealed_find(db, name, &s);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	*ret_id = s.id;
	return 0;
}

int sealed_take(struct db *db, uint64_t id, uint64_t seq)
{
	return run(db, "UPDATE sealed SET taken = ?2 WHERE id = ?1", id, seq);
}

int sealed_drop(struct db *db, uint64_t id)
{
	return run(db, "DELETE FROM sealed WHERE id = ?1 AND ?2 = 0", id, 0);
}

int sealed_each(struct db *db, uint64_t after,
		int (*fn)(void *ctx, const struct sealed *s), void *ctx)
{
	struct sealed s = {.id = after};
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"SELECT id, seq, taken, name FROM sealed"
			" WHERE id > ?1 ORDER BY id LIMIT 1",
			&rc);
	if (!st)
		return rc;
	do {
		stmt_int(st, 1, (int64_t)s.id);
		rc = one_row(st, &s);
		if (rc <= 0)
			break;
		rc = fn(ctx, &s);
	} while (rc == 0);
	stmt_free(st);
	return rc;
}

int sealed_rewind(struct db *db, uint64_t seq, uint64_t before)
{
	int rc = run(db, "DELETE FROM sealed WHERE seq > ?1 OR id >= ?2", seq,
		     before);

	if (rc >= 0)
		rc = run(db,
			 "UPDATE sealed SET taken = 0"
			 " WHERE taken > ?1 AND ?2 = 0",
			 seq, 0);
	return rc;
}
