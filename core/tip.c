#include "core/tip.h"

#include <errno.h>

#include "core/stmts.h"

enum {
	NEWEST,
	DURABLE,
	SET_DURABLE,
	SINCE,
	NEXT,
	LAST,
	REWIND,
	CLEAR,
	UNDO,
	N_STMTS,
};
static const char *const sql[N_STMTS] = {
	[NEWEST] = "SELECT seq, address FROM journal WHERE id = 1",
	[DURABLE] = "SELECT durable_seq FROM journal WHERE id = 1",
	[SET_DURABLE] = "UPDATE journal SET durable_seq = ?1 WHERE id = 1"
			" AND durable_seq < ?1",
	[SINCE] = "SELECT last, address FROM batch WHERE last >= ?1"
		  " ORDER BY last",
	[NEXT] = "SELECT last, address FROM batch WHERE last > ?1"
		 " ORDER BY last LIMIT 1",
	[LAST] = "SELECT last, address FROM batch WHERE last <= ?1"
		 " ORDER BY last DESC LIMIT 1",
	[REWIND] = "UPDATE journal SET seq = ?1, address = ?2 WHERE id = 1",
	[CLEAR] = "DELETE FROM journal",
	[UNDO] = "DELETE FROM batch WHERE last > ?1",
};

struct tips {
	struct db *db;
	struct stmts stmts;
};

int tips_open(struct db *db, struct tips **ret)
{
	struct tips *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	t->db = db;
	rc = stmts_init(&t->stmts, db, sql, N_STMTS);
	if (rc < 0) {
		free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void tips_close(struct tips *t)
{
	if (!t)
		return;
	stmts_done(&t->stmts);
	free(t);
}

static int column_tip(struct stmt *st, struct tip *ret)
{
	ret->seq = (uint64_t)stmt_col_int(st, 0);
	return stmt_col_addr(st, 1, &ret->head);
}

int tips_newest(struct tips *t, struct tip *ret)
{
	struct tip tip = {0};
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, NEWEST, &rc);
	if (!st)
		return rc;
	rc = stmt_step(st);
	if (rc > 0) {
		rc = column_tip(st, &tip);
		stmt_reset(st);
	}
	if (rc < 0)
		return rc;
	*ret = tip;
	return 0;
}

static int run(struct tips *t, unsigned id, const struct tip *tip)
{
	struct stmt *st;
	int rc = db_begin(t->db);

	if (rc < 0)
		return rc;
	st = stmts_get(&t->stmts, id, &rc);
	if (!st)
		return rc;
	if (id == SET_DURABLE || id == REWIND || id == UNDO)
		stmt_int(st, 1, (int64_t)tip->seq);
	if (id == REWIND)
		stmt_blob(st, 2, tip->head.b, ADDR_LEN);
	return stmt_run(st);
}

int tips_set_durable(struct tips *t, const struct tip *tip)
{
	return run(t, SET_DURABLE, tip);
}

static int one(struct tips *t, unsigned id, uint64_t seq, struct tip *ret)
{
	struct tip tip;
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(seq, (uint64_t)INT64_MAX));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	rc = column_tip(st, &tip);
	stmt_reset(st);
	if (rc < 0)
		return rc;
	*ret = tip;
	return 1;
}

int tips_after(struct tips *t, uint64_t seq, struct tip *ret)
{
	return one(t, NEXT, seq, ret);
}

int tips_upto(struct tips *t, uint64_t seq, struct tip *ret)
{
	return one(t, LAST, seq, ret);
}

int tips_durable(struct tips *t, struct tip *ret)
{
	int64_t seq = 0;
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, DURABLE, &rc);
	if (!st)
		return rc;
	rc = stmts_int(st, &seq);
	return rc <= 0 || !seq ? MIN(rc, 0) : one(t, LAST, (uint64_t)seq, ret);
}

int tips_each(struct tips *t, int (*fn)(void *ctx, const struct tip *tip),
	      void *ctx)
{
	struct tip tip = {0};
	int64_t durable = 0;
	struct stmt *st;
	int rc;

	st = stmts_get(&t->stmts, DURABLE, &rc);
	if (!st)
		return rc;
	rc = stmts_int(st, &durable);
	if (rc >= 0 && !durable)
		rc = fn(ctx, &tip);
	if (rc < 0)
		return rc;
	st = stmts_take(&t->stmts, SINCE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, durable);
	while ((rc = stmt_step(st)) > 0) {
		rc = column_tip(st, &tip);
		if (rc == 0)
			rc = fn(ctx, &tip);
		if (rc != 0)
			break;
	}
	stmts_give(&t->stmts, SINCE, st);
	return rc;
}

int tips_rewind(struct tips *t, const struct tip *tip)
{
	int rc = run(t, tip->seq ? REWIND : CLEAR, tip);

	return rc < 0 ? rc : run(t, UNDO, tip);
}
