#include "core/stmts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/buf.h"

int stmts_init(struct stmts *s, struct db *db, const char *const *sql, size_t n)
{
	struct stmt **made = calloc(n, sizeof(struct stmt *));

	if (!made)
		return -ENOMEM;
	*s = (struct stmts){
		.db = db, .branch = 1, .sql = sql, .made = made, .n = n};
	return 0;
}

void stmts_set_branch(struct stmts *s, uint64_t branch)
{
	s->branch = branch;
}

int stmts_text(const char *sql, uint64_t branch, char **ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *mark;

	while ((mark = strstr(sql, "#B"))) {
		buf_add(&b, sql, (size_t)(mark - sql));
		buf_fmt(&b, "%" PRIu64, branch);
		sql = mark + 2;
	}
	buf_str(&b, sql);
	*ret = buf_err(&b) ? NULL : strdup(buf_cstr(&b));
	return *ret ? 0 : -ENOMEM;
}

static struct stmt *make(struct stmts *s, unsigned id, int *ret_rc)
{
	CLEANUP_FREE char *text = NULL;
	struct stmt *st = NULL;

	*ret_rc = stmts_text(s->sql[id], s->branch, &text);
	if (!*ret_rc)
		st = db_prepare(s->db, text, ret_rc);
	return st;
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
		s->made[id] = make(s, id, ret_rc);
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
