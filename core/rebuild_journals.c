/* Journals from rows: changes in order, and beside them, each in the order of
 * the changes that made it, what came and went; so that one pass over each
 * table is enough. */
#include "core/rebuild_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/journal.h"
#include "core/untold.h"

#define COMMIT_EVERY 1000 /* changes */

/* What is not the copy that a branch has of what it was made from. */
#define OWN                                                        \
	"(branch = 1 OR born > (SELECT forked_at FROM branch AS b" \
	" WHERE b.id = branch))"

enum cursor_id {
	DIED,
	BORN,
	VERSION,
	XATTR,
	NOXATTR,
	DERIVED,
	GONE,
	BRANCH,
	UNBRANCH,
	MERGED,
	CURSORS
};

/* Column 0 is the change. */
static const char *const cursor_sql[CURSORS] = {
	[DIED] = "SELECT died, parent, name, ino FROM entry"
		 " WHERE died IS NOT NULL AND ino <> 0 ORDER BY died, id",
	[BORN] = "SELECT born, parent, name, ino FROM entry WHERE ino <> 0"
		 " AND " OWN " ORDER BY born, id",
	[VERSION] = "SELECT born, ino, mode, uid, gid, rdev, size, mtime,"
		    " address, target FROM version WHERE " OWN
		    " ORDER BY born, ino",
	[XATTR] = "SELECT born, ino, name, value FROM xattr WHERE " OWN
		  " ORDER BY born, ino, name",
	/* neither those that another value followed, nor those that went with
	 * the last name of their inode */
	[NOXATTR] =
		"SELECT died, ino, name FROM xattr AS x"
		" WHERE died IS NOT NULL AND NOT EXISTS (SELECT 1"
		" FROM xattr AS y WHERE y.branch = x.branch AND y.ino = x.ino"
		" AND y.name = x.name AND y.born = x.died)"
		" AND ((x.branch, x.ino) IN (SELECT branch, ino FROM inode) OR "
		"x.died <"
		" (SELECT max(died) FROM entry AS e WHERE e.branch = x.branch"
		" AND e.ino = x.ino)) ORDER BY died, ino, name",
	[DERIVED] = "SELECT d.seq, d.dir, d.name, d.recipe, d.error,"
		    " d.executable, d.address, d.size, coalesce(r.wall, 0)"
		    " FROM derived AS d LEFT JOIN result AS r"
		    " ON r.recipe = d.recipe ORDER BY d.seq",
	[GONE] = "SELECT gone, ino, born FROM version WHERE gone > 1"
		 " AND branch = 1 ORDER BY gone, ino, born",
	[BRANCH] = "SELECT born, id, parent, forked_at, name FROM branch"
		   " WHERE id <> 1 ORDER BY born",
	[UNBRANCH] = "SELECT removed, id FROM branch WHERE removed <> 0"
		     " ORDER BY removed",
	[MERGED] = "SELECT seq, source, upto FROM merged ORDER BY seq",
};

static const char changes_sql[] =
	"SELECT seq, time, op, uid, pid, program, message, branch FROM change"
	" WHERE seq > ?1 ORDER BY seq LIMIT ?2";

struct cursor {
	struct stmt *st;
	uint64_t seq; /* of the row it stands at; 0: behind the last */
};

struct writer {
	struct db *db;
	struct journal *j;
	struct cursor at[CURSORS];
	uint64_t keep; /* the last change of what is kept: it gets all of it */
};

static int step(struct cursor *c)
{
	int rc = stmt_step(c->st);

	c->seq = rc > 0 ? (uint64_t)stmt_col_int(c->st, 0) : 0;
	return rc < 0 ? rc : 0;
}

static int last_keep(struct writer *w)
{
	struct stmt *st;
	int64_t seq = 0;
	int rc;

	st = db_prepare(w->db,
			"SELECT coalesce(max(seq), 0) FROM change"
			" WHERE op = ?1",
			&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, NS_OP_KEEP);
	rc = stmts_int(st, &seq);
	stmt_free(st);
	w->keep = (uint64_t)seq;
	return MIN(rc, 0);
}

