#include "core/verified.h"

#include <errno.h>
#include <string.h>

#include "core/results.h"

static void read_row(struct stmt *st, struct verified *v)
{
	const void *p;
	size_t n;

	v->times = (uint64_t)stmt_col_int(st, 0);
	v->when_ns = stmt_col_int(st, 1);
	if (!stmt_col_is_null(st, 2)) {
		p = stmt_col_blob(st, 2, &n);
		memcpy(v->other.b, p, MIN(n, (size_t)ADDR_LEN));
	}
	v->other_ns = stmt_col_int(st, 3);
	v->other_is_dir = stmt_col_int(st, 4) == OUTPUT_DIR;
	v->other_executable = stmt_col_int(st, 4) == OUTPUT_EXECUTABLE;
	v->other_size = (uint64_t)stmt_col_int(st, 5);
	p = stmt_col_blob(st, 6, &n);
	n = MIN(n, sizeof(v->message) - 1);
	if (n)
		memcpy(v->message, p, n);
	v->message[n] = '\0';
}

int verified_get(struct db *db, const struct addr *recipe, struct verified *ret)
{
	struct verified v = {0};
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"SELECT times, time, other, other_time, other_kind,"
			" other_size, message FROM verified WHERE recipe = ?1",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	rc = stmt_step(st);
	if (rc > 0)
		read_row(st, &v);
	stmt_free(st);
	if (rc > 0)
		*ret = v;
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

int verified_put(struct db *db, const struct addr *recipe,
		 const struct verified *v)
{
	size_t len = strnlen(v->message, sizeof(v->message) - 1);
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"INSERT INTO verified(recipe, times, time, other,"
			" other_time, other_kind, other_size, message)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
			" ON CONFLICT(recipe) DO UPDATE SET times = ?2,"
			" time = ?3, other = ?4, other_time = ?5,"
			" other_kind = ?6, other_size = ?7, message = ?8",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_int(st, 2, (int64_t)v->times);
	stmt_int(st, 3, v->when_ns);
	if (addr_is_zero(&v->other))
		stmt_null(st, 4);
	else
		stmt_blob(st, 4, v->other.b, ADDR_LEN);
	stmt_int(st, 5, v->other_ns);
	stmt_int(st, 6, output_kind(v->other_executable, v->other_is_dir));
	stmt_int(st, 7, (int64_t)v->other_size);
	if (len)
		stmt_text(st, 8, v->message, len);
	else
		stmt_null(st, 8);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

int verified_holds(struct db *db, const struct addr *recipe)
{
	struct verified v;
	int rc = verified_get(db, recipe, &v);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	return !addr_is_zero(&v.other);
}
