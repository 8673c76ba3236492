#include "core/forget.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/map.h"
#include "core/retention.h"
#include "core/stmts.h"
#include "core/trail.h"

#define KEPT_LINES 10

enum { VERSIONS, END, NAMES, CHILDREN, DEAD_CHILDREN, XATTRS, N_STMTS };

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[VERSIONS] =
		"SELECT born, content, gone, address IS NULL AND target IS NULL,"
		" size FROM version WHERE branch = 1 AND ino = ?1"
		" ORDER BY born",
	[END] =
		"SELECT max(coalesce(died, 9223372036854775807))"
		" FROM entry INDEXED BY entry_ino WHERE branch = 1 AND ino = ?1",
	[NAMES] =
		"SELECT parent, born, died FROM entry INDEXED BY entry_ino"
		" WHERE branch = 1 AND ino = ?1 AND died IS NOT NULL"
		" AND died <= ?2",
	[CHILDREN] =
		"SELECT ino, born, 9223372036854775807"
		" FROM entry INDEXED BY entry_present"
		" WHERE branch = 1 AND parent = ?1 AND died IS NULL",
	[DEAD_CHILDREN] =
		"SELECT ino, born, died FROM entry INDEXED BY entry_past"
		" WHERE branch = 1 AND parent = ?1 AND died IS NOT NULL",
	[XATTRS] =
		"SELECT name, born, died FROM xattr WHERE branch = 1"
		" AND ino = ?1 AND died <= ?2 AND length(value) > 0"
		" AND substr(name, 1, 5) = x'757365722e'",
};
/* clang-format on */

/* An inode, and until when it had the path. */
struct visit {
	uint64_t ino, born, until;
};

struct planner {
	struct ns *ns;
	struct stmts stmts;
	struct shown *shown;
	struct forget_plan *p;
	uint64_t before;
	bool names;
	struct map *seen; /* inodes, with until when */
	struct buf todo;  /* struct visit */
	struct buf rows;
};

/* --- items ---------------------------------------------------------------- */

static uint64_t hash_name(const void *p, size_t n)
{
	const uint8_t *s = p;
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	while (n--)
		h = (h ^ *s++) * UINT64_C(1099511628211);
	return h;
}

static void add_item(struct planner *g, enum journal_effect_type type,
		     uint64_t seq, uint64_t ino, uint64_t dir)
{
	struct forget_item i = {seq, ino, dir, type};

	buf_add(&g->p->items, &i, sizeof(i));
}

static int by_seq(const void *a, const void *b)
{
	const struct forget_item *x = a, *y = b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->dir > y->dir) - (x->dir < y->dir);
}

bool forget_plan_has(const struct forget_plan *p, uint64_t seq,
		     const struct journal_effect *e)
{
	struct forget_item key = {.seq = seq};

	if (e) {
		key.type = e->type;
		key.ino = e->ino;
		if (e->type == JOURNAL_XATTR && !e->name.p)
			return false;
		if (e->type == JOURNAL_XATTR)
			key.dir = hash_name(e->name.p, e->name.len);
		else if (e->type == JOURNAL_BORN || e->type == JOURNAL_DIED)
			key.dir = e->dir;
		else if (e->type != JOURNAL_INODE)
			return false;
	}
	return p->items.len &&
	       bsearch(&key, p->items.data, p->items.len / sizeof(key),
		       sizeof(key), by_seq);
}

void forget_plan_done(struct forget_plan *p)
{
	buf_done(&p->items);
	buf_done(&p->kept);
}

/* 1: something keeps what was there from one change to another. */
static int is_kept(struct planner *g, uint64_t ino, uint64_t from,
		   uint64_t until)
{
	CLEANUP_BUF struct buf by = BUF_INIT, path = BUF_INIT;
	int rc = shown_by(g->shown, ino, from, until, &by);

	if (rc <= 0)
		return rc;
	if (g->p->n_kept++ < KEPT_LINES &&
	    ns_path(g->ns, from, ino, &path) >= 0)
		buf_fmt(&g->p->kept, "%s as of @%" PRIu64 ": kept by %s\n",
			buf_cstr(&path), from, buf_cstr(&by));
	return 1;
}

/* --- one inode ------------------------------------------------------------ */

struct version {
	uint64_t born, content, size;
	bool gone, empty;
};

