#include "core/untold.h"

#include <errno.h>

#include "core/journal.h"
#include "core/keepsakes.h"
#include "core/retention.h"
#include "core/stmts.h"

#define VERSIONS 1000 /* of a change */

/* --- versions ------------------------------------------------------------ */

/* Those whose row does not say by which change they went. */
static int next_versions(struct db *db, struct version_id *ret)
{
	struct stmt *st;
	int rc, n = 0;

	st = db_prepare(db,
			"SELECT ino, born FROM version WHERE branch = 1"
			" AND gone = 1 LIMIT ?1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, VERSIONS);
	while ((rc = stmt_step(st)) > 0) {
		ret[n].ino = (uint64_t)stmt_col_int(st, 0);
		ret[n++].born = (uint64_t)stmt_col_int(st, 1);
	}
	stmt_free(st);
	return rc < 0 ? rc : n;
}

struct telling {
	struct db *db;
	const struct version_id *v;
	int n;
};

static int number_versions(void *ctx, uint64_t seq)
{
	const struct telling *t = ctx;
	struct stmt *st;
	int rc = 0, i;

	st = db_prepare(t->db,
			"UPDATE version SET gone = ?3 WHERE branch = 1"
			" AND ino = ?1 AND born = ?2",
			&rc);
	if (!st)
		return rc;
	for (i = 0; rc >= 0 && i < t->n; i++) {
		stmt_int(st, 1, (int64_t)t->v[i].ino);
		stmt_int(st, 2, (int64_t)t->v[i].born);
		stmt_int(st, 3, (int64_t)seq);
		rc = stmt_run(st);
	}
	stmt_free(st);
	return rc < 0 ? rc : 1;
}

static int tell_versions(struct ns *ns, const struct ns_by *by)
{
	CLEANUP_FREE struct version_id *v = calloc(VERSIONS, sizeof(*v));
	struct telling t = {ns_db(ns), v, 0};
	int rc = v ? 0 : -ENOMEM, i;

	while (rc >= 0 && (t.n = next_versions(t.db, v)) != 0) {
		if (t.n < 0)
			return t.n;
		rc = ns_change_rows(ns, by, NS_OP_FORGET, number_versions, &t);
		for (i = 0; rc >= 0 && i < t.n; i++)
			journal_gone(ns_journal(ns), v[i].ino, v[i].born);
		if (rc >= 0)
			rc = db_commit(t.db);
	}
	return MIN(rc, 0);
}

/* --- what is kept -------------------------------------------------------- */

static int tell_snapshot(void *ctx, const char *name, uint64_t seq,
			 int64_t time_ns)
{
	journal_snapshot(ctx, name, seq, time_ns);
	return 0;
}

static int tell_pin(void *ctx, const struct pin *p)
{
	journal_pin(ctx, p);
	return 0;
}

static int copy(struct stmt *st, int i, struct buf *ret)
{
	const void *p;
	size_t n;

	buf_reset(ret);
	p = stmt_col_blob(st, i, &n);
	buf_add(ret, p, n);
	return buf_err(ret);
}

static int tell_settings(struct db *db, struct journal *j)
{
	CLEANUP_BUF struct buf name = BUF_INIT, value = BUF_INIT;
	struct stmt *st;
	int rc;

	st = db_prepare(db, "SELECT key, value FROM setting ORDER BY key", &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		rc = copy(st, 0, &name);
		if (!rc)
			rc = copy(st, 1, &value);
		if (rc < 0)
			break;
		journal_setting(j, buf_cstr(&name), buf_cstr(&value));
	}
	stmt_free(st);
	return rc;
}

int untold_keeps(struct db *db, struct journal *j)
{
	int rc = snapshots_each(db, tell_snapshot, j);

	if (!rc)
		rc = pins_each(db, tell_pin, j);
	return rc ? rc : tell_settings(db, j);
}

/* --- once ---------------------------------------------------------------- */

static int is_untold(struct db *db)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = db_prepare(db, "SELECT id FROM untold", &rc);
	if (!st)
		return rc;
	rc = stmts_int(st, &one);
	stmt_free(st);
	return rc;
}

static int end_rows(void *ctx, uint64_t seq)
{
	int rc = db_run(ctx, "DELETE FROM untold");

	(void)seq;
	return rc < 0 ? rc : 1;
}

int untold_tell(struct ns *ns, const struct ns_by *by)
{
	struct db *db = ns_db(ns);
	int rc = is_untold(db);

	if (rc <= 0)
		return rc;
	rc = tell_versions(ns, by);
	if (rc >= 0)
		rc = ns_change_rows(ns, by, NS_OP_KEEP, end_rows, db);
	if (rc >= 0)
		rc = untold_keeps(db, ns_journal(ns));
	return rc < 0 ? rc : db_commit(db);
}