static int start(struct writer *w)
{
	int i, rc = last_keep(w);

	for (i = 0; rc == 0 && i < CURSORS; i++) {
		w->at[i].st = db_prepare(w->db, cursor_sql[i], &rc);
		if (w->at[i].st)
			rc = step(&w->at[i]);
	}
	return rc;
}

static bool column_addr(struct stmt *st, int i, struct addr *ret)
{
	const void *p;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	if (stmt_col_is_null(st, i))
		return false;
	p = stmt_col_blob(st, i, &n);
	if (n != ADDR_LEN)
		return false;
	memcpy(ret->b, p, n);
	return true;
}

static char *column_text(struct stmt *st, int i)
{
	const char *p;
	size_t n;

	if (stmt_col_is_null(st, i))
		return NULL;
	p = stmt_col_blob(st, i, &n);
	return strndup(p, n);
}

static void write_name(struct writer *w, struct stmt *st, bool born)
{
	const char *name;
	size_t n;

	name = stmt_col_blob(st, 2, &n);
	journal_name(w->j, born, (uint64_t)stmt_col_int(st, 1), name, n,
		     (uint64_t)stmt_col_int(st, 3));
}

static void write_version(struct writer *w, struct stmt *st)
{
	CLEANUP_FREE char *target = column_text(st, 9);
	struct ns_attr a = {
		.ino = (uint64_t)stmt_col_int(st, 1),
		.mode = (uint32_t)stmt_col_int(st, 2),
		.uid = (uint32_t)stmt_col_int(st, 3),
		.gid = (uint32_t)stmt_col_int(st, 4),
		.rdev = (uint64_t)stmt_col_int(st, 5),
		.size = (uint64_t)stmt_col_int(st, 6),
		.mtime_ns = stmt_col_int(st, 7),
	};

	if (S_ISDIR(a.mode))
		a.size = 4096;
	column_addr(st, 8, &a.addr);
	journal_inode(w->j, &a, target);
}

static int write_xattr(struct writer *w, struct stmt *st, bool set)
{
	CLEANUP_FREE char *name = column_text(st, 2);
	const void *value = NULL;
	size_t n = 0;

	if (!name)
		return -ENOMEM;
	if (set) {
		value = stmt_col_blob(st, 3, &n);
		if (!value)
			value = "";
	}
	journal_xattr(w->j, (uint64_t)stmt_col_int(st, 1), name, value, n);
	return 0;
}

static void write_derived(struct writer *w, struct stmt *st)
{
	struct result res = {
		.error = (int)stmt_col_int(st, 4),
		.executable = stmt_col_int(st, 5) == OUTPUT_EXECUTABLE,
		.is_dir = stmt_col_int(st, 5) == OUTPUT_DIR,
		.size = (uint64_t)stmt_col_int(st, 7),
		.wall_ns = stmt_col_int(st, 8),
	};
	const char *name;
	size_t n;

	column_addr(st, 3, &res.recipe);
	column_addr(st, 6, &res.addr);
	name = stmt_col_blob(st, 2, &n);
	journal_result(w->j, (uint64_t)stmt_col_int(st, 1), name, n, &res);
}

/* One that was removed has its name put aside. */
static int write_branch(struct writer *w, struct stmt *st)
{
	CLEANUP_FREE char *name = column_text(st, 4);
	struct branch b = {.id = (uint64_t)stmt_col_int(st, 1),
			   .parent = (uint64_t)stmt_col_int(st, 2),
			   .forked_at = (uint64_t)stmt_col_int(st, 3)};

	if (!name)
		return -ENOMEM;
	name[strcspn(name, "\n")] = '\0';
	snprintf(b.name, sizeof(b.name), "%s", name);
	journal_branch(w->j, &b);
	return 0;
}

