#include "core/observed.h"

#include <errno.h>

#include "core/stmts.h"

enum { PUT, QUESTION, KNOWN, BACK, UNREAD_PUT, UNREAD_CLEAR, UNREAD, N_STMTS };

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[PUT] =
		"INSERT OR IGNORE INTO observed(next, state, question, answer)"
		" VALUES (?1, ?2, ?3, ?4)",
	[QUESTION] =
		"SELECT question FROM observed WHERE state = ?1"
		" AND question > ?2 ORDER BY question LIMIT 1",
	[KNOWN] = "SELECT 1 FROM observed WHERE next = ?1",
	[BACK] =
		"SELECT state, question, answer FROM observed WHERE next = ?1",
	[UNREAD_PUT] =
		"INSERT OR IGNORE INTO unread(recipe, path) VALUES (?1, ?2)",
	[UNREAD_CLEAR] = "DELETE FROM unread WHERE recipe = ?1",
	[UNREAD] = "SELECT path FROM unread WHERE recipe = ?1 ORDER BY path",
};
/* clang-format on */

struct observed {
	struct db *db;
	struct stmts stmts;
};

int observed_open(struct db *db, struct observed **ret)
{
	struct observed *o = calloc(1, sizeof(*o));
	int rc;

	if (!o)
		return -ENOMEM;
	o->db = db;
	rc = stmts_init(&o->stmts, db, sql, N_STMTS);
	if (rc < 0) {
		free(o);
		return rc;
	}
	*ret = o;
	return 0;
}

void observed_close(struct observed *o)
{
	if (!o)
		return;
	db_lock(o->db);
	stmts_done(&o->stmts);
	db_unlock(o->db);
	free(o);
}

/* --- steps --------------------------------------------------------------- */

static void hash_step(const struct addr *state, const void *question,
		      size_t qlen, const void *answer, size_t alen,
		      struct buf *b, struct addr *ret)
{
	buf_add(b, state->b, ADDR_LEN);
	buf_u32(b, (uint32_t)qlen);
	buf_add(b, question, qlen);
	buf_add(b, answer, alen);
	if (buf_err(b) >= 0)
		addr_derive("deriva observed v1", b->data, b->len, ret);
}

void observed_step(const struct addr *state, const void *question, size_t qlen,
		   const void *answer, size_t alen, struct addr *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct addr next = {{0}}; /* no memory: a state that nobody knows */

	hash_step(state, question, qlen, answer, alen, &b, &next);
	*ret = next;
}

int observed_put(struct observed *o, const struct addr *state,
		 const void *question, size_t qlen, const void *answer,
		 size_t alen)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct addr next;
	struct stmt *st;
	int rc;

	hash_step(state, question, qlen, answer, alen, &b, &next);
	rc = buf_err(&b);
	if (rc >= 0)
		rc = db_begin(o->db);
	if (rc < 0)
		return rc;
	st = stmts_get(&o->stmts, PUT, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, next.b, ADDR_LEN);
	stmt_blob(st, 2, state->b, ADDR_LEN);
	stmt_blob(st, 3, question, qlen);
	stmt_blob(st, 4, answer, alen);
	return stmt_run(st);
}

int observed_question(struct observed *o, const struct addr *state,
		      const void *after, size_t alen, struct buf *ret)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&o->stmts, QUESTION, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, state->b, ADDR_LEN);
	stmt_blob(st, 2, alen ? after : "", alen);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	p = stmt_col_blob(st, 0, &n);
	buf_reset(ret);
	buf_add(ret, p, n);
	stmt_reset(st);
	rc = buf_err(ret);
	return rc < 0 ? rc : 1;
}

int observed_known(struct observed *o, const struct addr *state)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&o->stmts, KNOWN, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, state->b, ADDR_LEN);
	return stmts_int(st, &one);
}

int observed_back(struct observed *o, const struct addr *state,
		  struct addr *ret_from, struct buf *ret_question,
		  struct buf *ret_answer)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_get(&o->stmts, BACK, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, state->b, ADDR_LEN);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	buf_reset(ret_question);
	buf_reset(ret_answer);
	p = stmt_col_blob(st, 1, &n);
	buf_add(ret_question, p, n);
	p = stmt_col_blob(st, 2, &n);
	buf_add(ret_answer, p, n);
	p = stmt_col_blob(st, 0, &n);
	if (n == ADDR_LEN)
		memcpy(ret_from->b, p, ADDR_LEN);
	stmt_reset(st);
	if (n != ADDR_LEN)
		return -EUCLEAN;
	if (buf_err(ret_question) < 0 || buf_err(ret_answer) < 0)
		return -ENOMEM;
	return 1;
}

/* --- what was left unread --------------------------------------------------
 */

int observed_put_unread(struct observed *o, const struct addr *recipe,
			const char *path, size_t len)
{
	struct stmt *st;
	int rc = db_begin(o->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&o->stmts, UNREAD_PUT, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	stmt_blob(st, 2, path, len);
	return stmt_run(st);
}

int observed_clear_unread(struct observed *o, const struct addr *recipe)
{
	struct stmt *st;
	int rc = db_begin(o->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&o->stmts, UNREAD_CLEAR, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	return stmt_run(st);
}

int observed_each_unread(struct observed *o, const struct addr *recipe,
			 int (*fn)(void *ctx, const char *path, size_t len),
			 void *ctx)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc;

	st = stmts_take(&o->stmts, UNREAD, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, recipe->b, ADDR_LEN);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &n);
		rc = fn(ctx, p, n);
		if (rc)
			break;
	}
	stmts_give(&o->stmts, UNREAD, st);
	return rc;
}