static int read_versions(struct planner *g, uint64_t ino, uint64_t *ret_end)
{
	struct version v;
	struct stmt *st;
	int64_t end = INT64_MAX;
	int rc;

	buf_reset(&g->rows);
	st = stmts_get(&g->stmts, VERSIONS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	while ((rc = stmt_step(st)) > 0) {
		v = (struct version){
			.born = (uint64_t)stmt_col_int(st, 0),
			.content = (uint64_t)stmt_col_int(st, 1),
			.gone = stmt_col_int(st, 2),
			.empty = stmt_col_int(st, 3),
			.size = (uint64_t)stmt_col_int(st, 4),
		};
		buf_add(&g->rows, &v, sizeof(v));
	}
	if (!rc)
		rc = buf_err(&g->rows);
	if (rc < 0)
		return rc;
	st = stmts_get(&g->stmts, END, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	rc = stmts_int(st, &end);
	*ret_end = rc > 0 ? (uint64_t)end : UINT64_MAX;
	return MIN(rc, 0);
}

/* Rows of one content go together. */
static int plan_versions(struct planner *g, const struct visit *v)
{
	const struct version *list;
	size_t n, i, k;
	uint64_t last = UINT64_MAX, end;
	int rc = read_versions(g, v->ino, &last);

	list = (const void *)g->rows.data;
	n = g->rows.len / sizeof(*list);
	for (i = 0; rc >= 0 && i < n; i = k) {
		for (k = i + 1; k < n && list[k].content == list[i].content;
		     k++)
			;
		end = k < n ? list[k].born : last;
		if (list[i].empty || list[i].born >= v->until ||
		    end > g->before)
			continue;
		rc = is_kept(g, v->ino, list[i].born, end);
		if (rc)
			continue;
		g->p->versions++;
		g->p->bytes += list[i].size;
		for (; i < k; i++)
			add_item(g, JOURNAL_INODE, list[i].born, v->ino, 0);
	}
	return MIN(rc, 0);
}

/* Rows (a, born, died) of a statement that is bound. */
static int read_rows(struct planner *g, struct stmt *st)
{
	struct visit row;
	int rc;

	buf_reset(&g->rows);
	while ((rc = stmt_step(st)) > 0) {
		row = (struct visit){(uint64_t)stmt_col_int(st, 0),
				     (uint64_t)stmt_col_int(st, 1),
				     (uint64_t)stmt_col_int(st, 2)};
		buf_add(&g->rows, &row, sizeof(row));
	}
	return rc < 0 ? rc : buf_err(&g->rows);
}

static int plan_names(struct planner *g, const struct visit *v)
{
	const struct visit *rows;
	struct stmt *st;
	size_t i, n;
	int rc;

	st = stmts_get(&g->stmts, NAMES, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)v->ino);
	stmt_int(st, 2, (int64_t)g->before);
	rc = read_rows(g, st);
	rows = (const void *)g->rows.data;
	n = g->rows.len / sizeof(*rows);
	for (i = 0; rc >= 0 && i < n; i++) {
		if (rows[i].born >= v->until)
			continue;
		rc = is_kept(g, v->ino, rows[i].born, rows[i].until);
		if (rc)
			continue;
		g->p->names++;
		add_item(g, JOURNAL_BORN, rows[i].born, v->ino, rows[i].ino);
		add_item(g, JOURNAL_DIED, rows[i].until, v->ino, rows[i].ino);
	}
	return MIN(rc, 0);
}

static int plan_xattrs(struct planner *g, const struct visit *v)
{
	const struct visit *rows;
	struct stmt *st;
	size_t i, len;
	const void *p;
	int rc;

	st = stmts_get(&g->stmts, XATTRS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)v->ino);
	stmt_int(st, 2, (int64_t)g->before);
	buf_reset(&g->rows);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &len);
		buf_add(&g->rows,
			&(struct visit){hash_name(p, len),
					(uint64_t)stmt_col_int(st, 1),
					(uint64_t)stmt_col_int(st, 2)},
			sizeof(struct visit));
	}
	if (!rc)
		rc = buf_err(&g->rows);
	rows = (const void *)g->rows.data;
	for (i = 0; rc >= 0 && i < g->rows.len / sizeof(*rows); i++) {
		if (rows[i].born >= v->until)
			continue;
		rc = is_kept(g, v->ino, rows[i].born, rows[i].until);
		if (rc)
			continue;
		g->p->attributes++;
		add_item(g, JOURNAL_XATTR, rows[i].born, v->ino, rows[i].ino);
	}
	return MIN(rc, 0);
}

