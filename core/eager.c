#include "core/eager.h"

#include <errno.h>
#include <stdlib.h>

#include "core/stmts.h"

enum { EAGER_HAS, EAGER_ADD, EAGER_REMOVE, EAGER_ALL, N_STMTS };

/* #B is the number of the branch (core/stmts.h). */

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[EAGER_HAS] = "SELECT 1 FROM eager WHERE branch = #B AND dir = ?1"
		      " AND name = ?2",
	[EAGER_ADD] = "INSERT INTO eager(branch, dir, name)"
		      " VALUES (#B, ?1, ?2)",
	[EAGER_REMOVE] = "DELETE FROM eager WHERE branch = #B AND dir = ?1"
			 " AND name = ?2",
	[EAGER_ALL] = "SELECT dir, name FROM eager WHERE branch = #B"
		      " ORDER BY dir, name",
};
/* clang-format on */

struct eager {
	struct db *db;
	struct stmts stmts;
};

int eager_open(struct db *db, uint64_t branch, struct eager **ret)
{
	struct eager *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return -ENOMEM;
	e->db = db;
	rc = stmts_init(&e->stmts, db, sql, N_STMTS);
	if (rc < 0) {
		free(e);
		return rc;
	}
	stmts_set_branch(&e->stmts, branch);
	*ret = e;
	return 0;
}

int eager_inherit(struct db *db, uint64_t from, uint64_t to)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"INSERT OR IGNORE INTO eager(branch, dir, name)"
			" SELECT ?2, dir, name FROM eager WHERE branch = ?1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)from);
	stmt_int(st, 2, (int64_t)to);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

void eager_close(struct eager *e)
{
	if (!e)
		return;
	db_lock(e->db);
	stmts_done(&e->stmts);
	db_unlock(e->db);
	free(e);
}

static int has(struct eager *e, uint64_t dir, const char *name, size_t len)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&e->stmts, EAGER_HAS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	return stmts_int(st, &one);
}

int eager_set(struct eager *e, uint64_t dir, const char *name, size_t len,
	      bool yes)
{
	struct stmt *st;
	int rc = has(e, dir, name, len);

	if (rc < 0 || (rc > 0) == yes)
		return rc < 0 ? rc : 0;
	rc = db_begin(e->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&e->stmts, yes ? EAGER_ADD : EAGER_REMOVE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	rc = stmt_run(st);
	return rc < 0 ? rc : 1;
}

int eager_each(struct eager *e,
	       int (*fn)(void *ctx, uint64_t dir, const char *name, size_t len),
	       void *ctx)
{
	struct stmt *st;
	const char *name;
	size_t len;
	int rc;

	st = stmts_take(&e->stmts, EAGER_ALL, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		name = stmt_col_blob(st, 1, &len);
		rc = fn(ctx, (uint64_t)stmt_col_int(st, 0), name, len);
		if (rc != 0)
			break;
	}
	stmts_give(&e->stmts, EAGER_ALL, st);
	return rc;
}
