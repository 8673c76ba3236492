#include "core/stmts.h"

#include <assert.h>
#include <errno.h>

int stmts_init(struct stmts *s, struct db *db, const char *const *sql, size_t n)
{
	struct stmt **made = calloc(n, sizeof(struct stmt *));

	if (!made)
		return -ENOMEM;
	*s = (struct stmts){.db = db, .sql = sql, .made = made, .n = n};
	return 0;
}

void stmts_done(struct stmts *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		stmt_free(s->made[i]);
	free(s->made);
	*s = (struct stmts){0};
}

struct stmt *stmts_get(struct stmts *s, unsigned id, int *ret_rc)
{
	assert(id < s->n);
	if (!s->made[id])
		s->made[id] = db_prepare(s->db, s->sql[id], ret_rc);
	return s->made[id];
}

struct stmt *stmts_take(struct stmts *s, unsigned id, int *ret_rc)
{
	struct stmt *st = stmts_get(s, id, ret_rc);

	s->made[id] = NULL;
	return st;
}

void stmts_give(struct stmts *s, unsigned id, struct stmt *st)
{
	stmt_reset(st);
	if (s->made[id])
		stmt_free(st);
	else
		s->made[id] = st;
}

int stmts_int(struct stmt *st, int64_t *ret)
{
	int rc = stmt_step(st);

	if (rc > 0) {
		*ret = stmt_col_int(st, 0);
		stmt_reset(st);
	}
	return rc;
}