static int write_row(struct writer *w, enum cursor_id id)
{
	struct stmt *st = w->at[id].st;

	switch (id) {
	case DIED:
	case BORN:
		write_name(w, st, id == BORN);
		return 0;
	case VERSION:
		write_version(w, st);
		return 0;
	case XATTR:
	case NOXATTR:
		return write_xattr(w, st, id == XATTR);
	case DERIVED:
		write_derived(w, st);
		return 0;
	case GONE:
		journal_gone(w->j, (uint64_t)stmt_col_int(st, 1),
			     (uint64_t)stmt_col_int(st, 2));
		return 0;
	case BRANCH:
		return write_branch(w, st);
	case UNBRANCH:
		journal_unbranch(w->j, (uint64_t)stmt_col_int(st, 1));
		return 0;
	case MERGED:
		journal_merged(w->j, (uint64_t)stmt_col_int(st, 1),
			       (uint64_t)stmt_col_int(st, 2));
		return 0;
	case CURSORS:
		break;
	}
	return -EINVAL;
}

static int write_effects(struct writer *w, uint64_t seq)
{
	struct cursor *c;
	int i, rc = 0;

	for (i = 0; i < CURSORS; i++) {
		c = &w->at[i];
		while (rc == 0 && c->seq && c->seq <= seq) {
			/* rows of no change are left out: they are damage */
			if (c->seq == seq)
				rc = write_row(w, (enum cursor_id)i);
			if (rc == 0)
				rc = step(c);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_change(struct writer *w, struct stmt *st, uint64_t *ret_seq)
{
	CLEANUP_FREE char *program = column_text(st, 5);
	CLEANUP_FREE char *message = column_text(st, 6);
	struct ns_by by = {.uid = (uint32_t)stmt_col_int(st, 3),
			   .pid = (uint32_t)stmt_col_int(st, 4),
			   .program = program,
			   .message = message};
	int rc;

	*ret_seq = (uint64_t)stmt_col_int(st, 0);
	journal_set_branch(w->j, (uint64_t)stmt_col_int(st, 7));
	journal_change(w->j, *ret_seq, stmt_col_int(st, 1),
		       (int)stmt_col_int(st, 2), &by);
	rc = write_effects(w, *ret_seq);
	return rc || *ret_seq != w->keep ? rc : untold_keeps(w->db, w->j);
}

/* Some changes behind *seq, and their journal: 1, 0 when there are none. */
static int write_some(struct writer *w, struct stmt *changes, uint64_t *seq)
{
	int rc, n = 0;

	rc = db_begin(w->db);
	if (rc < 0)
		return rc;
	stmt_int(changes, 1, (int64_t)*seq);
	stmt_int(changes, 2, COMMIT_EVERY);
	while ((rc = stmt_step(changes)) > 0) {
		rc = write_change(w, changes, seq);
		if (rc < 0)
			break;
		n++;
	}
	stmt_reset(changes);
	if (rc == 0)
		rc = db_commit(w->db);
	return rc < 0 ? rc : n > 0;
}

int rebuild_journals(struct db *db, struct journal *j,
		     void (*progress)(void *ctx, uint64_t seq), void *ctx)
{
	struct writer w = {.db = db, .j = j};
	struct stmt *changes;
	uint64_t seq = 0;
	int rc, i;

	changes = db_prepare(db, changes_sql, &rc);
	if (!changes)
		return rc;
	rc = start(&w);
	if (rc == 0)
		rc = db_begin(db);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM journal");
	if (rc == 0)
		rc = db_run(db, "DELETE FROM batch");
	/* it is another log from here on */
	if (rc == 0)
		rc = db_run(db, "DELETE FROM tile");
	if (rc == 0)
		rc = db_run(db, "DELETE FROM head");
	/* no row has what was forgotten in the old one */
	if (rc == 0)
		rc = db_run(db, "UPDATE forgotten SET seq = 0");
	while (rc == 0 && (rc = write_some(&w, changes, &seq)) > 0) {
		if (progress)
			progress(ctx, seq);
		rc = 0;
	}
	stmt_free(changes);
	for (i = 0; i < CURSORS; i++)
		stmt_free(w.at[i].st);
	return rc;
}
