#include "core/branch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/eager.h"
#include "core/journal.h"
#include "core/ns_internal.h"

/* A name that was removed is put aside behind a newline, which no name has, so
 * that going back after a power cut finds it again.
 *
 * Numbers are never given out again, as changes and journals go on naming them
 * when the rows of a branch have gone. */

/* What was merged into a branch that is no more is nowhere. */
#define COLUMNS                                                         \
	"id, name, coalesce(parent, 0), coalesce(forked_at, 0), born, " \
	"removed, coalesce((SELECT max(m.upto) FROM merged AS m"        \
	" WHERE m.source = branch.id AND m.branch IN (SELECT b.id"      \
	" FROM branch AS b WHERE b.removed = 0)), 0)"

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

int branch_check_name(const char *name, struct err *err)
{
	size_t n = strlen(name), i;
	const char *why = NULL;

	if (!n || n > BRANCH_NAME_MAX)
		why = "it has 1 to 200 bytes";
	else if (*name == '-' || *name == '.' || *name == '@')
		why = "it does not begin with - or . or @";
	else if (*name == '/' || name[n - 1] == '/' || strstr(name, "//"))
		why = "slashes stand between something";
	for (i = 0; !why && i < n; i++)
		if ((unsigned char)name[i] <= 0x20 || name[i] == 0x7f ||
		    strchr(",:\\\"'*?", name[i]))
			why = "it has neither blanks nor any of , : \\ \" ' * "
			      "?";
	return why ? err_set(err, -EINVAL, "`%s` cannot name a branch: %s",
			     name, why)
		   : 0;
}

/* --- reading ------------------------------------------------------------- */

static void column_branch(struct stmt *st, struct branch *ret)
{
	struct branch b = {
		.id = (uint64_t)stmt_col_int(st, 0),
		.parent = (uint64_t)stmt_col_int(st, 2),
		.forked_at = (uint64_t)stmt_col_int(st, 3),
		.born = (uint64_t)stmt_col_int(st, 4),
		.removed = (uint64_t)stmt_col_int(st, 5),
		.merged = (uint64_t)stmt_col_int(st, 6),
	};
	const void *p;
	size_t n;

	p = stmt_col_blob(st, 1, &n);
	n = MIN(n, sizeof(b.name) - 1);
	memcpy(b.name, p, n);
	*ret = b;
}

/* A statement that is bound. */
static int one(struct stmt *st, struct branch *ret)
{
	int rc = stmt_step(st);

	if (rc > 0)
		column_branch(st, ret);
	stmt_free(st);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

int branch_get(struct db *db, uint64_t id, struct branch *ret)
{
	struct stmt *st;
	int rc;

	st = prepare(db, false, "SELECT " COLUMNS " FROM branch WHERE id = ?1",
		     &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)id);
	return one(st, ret);
}

int branch_find(struct db *db, const char *name, struct branch *ret)
{
	struct stmt *st;
	int rc;

	st = prepare(db, false,
		     "SELECT " COLUMNS " FROM branch WHERE name = ?1"
		     " AND removed = 0",
		     &rc);
	if (!st)
		return rc;
	stmt_text(st, 1, name, strlen(name));
	return one(st, ret);
}

int branches_each(struct db *db, int (*fn)(void *ctx, const struct branch *b),
		  void *ctx)
{
	struct branch b;
	struct stmt *st;
	int rc;

	st = prepare(db, false,
		     "SELECT " COLUMNS " FROM branch WHERE removed = 0"
		     " ORDER BY name",
		     &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		column_branch(st, &b);
		rc = fn(ctx, &b);
		if (rc)
			break;
	}
	stmt_free(st);
	return rc;
}

static int number(struct db *db, const char *sql, uint64_t a, uint64_t b,
		  uint64_t *ret)
{
	struct stmt *st;
	int64_t n = 0;
	int rc;

	st = prepare(db, false, sql, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a);
	stmt_int(st, 2, (int64_t)b);
	rc = stmts_int(st, &n);
	stmt_free(st);
	if (rc > 0)
		*ret = (uint64_t)n;
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

/* What changes a tree: 1 to 7 of enum ns_op. */
int branch_changes(struct db *db, const struct branch *b, uint64_t *ret)
{
	return number(db,
		      "SELECT count(*) FROM change WHERE seq > ?2"
		      " AND branch = ?1 AND op < 8",
		      b->id, MAX(b->merged, b->forked_at), ret);
}

int branch_last(struct db *db, const struct branch *b, uint64_t *ret)
{
	return number(db,
		      "SELECT coalesce(max(seq), ?2) FROM change"
		      " WHERE branch = ?1 AND op < 8",
		      b->id, b->forked_at, ret);
}

/* --- rows ---------------------------------------------------------------- */

static int put(struct db *db, const char *sql, const struct branch *b,
	       const struct totals *t)
{
	struct stmt *st;
	int rc;

	st = prepare(db, true, sql, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)b->id);
	stmt_text(st, 2, b->name, strlen(b->name));
	stmt_int(st, 3, (int64_t)b->parent);
	stmt_int(st, 4, (int64_t)b->forked_at);
	stmt_int(st, 5, (int64_t)b->born);
	stmt_int(st, 6, (int64_t)t->files);
	stmt_int(st, 7, (int64_t)t->dirs);
	stmt_int(st, 8, (int64_t)t->links);
	stmt_int(st, 9, (int64_t)t->bytes);
	return run(db, st);
}