/* --- the tree ------------------------------------------------------------- */

/* What had the path, and what lay below while it had it. */
static int add_visit(struct planner *g, uint64_t ino, uint64_t born,
		     uint64_t until)
{
	struct visit v = {ino, born, until};
	void *had = map_get_u64(g->seen, ino);
	int rc;

	/* again only where it had it for longer than is known */
	if ((uintptr_t)had >= until)
		return 0;
	rc = map_put_u64(g->seen, ino, (void *)(uintptr_t)until);
	buf_add(&g->todo, &v, sizeof(v));
	return rc < 0 ? rc : buf_err(&g->todo);
}

static int on_trail(void *ctx, const struct trail *t)
{
	struct planner *g = ctx;

	g->p->found = true;
	return add_visit(g, t->ino, t->born,
			 t->until == TRAIL_NOW ? INT64_MAX : t->until);
}

static int add_children(struct planner *g, const struct visit *dir,
			unsigned which)
{
	const struct visit *rows;
	struct stmt *st;
	size_t i;
	int rc;

	st = stmts_get(&g->stmts, which, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir->ino);
	rc = read_rows(g, st);
	rows = (const void *)g->rows.data;
	for (i = 0; rc >= 0 && i < g->rows.len / sizeof(*rows); i++)
		if (rows[i].born < dir->until && rows[i].until > dir->born)
			rc = add_visit(g, rows[i].ino,
				       MAX(rows[i].born, dir->born),
				       MIN(rows[i].until, dir->until));
	return rc;
}

/* Once each, with the longest time. */
static int plan_inode(struct planner *g, uint64_t ino, uint64_t until)
{
	struct visit v = {.ino = ino, .until = until};
	int rc = plan_versions(g, &v);

	if (rc >= 0)
		rc = plan_xattrs(g, &v);
	if (rc >= 0 && g->names)
		rc = plan_names(g, &v);
	return rc;
}

static int plan_all(struct planner *g)
{
	struct visit v;
	const void *key;
	size_t it = 0, len;
	uint64_t ino;
	void *until;
	int rc = 0;

	while (rc >= 0 && g->todo.len) {
		g->todo.len -= sizeof(v);
		memcpy(&v, g->todo.data + g->todo.len, sizeof(v));
		rc = add_children(g, &v, CHILDREN);
		if (rc >= 0)
			rc = add_children(g, &v, DEAD_CHILDREN);
	}
	while (rc >= 0 && map_next(g->seen, &it, &key, &len, &until)) {
		memcpy(&ino, key, sizeof(ino));
		rc = plan_inode(g, ino, (uintptr_t)until);
	}
	return rc;
}

/* Messages may say what the names were. */
static int add_messages(struct planner *g)
{
	const struct forget_item *list;
	size_t n = g->p->items.len / sizeof(*list), i;
	uint64_t seq;

	for (i = 0; i < n; i++) {
		list = (const void *)g->p->items.data; /* it may move */
		seq = list[i].seq;
		add_item(g, 0, seq, 0, 0);
	}
	return buf_err(&g->p->items);
}

int forget_plan(struct ns *ns, const char *path, uint64_t before, bool names,
		struct forget_plan *ret)
{
	struct forget_plan p = {.found = false};
	struct planner g = {.ns = ns,
			    .p = &p,
			    .before = before,
			    .names = names};
	struct db *db = ns_db(ns);
	int rc;

	db_lock(db);
	g.seen = map_new();
	rc = g.seen ? stmts_init(&g.stmts, db, sql, N_STMTS) : -ENOMEM;
	if (rc >= 0)
		rc = shown_open(db, &g.shown);
	if (rc >= 0)
		rc = trail_each(ns, path, on_trail, &g);
	if (rc >= 0)
		rc = plan_all(&g);
	if (rc >= 0 && names)
		rc = add_messages(&g);
	if (rc >= 0)
		rc = buf_err(&p.items);
	shown_close(g.shown);
	if (g.stmts.made)
		stmts_done(&g.stmts);
	db_unlock(db);
	map_free(g.seen);
	buf_done(&g.todo);
	buf_done(&g.rows);
	if (rc < 0) {
		forget_plan_done(&p);
		return rc;
	}
	if (p.items.len)
		qsort(p.items.data, p.items.len / sizeof(struct forget_item),
		      sizeof(struct forget_item), by_seq);
	*ret = p;
	return 0;
}
