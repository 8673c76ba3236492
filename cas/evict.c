#include "cas/evict.h"

#include <errno.h>
#include <unistd.h>

#include "cas/addrset.h"
#include "cas/dir.h"
#include "cas/holds.h"
#include "core/journal.h"
#include "core/ns.h"

#define ROWS 64 /* written at a time */

/* --- what a directory holds ---------------------------------------------- */

struct walk {
	struct addrset *seen;
	struct buf todo; /* addresses of directories */
	int (*entry)(void *ctx, const struct dir_entry *e);
	void *ctx;
};

static int visit(void *ctx, const struct dir_entry *e)
{
	struct walk *w = ctx;
	int rc;

	if (e->type != DIR_DIR && e->type != DIR_FILE && e->type != DIR_EXEC)
		return 0;
	rc = addrset_add(w->seen, &e->addr);
	if (rc <= 0)
		return rc;
	rc = w->entry(w->ctx, e);
	if (rc || e->type != DIR_DIR)
		return rc;
	buf_add(&w->todo, e->addr.b, ADDR_LEN);
	return buf_err(&w->todo);
}

/* Each content and each directory once, at whatever depth. */
static int walk_all(struct store *s, const struct addr *root,
		    int (*entry)(void *ctx, const struct dir_entry *e),
		    void *ctx)
{
	struct walk w = {.entry = entry, .ctx = ctx};
	struct addr a = *root;
	int rc = addrset_new(store_drafts_fd(s), 0, &w.seen);

	while (!rc) {
		rc = dir_each(s, &a, visit, &w);
		if (rc || !w.todo.len)
			break;
		w.todo.len -= ADDR_LEN;
		memcpy(a.b, w.todo.data + w.todo.len, ADDR_LEN);
	}
	addrset_free(w.seen);
	buf_done(&w.todo);
	return rc;
}

static int add_size(void *ctx, const struct dir_entry *e)
{
	uint64_t *sum = ctx;

	if (e->type == DIR_DIR)
		return 0;
	if (e->size > INT64_MAX - *sum)
		return -EBADMSG;
	*sum += e->size;
	return 0;
}

/* 0, and UINT64_MAX when it cannot be read. */
static int measure(struct store *s, const struct addr *root, uint64_t *ret)
{
	uint64_t sum = 0;
	int rc = walk_all(s, root, add_size, &sum);

	if (rc == -ENOENT || rc == -EBADMSG || rc == -EINVAL || rc == -EIO) {
		sum = UINT64_MAX;
		rc = 0;
	}
	*ret = sum;
	return rc;
}

static int measured(struct db *db, const struct budget_row *rows,
		    const uint64_t *bytes, int n)
{
	int i, end, rc = 0;

	db_lock(db);
	for (i = 0; !rc && i < n; i++)
		rc = budget_known(db, &rows[i], bytes[i]);
	end = db_commit(db);
	db_unlock(db);
	return rc ? rc : end;
}

int evict_measure(struct store *s, bool (*stop)(void *ctx), void *ctx)
{
	struct db *db = store_db(s);
	struct budget_row rows[ROWS];
	uint64_t bytes[ROWS];
	int n, i, rc = 0;

	do {
		db_lock(db);
		n = budget_unknown(db, rows, ROWS);
		db_unlock(db);
		for (i = 0; !rc && i < n; i++)
			rc = stop && stop(ctx)
				     ? -ECANCELED
				     : measure(s, &rows[i].addr, &bytes[i]);
		if (n <= 0 || rc)
			return n < 0 ? n : rc;
		rc = measured(db, rows, bytes, n);
	} while (!rc);
	return rc;
}

/* --- letting go ---------------------------------------------------------- */

struct evict {
	struct store *s;
	const struct evict_options *o;
	struct survey *survey;
	struct eviction sums;
	struct budget_row rows[ROWS];
	uint64_t pending; /* bytes of rows that are not written yet */
	int nrows;
};

static int is_kept(void *ctx, const struct dir_entry *e)
{
	struct evict *x = ctx;

	return survey_keeps(x->survey, &e->addr);
}

/* Also what lies in a directory. What cannot be read goes: it is made again. */
static int is_open(struct evict *x, const struct budget_row *row)
{
	int rc;

	if (survey_keeps(x->survey, &row->addr))
		return 1;
	if (!row->is_dir)
		return 0;
	rc = walk_all(x->s, &row->addr, is_kept, x);
	return rc == -ENOENT || rc == -EBADMSG || rc == -EINVAL || rc == -EIO
		       ? 0
		       : rc;
}

static int went(struct evict *x, const struct budget_row *row)
{
	x->sums.results++;
	x->sums.bytes += row->bytes;
	x->sums.kept -= MIN(row->bytes, x->sums.kept);
	return x->o->gone ? x->o->gone(x->o->ctx, row) : 0;
}

struct going {
	struct db *db;
	const struct budget_row *row;
};

static int let_go(void *ctx, uint64_t seq)
{
	const struct going *g = ctx;

	(void)seq;
	return budget_let_go(g->db, g->row);
}

/* A change of its own, so that each is told by itself. Which names hold it is
 * not known here. */
static int write_row(struct evict *x, const struct budget_row *row)
{
	const struct ns_by by = {.uid = (uint32_t)geteuid(),
				 .pid = (uint32_t)getpid(),
				 .program = "deriva gc"};
	struct going g = {store_db(x->s), row};
	int rc = ns_change_rows(x->o->ns, &by, NS_OP_FORGET, let_go, &g);

	if (rc <= 0)
		return rc;
	journal_dropped(ns_journal(x->o->ns), 0, NULL, 0, &row->recipe);
	return went(x, row);
}

static int write_rows(struct evict *x)
{
	struct db *db = store_db(x->s);
	int i, end, rc = 0;

	db_lock(db);
	for (i = 0; rc >= 0 && i < x->nrows; i++)
		rc = write_row(x, &x->rows[i]);
	end = db_commit(db);
	db_unlock(db);
	x->nrows = 0;
	x->pending = 0;
	return rc < 0 ? rc : end;
}

static bool enough(const struct evict *x)
{
	return x->sums.kept <= x->o->budget + x->pending;
}

static int on_row(void *ctx, const struct budget_row *row)
{
	struct evict *x = ctx;
	int rc;

	if (x->o->stop && x->o->stop(x->o->ctx))
		return -ECANCELED;
	rc = is_open(x, row);
	if (rc)
		return MIN(rc, 0);
	if (x->o->dry) {
		rc = went(x, row);
		return rc ? rc : enough(x);
	}
	x->rows[x->nrows++] = *row;
	x->pending += row->bytes;
	if (x->nrows == ROWS || enough(x))
		rc = write_rows(x);
	return rc ? rc : enough(x);
}

int evict_run(struct store *s, struct db *reader, const struct evict_options *o,
	      struct eviction *ret)
{
	CLEANUP_FREE struct evict *x = calloc(1, sizeof(*x));
	struct db *db = store_db(s);
	int rc, end;

	if (!x)
		return -ENOMEM;
	x->s = s;
	x->o = o;
	db_lock(db);
	rc = budget_kept(db, &x->sums.kept);
	db_unlock(db);
	if (!rc && o->budget && !enough(x)) {
		rc = survey_new(store_holds(s), &x->survey);
		if (!rc)
			rc = budget_each(reader, on_row, x);
		if (x->nrows) { /* others were used meanwhile */
			end = write_rows(x);
			rc = rc ? rc : end;
		}
		survey_free(x->survey);
	}
	*ret = x->sums;
	return rc;
}