#define INSERT                                                                \
	"INSERT INTO branch(id, name, parent, forked_at, born, files, dirs, " \
	"links, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"

/* Totals follow when all is there (core/rebuild_end.c). Again: another name. */
int branch_restore(struct db *db, const struct branch *b)
{
	const struct totals none = {0};
	int rc = put(db, INSERT " ON CONFLICT(id) DO UPDATE SET name = ?2", b,
		     &none);

	return MIN(rc, 0);
}

int branch_unrestore(struct db *db, uint64_t id, uint64_t seq)
{
	struct stmt *st;
	int rc;

	st = prepare(
		db, true,
		"UPDATE branch SET removed = ?2, name = name ||"
		" char(10) || id WHERE id = ?1 AND removed = 0 AND id <> 1",
		&rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)id);
	stmt_int(st, 2, (int64_t)seq);
	return run(db, st);
}

static int set_name(struct db *db, uint64_t id, const char *name)
{
	struct stmt *st;
	int rc;

	st = prepare(db, true, "UPDATE branch SET name = ?2 WHERE id = ?1",
		     &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)id);
	stmt_text(st, 2, name, strlen(name));
	return run(db, st);
}

/* --- changes ------------------------------------------------------------- */

struct row {
	struct db *db;
	struct branch *b;
	struct totals totals;
	const char *name;
};

static int make_row(void *ctx, uint64_t seq)
{
	struct row *r = ctx;
	int rc = number(r->db,
			"SELECT seq + 1 + 0 * (?1 + ?2) FROM sqlite_sequence"
			" WHERE name = 'branch'",
			0, 0, &r->b->id);

	r->b->born = seq;
	if (rc >= 0)
		rc = put(r->db, INSERT " ON CONFLICT DO NOTHING", r->b,
			 &r->totals);
	if (rc <= 0)
		return rc;
	rc = eager_inherit(r->db, r->b->parent, r->b->id);
	return rc < 0 ? rc : 1;
}

/* The branch that a moment is of: one made later has it from its parent. */
static struct ns *find_parent(struct ns *ns, uint64_t at, struct branch *b)
{
	while (ns_before(ns, at))
		ns = ns->base;
	b->parent = ns->branch;
	b->forked_at = at;
	return ns;
}

int branch_make(struct ns *ns, const struct ns_by *by, const char *name,
		uint64_t at, struct branch *ret)
{
	struct branch b = {0}, other;
	struct row r = {.db = ns->db, .b = &b};
	struct ns_attr root;
	struct ns *parent;
	uint64_t last;
	int rc = branch_check_name(name, NULL);

	if (rc == 0)
		rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_settle_dir(ns);
	if (rc < 0)
		return rc;
	rc = branch_find(ns->db, name, &other);
	if (rc != -ENOENT)
		return rc < 0 ? rc : -EEXIST;
	last = ns_last_change(ns);
	at = MIN(at, last);
	parent = find_parent(ns, at, &b);
	rc = ns_getattr(parent, at, NS_ROOT, &root);
	if (rc == 0)
		rc = at < last ? ns_totals_at(parent, at, &r.totals)
			       : ns_totals(parent, &r.totals);
	if (rc < 0)
		return rc;
	snprintf(b.name, sizeof(b.name), "%s", name);
	rc = ns_change_rows(ns, by, NS_OP_BRANCH, make_row, &r);
	if (rc <= 0)
		return rc < 0 ? rc : -EEXIST;
	journal_branch(ns->journal, &b);
	*ret = b;
	return 0;
}

static int remove_row(void *ctx, uint64_t seq)
{
	struct row *r = ctx;

	return branch_unrestore(r->db, r->b->id, seq);
}

int branch_remove(struct ns *ns, const struct ns_by *by, const char *name)
{
	struct branch b;
	struct row r = {.db = ns->db, .b = &b};
	int rc = ns_enter(ns);

	if (rc == 0)
		rc = branch_find(ns->db, name, &b);
	if (rc == 0 && b.id == BRANCH_MAIN)
		rc = -EBUSY;
	if (rc < 0)
		return rc;
	rc = ns_change_rows(ns, by, NS_OP_BRANCH, remove_row, &r);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	journal_unbranch(ns->journal, b.id);
	return 0;
}

