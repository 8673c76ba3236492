#include "core/forgotten.h"

#include <errno.h>
#include <stdio.h>

#include "core/journal.h"
#include "core/stmts.h"

static int column_addr(struct stmt *st, int i, struct addr *ret)
{
	const void *p;
	size_t n;

	p = stmt_col_blob(st, i, &n);
	if (n != ADDR_LEN)
		return -EUCLEAN;
	memcpy(ret->b, p, ADDR_LEN);
	return 0;
}

/* --- the rows ------------------------------------------------------------- */

/* One may be forgotten from again and again: a chain, and no circle, as the
 * address of each is that of its bytes. */
int forgotten_now(struct db *db, const struct addr *clear, struct addr *ret)
{
	struct addr a = *clear;
	struct stmt *st;
	int rc, at;

	st = db_prepare(db, "SELECT now FROM forgotten WHERE old = ?1", &rc);
	if (!st)
		return rc;
	do {
		stmt_blob(st, 1, a.b, ADDR_LEN);
		at = rc = stmt_step(st);
		if (rc > 0)
			rc = column_addr(st, 0, &a);
		stmt_reset(st);
	} while (rc >= 0 && at > 0);
	stmt_free(st);
	if (rc >= 0)
		*ret = a;
	return MIN(rc, 0);
}

int forgotten_add(struct db *db, const struct forgotten *f)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db,
			"INSERT OR REPLACE INTO forgotten(old, now, journal,"
			" seq, done) VALUES (?1, ?2, ?3, ?4, ?5)",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, f->old.b, ADDR_LEN);
	stmt_blob(st, 2, f->now.b, ADDR_LEN);
	stmt_blob(st, 3, f->journal.b, ADDR_LEN);
	stmt_int(st, 4, (int64_t)f->seq);
	stmt_int(st, 5, f->done);
	rc = stmt_run(st);
	stmt_free(st);
	return rc < 0 ? rc : forgotten_set_purge(db, true);
}

int forgotten_todo(struct db *db, struct forgotten *ret, size_t max)
{
	struct stmt *st;
	int rc, n = 0;

	st = db_prepare(db,
			"SELECT old, now, journal, seq FROM forgotten"
			" INDEXED BY forgotten_todo WHERE done = 0"
			" ORDER BY seq LIMIT ?1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)max);
	while ((rc = stmt_step(st)) > 0) {
		ret[n] = (struct forgotten){
			.seq = (uint64_t)stmt_col_int(st, 3)};
		rc = column_addr(st, 0, &ret[n].old);
		if (rc >= 0)
			rc = column_addr(st, 1, &ret[n].now);
		if (rc >= 0)
			rc = column_addr(st, 2, &ret[n].journal);
		if (rc < 0)
			break;
		n++;
	}
	stmt_free(st);
	return rc < 0 ? rc : n;
}

int forgotten_done(struct db *db, const struct addr *old)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db, "UPDATE forgotten SET done = 1 WHERE old = ?1",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, old->b, ADDR_LEN);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

int forgotten_each_old(struct db *db,
		       int (*fn)(void *ctx, const struct addr *a), void *ctx)
{
	struct stmt *st;
	struct addr a;
	int rc;

	st = db_prepare(db, "SELECT old FROM forgotten WHERE done <> 0", &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		rc = column_addr(st, 0, &a);
		if (rc >= 0)
			rc = fn(ctx, &a);
		if (rc < 0)
			break;
	}
	stmt_free(st);
	return MIN(rc, 0);
}

int forgotten_purge(struct db *db)
{
	struct stmt *st;
	int64_t purge = 0;
	int rc;

	st = db_prepare(db, "SELECT purge FROM collection WHERE id = 1", &rc);
	if (!st)
		return rc;
	rc = stmts_int(st, &purge);
	stmt_free(st);
	return rc < 0 ? rc : purge != 0;
}

int forgotten_set_purge(struct db *db, bool purge)
{
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	return db_run(db, purge ? "UPDATE collection SET purge = 1"
				  " WHERE id = 1 AND purge = 0"
				: "UPDATE collection SET purge = 0"
				  " WHERE id = 1");
}

/* --- scrubbing ------------------------------------------------------------ */

static bool lost(const struct journal_value *v)
{
	return !v->p && !addr_is_zero(&v->hash);
}

/* Numbers bound in order. */
static int run(struct db *db, const char *sql, uint64_t a, uint64_t b,
	       uint64_t c)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db, sql, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a);
	stmt_int(st, 2, (int64_t)b);
	if (c)
		stmt_int(st, 3, (int64_t)c);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

static int scrub_xattr(struct db *db, uint64_t seq,
		       const struct journal_effect *e)
{
	struct stmt *st;
	int rc = db_begin(db);

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"UPDATE xattr SET value = x'' WHERE branch = 1"
			" AND ino = ?1 AND name = ?2 AND born = ?3",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)e->ino);
	stmt_blob(st, 2, e->name.p, e->name.len);
	stmt_int(st, 3, (int64_t)seq);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

/* A name becomes one that says which file it was, as when rows are made anew
 * from journals (core/rebuild.c). */
int forgotten_scrub(struct db *db, const struct journal_record *r,
		    const struct journal_effect *e)
{
	switch (e->type) {
	case JOURNAL_BORN:
		return lost(&e->name)
			       ? run(db,
				     "UPDATE entry INDEXED BY entry_ino SET "
				     "name = CAST('#' || ino"
				     " AS BLOB) WHERE branch = 1 AND ino = ?1"
				     " AND parent = ?2 AND born = ?3"
				     " AND died IS NOT NULL",
				     e->ino, e->dir, r->seq)
			       : 0;
	case JOURNAL_INODE:
		return lost(&e->value)
			       ? run(db,
				     "UPDATE version SET address = NULL,"
				     " target = NULL WHERE branch = 1"
				     " AND ino = ?1 AND born = ?2",
				     e->ino, r->seq, 0)
			       : 0;
	case JOURNAL_XATTR:
		return e->name.p && lost(&e->value) ? scrub_xattr(db, r->seq, e)
						    : 0;
	default:
		return 0; /* of the rest, nothing is forgotten by itself */
	}
}

int forgotten_scrub_change(struct db *db, const struct journal_record *r)
{
	return lost(&r->message)
		       ? run(db,
			     "UPDATE change SET message = NULL WHERE seq = ?1"
			     " AND ?2 = 0",
			     r->seq, 0, 0)
		       : 0;
}
