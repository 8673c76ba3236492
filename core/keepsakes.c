#include "core/keepsakes.h"

#include <errno.h>

#include "core/clock.h"
#include "core/journal.h"

/* Used now and then by a person: prepared each time. */
static struct stmt *prepare(struct db *db, bool write, const char *sql,
			    int *ret_rc)
{
	*ret_rc = write ? db_begin(db) : 0;
	return *ret_rc < 0 ? NULL : db_prepare(db, sql, ret_rc);
}

static int run(struct db *db, struct stmt *st)
{
	int rc = stmt_run(st);

	stmt_free(st);
	return rc < 0 ? rc : db_changes(db) > 0;
}

/* --- snapshots ----------------------------------------------------------- */

/* What is a moment already cannot be a name for one. */
static bool name_valid(const char *name)
{
	const unsigned char *p;
	uint64_t seq;
	int64_t ns;

	if (!*name || strlen(name) > 255 || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return false;
	for (p = (const unsigned char *)name; *p; p++)
		if (*p < 0x20 || *p == 0x7f || *p == '/')
			return false;
	return time_parse(name, clock_now_ns(), &ns, &seq, NULL) < 0;
}

/* What is written by a change. */
struct row {
	struct db *db;
	const char *name; /* of a snapshot */
	uint64_t seq;
	int64_t time_ns;
	const struct pin *pin;
	uint64_t branch; /* of a pin that goes */
	const char *path;
};

static int put_snapshot(struct db *db, const char *name, uint64_t seq,
			int64_t time_ns, const char *sql)
{
	struct stmt *st;
	int rc;

	st = prepare(db, true, sql, &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, name, strlen(name));
	stmt_int(st, 2, (int64_t)seq);
	stmt_int(st, 3, time_ns);
	return run(db, st);
}

int snapshot_restore(struct db *db, const char *name, uint64_t seq,
		     int64_t time_ns)
{
	return MIN(put_snapshot(db, name, seq, time_ns,
				"INSERT OR REPLACE INTO snapshot(name, seq,"
				" time) VALUES (?1, ?2, ?3)"),
		   0);
}

static int snapshot_rows(void *ctx, uint64_t seq)
{
	const struct row *r = ctx;

	(void)seq;
	return put_snapshot(r->db, r->name, r->seq, r->time_ns,
			    "INSERT INTO snapshot(name, seq, time)"
			    " VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");
}

int snapshot_add(struct ns *ns, const struct ns_by *by, const char *name,
		 uint64_t seq, int64_t time_ns)
{
	struct row r = {.db = ns_db(ns),
			.name = name,
			.seq = seq,
			.time_ns = time_ns};
	int rc;

	if (!name_valid(name))
		return -EINVAL;
	rc = ns_change_rows(ns, by, NS_OP_KEEP, snapshot_rows, &r);
	if (rc <= 0)
		return rc < 0 ? rc : -EEXIST;
	journal_snapshot(ns_journal(ns), name, seq, time_ns);
	return 0;
}

int snapshot_find(struct db *db, const char *name, uint64_t *ret_seq)
{
	struct stmt *st;
	int rc;

	st = prepare(db, false, "SELECT seq FROM snapshot WHERE name = ?1",
		     &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, name, strlen(name));
	rc = stmt_step(st);
	if (rc > 0)
		*ret_seq = (uint64_t)stmt_col_int(st, 0);
	stmt_free(st);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

/* Rows are taken down before anybody is called back. */
static int each(struct stmt *st, int (*row)(void *ctx, struct stmt *st),
		void *ctx)
{
	int rc;

	while ((rc = stmt_step(st)) > 0) {
		rc = row(ctx, st);
		if (rc)
			break;
	}
	stmt_free(st);
	return rc;
}

static int text(struct stmt *st, int i, struct buf *ret)
{
	const void *p;
	size_t n;

	buf_reset(ret);
	p = stmt_col_blob(st, i, &n);
	buf_add(ret, p, n);
	return buf_err(ret);
}

struct snapshot_walk {
	int (*fn)(void *ctx, const char *name, uint64_t seq, int64_t time_ns);
	void *ctx;
	struct buf name;
};

static int snapshot_row(void *ctx, struct stmt *st)
{
	struct snapshot_walk *w = ctx;
	int rc = text(st, 0, &w->name);

	return rc ? rc
		  : w->fn(w->ctx, buf_cstr(&w->name),
			  (uint64_t)stmt_col_int(st, 1), stmt_col_int(st, 2));
}

int snapshots_each(struct db *db,
		   int (*fn)(void *ctx, const char *name, uint64_t seq,
			     int64_t time_ns),
		   void *ctx)
{
	struct snapshot_walk w = {.fn = fn, .ctx = ctx};
	struct stmt *st;
	int rc;

	st = prepare(db, false,
		     "SELECT name, seq, time FROM snapshot ORDER BY seq, name",
		     &rc);
	if (!st)
		return rc;
	rc = each(st, snapshot_row, &w);
	buf_done(&w.name);
	return rc;
}

/* --- pins ---------------------------------------------------------------- */

int pin_restore(struct db *db, const struct pin *p)
{
	struct stmt *st;
	int rc;

	st = prepare(db, true,
		     "INSERT OR REPLACE INTO pin(path, dir, name, ino, seq,"
		     " time, branch) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		     &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, p->path, strlen(p->path));
	stmt_int(st, 2, (int64_t)p->dir);
	stmt_blob(st, 3, p->name, strlen(p->name));
	stmt_int(st, 4, (int64_t)p->ino);
	stmt_int(st, 5, (int64_t)p->seq);
	stmt_int(st, 6, p->time_ns);
	stmt_int(st, 7, (int64_t)p->branch);
	rc = run(db, st);
	return rc < 0 ? rc : 0;
}

static int pin_rows(void *ctx, uint64_t seq)
{
	const struct row *r = ctx;
	int rc = pin_restore(r->db, r->pin);

	(void)seq;
	return rc < 0 ? rc : 1;
}

int pin_add(struct ns *ns, const struct ns_by *by, const struct pin *p)
{
	struct pin own = *p;
	struct row r = {.db = ns_db(ns), .pin = &own};
	int rc;

	own.branch = ns_branch(ns);
	rc = ns_change_rows(ns, by, NS_OP_KEEP, pin_rows, &r);

	if (rc < 0)
		return rc;
	journal_pin(ns_journal(ns), p);
	return 0;
}

static int remove_pin(struct db *db, uint64_t branch, const char *path)
{
	struct stmt *st;
	int rc;

	st = prepare(db, true,
		     "DELETE FROM pin WHERE branch = ?2 AND path = ?1", &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, path, strlen(path));
	stmt_int(st, 2, (int64_t)branch);
	return run(db, st);
}

int pin_unrestore(struct db *db, uint64_t branch, const char *path)
{
	return MIN(remove_pin(db, branch, path), 0);
}

static int unpin_rows(void *ctx, uint64_t seq)
{
	const struct row *r = ctx;

	(void)seq;
	return remove_pin(r->db, r->branch, r->path);
}

int pin_remove(struct ns *ns, const struct ns_by *by, const char *path)
{
	struct row r = {.db = ns_db(ns), .branch = ns_branch(ns), .path = path};
	int rc = ns_change_rows(ns, by, NS_OP_KEEP, unpin_rows, &r);

	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	journal_unpin(ns_journal(ns), path);
	return 0;
}

struct pin_walk {
	int (*fn)(void *ctx, const struct pin *p);
	void *ctx;
	struct buf path, name;
};

static int pin_row(void *ctx, struct stmt *st)
{
	struct pin_walk *w = ctx;
	struct pin p = {
		.dir = (uint64_t)stmt_col_int(st, 1),
		.ino = (uint64_t)stmt_col_int(st, 3),
		.seq = (uint64_t)stmt_col_int(st, 4),
		.time_ns = stmt_col_int(st, 5),
		.branch = (uint64_t)stmt_col_int(st, 6),
	};
	int rc = text(st, 0, &w->path);

	if (!rc)
		rc = text(st, 2, &w->name);
	p.path = buf_cstr(&w->path);
	p.name = buf_cstr(&w->name);
	return rc ? rc : w->fn(w->ctx, &p);
}

int pins_each(struct db *db, int (*fn)(void *ctx, const struct pin *p),
	      void *ctx)
{
	struct pin_walk w = {.fn = fn, .ctx = ctx};
	struct stmt *st;
	int rc;

	st = prepare(db, false,
		     "SELECT path, dir, name, ino, seq, time, branch FROM pin"
		     " ORDER BY branch, path",
		     &rc);
	if (!st)
		return rc;
	rc = each(st, pin_row, &w);
	buf_done(&w.path);
	buf_done(&w.name);
	return rc;
}

int pin_holds(struct db *db, uint64_t dir, const char *name, size_t len)
{
	struct stmt *st;
	int rc;

	st = prepare(db, false,
		     "SELECT 1 FROM pin WHERE dir = ?1 AND name = ?2", &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	rc = stmt_step(st);
	stmt_free(st);
	return rc < 0 ? rc : rc > 0;
}

int pins_hold_dir(struct db *db, uint64_t ino)
{
	struct stmt *st;
	int rc;

	st = prepare(db, false, "SELECT 1 FROM pin WHERE ino = ?1", &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	rc = stmt_step(st);
	stmt_free(st);
	return rc < 0 ? rc : rc > 0;
}