static int rename_row(void *ctx, uint64_t seq)
{
	struct row *r = ctx;

	(void)seq;
	return set_name(r->db, r->b->id, r->name);
}

int branch_rename(struct ns *ns, const struct ns_by *by, const char *name,
		  const char *to)
{
	struct branch b, other;
	struct row r = {.db = ns->db, .b = &b, .name = to};
	int rc = branch_check_name(to, NULL);

	if (rc == 0)
		rc = ns_enter(ns);
	if (rc == 0)
		rc = branch_find(ns->db, name, &b);
	if (rc < 0)
		return rc;
	/* others go by its name */
	if (b.id == BRANCH_MAIN)
		return -EBUSY;
	rc = branch_find(ns->db, to, &other);
	if (rc != -ENOENT)
		return rc < 0 ? rc : -EEXIST;
	rc = ns_change_rows(ns, by, NS_OP_BRANCH, rename_row, &r);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	snprintf(b.name, sizeof(b.name), "%s", to);
	journal_branch(ns->journal, &b);
	return 0;
}

/* --- going --------------------------------------------------------------- */

/* clang-format off */
static const char *const all_rows[] = {
	"DELETE FROM entry WHERE branch = #B",
	"DELETE FROM inode WHERE branch = #B",
	"DELETE FROM version WHERE branch = #B",
	"DELETE FROM xattr WHERE branch = #B",
	"DELETE FROM orphan WHERE branch = #B",
	"DELETE FROM derived WHERE branch = #B",
	"DELETE FROM pin WHERE branch = #B",
	"DELETE FROM eager WHERE branch = #B",
	"DELETE FROM change_more WHERE branch = #B",
	"DELETE FROM branch WHERE id = #B",
};
/* clang-format on */

/* Rows that count for the store's number of versions: copies do not. */
static int forget_versions(struct db *db, const struct branch *b)
{
	CLEANUP_FREE char *sql = NULL;

	if (asprintf(&sql,
		     "UPDATE counter SET versions = versions - (SELECT"
		     " count(*) FROM version WHERE branch = %" PRIu64
		     " AND born > %" PRIu64 ")",
		     b->id, b->forked_at) < 0)
		return -ENOMEM;
	return db_run(db, sql);
}

static int delete_branch(struct db *db, const struct branch *b)
{
	size_t i;
	int rc = forget_versions(db, b);

	for (i = 0; rc >= 0 && i < ARRAY_LEN(all_rows); i++) {
		CLEANUP_FREE char *sql = NULL;

		rc = stmts_text(all_rows[i], b->id, &sql);
		if (rc >= 0)
			rc = db_run(db, sql);
	}
	return MIN(rc, 0);
}

/* Those that a statement finds, one after the other. */
static int delete_all(struct db *db, const char *sql, uint64_t seq)
{
	struct branch b;
	struct stmt *st;
	int rc, n = 0;

	for (;; n++) {
		st = prepare(db, true, sql, &rc);
		if (!st)
			return rc;
		stmt_int(st, 1, (int64_t)seq);
		rc = one(st, &b);
		if (rc < 0)
			return rc == -ENOENT ? n > 0 : rc;
		rc = delete_branch(db, &b);
		if (rc < 0)
			return rc;
	}
}

int branches_sweep(struct db *db, uint64_t durable)
{
	return delete_all(db,
			  "SELECT " COLUMNS " FROM branch WHERE id <> 1"
			  " AND removed <> 0 AND removed <= ?1 AND id NOT IN"
			  " (SELECT parent FROM branch"
			  " WHERE parent IS NOT NULL) LIMIT 1",
			  durable);
}

int branches_back(struct db *db, uint64_t to)
{
	struct stmt *st;
	int rc = delete_all(db,
			    "SELECT " COLUMNS " FROM branch WHERE id <> 1"
			    " AND born > ?1 LIMIT 1",
			    to);

	if (rc < 0)
		return rc;
	/* one that was renamed meanwhile may have the name: with the number
	 * behind it there is none like it */
	st = prepare(db, true,
		     "UPDATE branch SET removed = 0, name = (SELECT CASE WHEN"
		     " EXISTS (SELECT 1 FROM branch AS o WHERE o.name = n)"
		     " THEN n || '#' || id ELSE n END FROM (SELECT"
		     " substr(name, 1, instr(name, char(10)) - 1) AS n))"
		     " WHERE removed > ?1",
		     &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)to);
	return MIN(run(db, st), 0);
}
