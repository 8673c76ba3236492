#include "core/ns_touched.h"

#include <errno.h>

#include "core/ns_internal.h"

/* Rows of a branch are few, and read one after the other; main has all the
 * others, and is asked by the changes since. */

enum { OWN_NAMES, DIRS, NAMES_IN, INODES, MARKED, N_STMTS };

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[OWN_NAMES] =
		"SELECT DISTINCT parent, name FROM entry INDEXED BY entry_ino"
		" WHERE branch = ?1 AND (born > ?2 OR died > ?2)",
	[DIRS] =
		"SELECT dir FROM change WHERE seq > ?2 AND branch = ?1"
		" AND dir IS NOT NULL"
		" UNION SELECT dir2 FROM change WHERE seq > ?2 AND branch = ?1"
		" AND dir2 IS NOT NULL"
		" UNION SELECT dir FROM change_more INDEXED BY change_more_seq"
		" WHERE seq > ?2 AND branch = ?1",
	[NAMES_IN] =
		"SELECT DISTINCT name FROM entry WHERE branch = ?1"
		" AND parent = ?3 AND (born > ?2 OR died > ?2)",
	[INODES] =
		"SELECT DISTINCT ino FROM version INDEXED BY version_born"
		" WHERE branch = ?1 AND born > ?2",
	[MARKED] =
		"SELECT DISTINCT ino FROM xattr"
		" WHERE branch = ?1 AND (born > ?2 OR died > ?2)",
};
/* clang-format on */

struct touched {
	struct db *db;
	uint64_t branch, since;
	int (*name)(void *ctx, uint64_t dir, const char *name, size_t len);
	int (*inode)(void *ctx, uint64_t ino);
	void *ctx;
};

static struct stmt *prepare(const struct touched *t, int which, int *ret_rc)
{
	struct stmt *st = db_prepare(t->db, sql[which], ret_rc);

	if (st) {
		stmt_int(st, 1, (int64_t)t->branch);
		stmt_int(st, 2, (int64_t)t->since);
	}
	return st;
}

static int own_names(const struct touched *t)
{
	const char *name;
	struct stmt *st;
	uint64_t dir;
	size_t n;
	int rc;

	st = prepare(t, OWN_NAMES, &rc);
	while (st && (rc = stmt_step(st)) > 0) {
		dir = (uint64_t)stmt_col_int(st, 0);
		name = stmt_col_blob(st, 1, &n);
		rc = t->name(t->ctx, dir, name, n);
		if (rc != 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int names_in(const struct touched *t, uint64_t dir)
{
	const char *name;
	struct stmt *st;
	size_t n;
	int rc;

	st = prepare(t, NAMES_IN, &rc);
	if (st)
		stmt_int(st, 3, (int64_t)dir);
	while (st && (rc = stmt_step(st)) > 0) {
		name = stmt_col_blob(st, 0, &n);
		rc = t->name(t->ctx, dir, name, n);
		if (rc != 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int names_by_dir(const struct touched *t)
{
	struct stmt *st;
	int rc;

	st = prepare(t, DIRS, &rc);
	while (st && (rc = stmt_step(st)) > 0) {
		rc = names_in(t, (uint64_t)stmt_col_int(st, 0));
		if (rc != 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int inodes(const struct touched *t, int which)
{
	struct stmt *st;
	int rc;

	st = prepare(t, which, &rc);
	while (st && (rc = stmt_step(st)) > 0) {
		rc = t->inode(t->ctx, (uint64_t)stmt_col_int(st, 0));
		if (rc != 0)
			break;
	}
	stmt_free(st);
	return rc;
}

static int touched_in(const struct touched *t)
{
	int rc = t->branch == 1 ? names_by_dir(t) : own_names(t);

	if (rc == 0)
		rc = inodes(t, INODES);
	return rc != 0 ? rc : inodes(t, MARKED);
}

int ns_touched(struct ns *ns, uint64_t since,
	       int (*name)(void *ctx, uint64_t dir, const char *name,
			   size_t len),
	       int (*inode)(void *ctx, uint64_t ino), void *ctx)
{
	struct touched t = {.db = ns->db,
			    .since = since,
			    .name = name,
			    .inode = inode,
			    .ctx = ctx};
	int rc;

	/* from the branch down to the one in which that change lies */
	do {
		t.branch = ns->branch;
		rc = touched_in(&t);
		if (!ns->base || since >= ns->fork)
			break;
		ns = ns->base;
	} while (rc == 0);
	return rc;
}
