/* Versions of an inode with the same content are one: a change of mode is no
 * other content. The newest of an inode that has a name is what it holds now.
 * One without a name was removed or replaced: what came after it under that
 * name counts as newer.
 */
#include "core/retention.h"

#include <errno.h>

#include "core/journal.h"
#include "core/stmts.h"

#define PAGE 256

/* --- what rows say ------------------------------------------------------- */

enum {
	LAST,
	INODES,
	VERSIONS,
	DEATH,
	LATER,
	NAMES,
	ABOVE,
	SNAPSHOTS,
	PINS,
	BELOW,
	SNAPSHOT_NAME,
	PIN_NAME,
	N_STMTS,
};

/* clang-format off */
static const char *const sql[N_STMTS] = {
	[LAST] = "SELECT coalesce(max(seq), 0) FROM change",
	/* those that have more than what they hold now */
	[INODES] =
		"SELECT v.ino, max(coalesce(i.nlink, 0)) AS n FROM version AS v"
		" LEFT JOIN inode AS i ON i.branch = v.branch"
		" AND i.ino = v.ino WHERE v.branch = 1 AND v.ino > ?1"
		" AND v.gone = 0 AND v.address IS NOT NULL GROUP BY v.ino"
		" HAVING count(*) > 1 OR n = 0 ORDER BY v.ino LIMIT ?2",
	[VERSIONS] =
		"SELECT v.born, v.content, v.gone, c.time FROM version AS v"
		" JOIN change AS c ON c.seq = v.born WHERE v.branch = 1"
		" AND v.ino = ?1 ORDER BY v.born DESC",
	[DEATH] =
		"SELECT e.died, c.time, e.parent, e.name"
		" FROM entry AS e INDEXED BY entry_ino"
		" JOIN change AS c ON c.seq = e.died WHERE e.branch = 1"
		" AND e.ino = ?1 AND e.died IS NOT NULL"
		" ORDER BY e.died DESC LIMIT 1",
	/* what a name held later: from when to when, how many contents, of
	 * which the first may be older than the name */
	[LATER] =
		"SELECT e.born, e.died, max(1, (SELECT count(DISTINCT v.content)"
		" FROM version AS v WHERE v.branch = 1 AND v.ino = e.ino"
		" AND v.born >= coalesce((SELECT max(w.born) FROM version AS w"
		" WHERE w.branch = 1 AND w.ino = e.ino AND w.born <= e.born),"
		" e.born) AND (e.died IS NULL OR v.born < e.died))) FROM (SELECT ino, born, died"
		" FROM entry INDEXED BY entry_past WHERE branch = 1"
		" AND parent = ?1 AND name = ?2 AND born >= ?3"
		" AND died IS NOT NULL UNION ALL SELECT ino, born, died"
		" FROM entry INDEXED BY entry_present WHERE branch = 1"
		" AND parent = ?1 AND name = ?2 AND died IS NULL"
		" AND born >= ?3 ORDER BY born) AS e ORDER BY e.born LIMIT ?4",
	[NAMES] =
		"SELECT parent, name FROM entry INDEXED BY entry_ino"
		" WHERE branch = 1 AND ino = ?1 AND died IS NULL",
	/* what a directory was called at a moment */
	[ABOVE] =
		"SELECT parent, name FROM entry INDEXED BY entry_ino"
		" WHERE branch = 1 AND ino = ?1 AND (died IS NULL OR died > ?2)"
		" AND born <= ?2 LIMIT 1",
	/* and what branches were made from */
	[SNAPSHOTS] = "SELECT seq FROM snapshot UNION"
		      " SELECT forked_at FROM branch WHERE parent = 1"
		      " AND (removed = 0 OR id IN (SELECT parent FROM branch))"
		      " ORDER BY 1",
	[PINS] = "SELECT seq, ino FROM pin WHERE ino <> 0 ORDER BY seq",
	/* a file may have names in several directories */
	[BELOW] =
		"WITH RECURSIVE up(ino) AS (VALUES (?1) UNION"
		" SELECT e.parent FROM up, entry AS e INDEXED BY entry_ino"
		" WHERE e.branch = 1 AND e.ino = up.ino AND e.born <= ?2"
		" AND (e.died IS NULL OR e.died > ?2))"
		" SELECT 1 FROM up WHERE ino = ?3 LIMIT 1",
	[SNAPSHOT_NAME] =
		"SELECT 'snapshot ' || name FROM snapshot WHERE seq = ?1"
		" UNION ALL SELECT 'branch ' || name FROM branch"
		" WHERE forked_at = ?1 LIMIT 1",
	[PIN_NAME] =
		"SELECT 'pin ' || path FROM pin WHERE seq = ?1 AND ino = ?2"
		" ORDER BY path LIMIT 1",
};
/* clang-format on */

struct moment {
	uint64_t seq, ino; /* of a pin; else 0 */
};

struct version {
	uint64_t born, content;
	bool gone;
	int64_t time_ns;
};

struct expiry {
	struct stmts stmts;
	const struct retention *r;
	bool paths;	  /* rules are told apart by them */
	uint64_t longest; /* count of any rule */
	uint64_t rules;	  /* a bit for each one that the file is under */
	int64_t now_ns;
	int64_t last;	    /* change: what came later is not judged, since a
			     * snapshot may have come in between */
	struct buf moments; /* of struct moment: snapshots, then pins */
	struct buf versions;
	int (*fn)(void *ctx, uint64_t ino, uint64_t born);
	void *ctx;
};

static int load_moments(struct expiry *x, unsigned which)
{
	struct moment m = {0};
	struct stmt *st;
	int rc;

	st = stmts_get(&x->stmts, which, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		m.seq = (uint64_t)stmt_col_int(st, 0);
		m.ino = which == PINS ? (uint64_t)stmt_col_int(st, 1) : 0;
		buf_add(&x->moments, &m, sizeof(m));
	}
	return rc < 0 ? rc : buf_err(&x->moments);
}

static int load_versions(struct expiry *x, uint64_t ino)
{
	struct version v;
	struct stmt *st;
	int rc;

	buf_reset(&x->versions);
	st = stmts_get(&x->stmts, VERSIONS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	while ((rc = stmt_step(st)) > 0) {
		v = (struct version){
			.born = (uint64_t)stmt_col_int(st, 0),
			.content = (uint64_t)stmt_col_int(st, 1),
			.gone = stmt_col_int(st, 2),
			.time_ns = stmt_col_int(st, 3),
		};
		buf_add(&x->versions, &v, sizeof(v));
	}
	return rc < 0 ? rc : buf_err(&x->versions);
}

/* When an inode lost its last name, and how many states that name had since.
 */
struct death {
	uint64_t seq;
	int64_t time_ns;
	uint64_t later;
};

static int count_later(struct expiry *x, uint64_t parent,
		       const struct buf *name, struct death *d)
{
	uint64_t at = d->seq;
	struct stmt *st;
	bool alive = false;
	int rc;

	st = stmts_get(&x->stmts, LATER, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)parent);
	stmt_blob(st, 2, name->data, name->len);
	stmt_int(st, 3, (int64_t)d->seq);
	stmt_int(st, 4, (int64_t)x->longest);
	while ((rc = stmt_step(st)) > 0) {
		d->later += (uint64_t)stmt_col_int(st, 2);
		d->later += (uint64_t)stmt_col_int(st, 0) > at; /* absent */
		alive = stmt_col_is_null(st, 1);
		at = alive ? at : (uint64_t)stmt_col_int(st, 1);
	}
	d->later += !alive;
	return rc;
}

/* --- which rules a file is under ------------------------------------------ */

/* In front of the path come the names of the directories above. */
static int add_above(struct expiry *x, uint64_t dir, uint64_t at,
		     struct buf *path)
{
	struct stmt *st;
	const void *p;
	size_t n;
	int rc = 0;

	while (dir != NS_ROOT) {
		CLEANUP_BUF struct buf longer = BUF_INIT;

		st = stmts_get(&x->stmts, ABOVE, &rc);
		if (!st)
			return rc;
		stmt_int(st, 1, (int64_t)dir);
		stmt_int(st, 2, (int64_t)at);
		rc = stmt_step(st);
		if (rc <= 0)
			return rc; /* it had none: as far as it is known */
		dir = (uint64_t)stmt_col_int(st, 0);
		p = stmt_col_blob(st, 1, &n);
		buf_add(&longer, p, n);
		buf_u8(&longer, '/');
		buf_add(&longer, path->data, path->len);
		stmt_reset(st);
		if (buf_err(&longer) < 0 || longer.len > MIB(1))
			return buf_err(&longer) < 0 ? -ENOMEM : -EUCLEAN;
		buf_done(path);
		*path = longer;
		longer = (struct buf)BUF_INIT;
	}
	return 0;
}

static int add_rule(struct expiry *x, uint64_t dir, uint64_t at,
		    struct buf *name)
{
	int rc = buf_err(name), rule;

	if (!rc && retention_needs_path(x->r))
		rc = add_above(x, dir, at, name);
	if (rc < 0)
		return rc;
	rule = retention_rule(x->r, buf_cstr(name));
	/* none: all of it is kept */
	x->rules |= rule < 0 ? UINT64_MAX : UINT64_C(1) << rule;
	return 0;
}

/* Of an inode that has names. */
static int find_rules(struct expiry *x, uint64_t ino)
{
	CLEANUP_BUF struct buf list = BUF_INIT;
	struct stmt *st;
	struct cur c;
	const void *p;
	size_t n;
	int rc;

	st = stmts_get(&x->stmts, NAMES, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 1, &n);
		buf_u64(&list, (uint64_t)stmt_col_int(st, 0));
		buf_u32(&list, (uint32_t)n);
		buf_add(&list, p, n);
	}
	if (!rc)
		rc = buf_err(&list);
	for (c = cur_of(list.data, list.len); !rc && cur_left(&c);) {
		CLEANUP_BUF struct buf name = BUF_INIT;
		uint64_t dir = cur_u64(&c);

		n = cur_u32(&c);
		buf_add(&name, cur_bytes(&c, n), n);
		rc = add_rule(x, dir, (uint64_t)x->last, &name);
	}
	return rc;
}

/* Whether one of its rules keeps it. */
static bool is_kept(const struct expiry *x, uint64_t rank, int64_t ended_ns)
{
	const struct retention_rule *rule;
	unsigned i;

	/* under none, or without a name that is known */
	if (!x->rules || (x->rules == UINT64_MAX && x->paths))
		return true;
	for (i = 0; i < x->r->n; i++) {
		rule = &x->r->rules[i];
		if (!(x->rules & UINT64_C(1) << i))
			continue;
		if (rule->kind == KEEP_ALL ||
		    (rule->kind == KEEP_LAST && rank < rule->count) ||
		    (rule->kind == KEEP_FOR &&
		     ended_ns >= x->now_ns - rule->duration_ns))
			return true;
	}
	return false;
}

static int find_death(struct expiry *x, uint64_t ino, struct death *ret)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	struct death d = {0};
	uint64_t parent;
	struct stmt *st;
	const void *p;
	size_t n;
	int rc;

	st = stmts_get(&x->stmts, DEATH, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	rc = stmt_step(st);
	if (rc <= 0) {
		*ret = d; /* it never had a name */
		return rc;
	}
	d.seq = (uint64_t)stmt_col_int(st, 0);
	d.time_ns = stmt_col_int(st, 1);
	parent = (uint64_t)stmt_col_int(st, 2);
	p = stmt_col_blob(st, 3, &n);
	buf_add(&name, p, n);
	stmt_reset(st);
	rc = buf_err(&name);
	if (!rc && x->longest)
		rc = count_later(x, parent, &name, &d);
	if (!rc && x->paths)
		rc = add_rule(x, parent, d.seq - 1, &name);
	if (!rc)
		*ret = d;
	return rc;
}

/* Whether the inode was the pinned one at that moment, or below it. */
static int is_below(struct expiry *x, uint64_t ino, const struct moment *m)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&x->stmts, BELOW, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, (int64_t)m->seq);
	stmt_int(st, 3, (int64_t)m->ino);
	return stmts_int(st, &one);
}

/* Whether a snapshot or a pin shows what it was from one change to another
 * (0: until now). */
static int is_shown_by(struct expiry *x, uint64_t ino, uint64_t from,
		       uint64_t until, struct moment *ret)
{
	struct moment m;
	size_t i;
	int rc;

	for (i = 0; i < x->moments.len; i += sizeof(m)) {
		memcpy(&m, x->moments.data + i, sizeof(m));
		if (m.seq < from || (until && m.seq >= until))
			continue;
		rc = m.ino ? is_below(x, ino, &m) : 1;
		*ret = m;
		if (rc)
			return rc;
	}
	return 0;
}

static int is_shown(struct expiry *x, uint64_t ino, uint64_t from,
		    uint64_t until)
{
	struct moment m;

	return is_shown_by(x, ino, from, until, &m);
}

/* --- deciding ------------------------------------------------------------ */

static int let_go(struct expiry *x, uint64_t ino, const struct version *v,
		  size_t n)
{
	int rc = 0;

	for (; !rc && n; n--, v++)
		if (!v->gone)
			rc = x->fn(x->ctx, ino, v->born);
	return rc;
}

/* From the newest content to the oldest. */
static int expire(struct expiry *x, uint64_t ino, bool alive,
		  const struct death *d)
{
	const struct version *v = (const void *)x->versions.data;
	size_t n = x->versions.len / sizeof(*v), i, k;
	uint64_t rank = d->later, until = d->seq;
	int64_t ended_ns = d->time_ns;
	bool kept;
	int rc = 0;

	for (i = 0; !rc && i < n; i = k) {
		for (k = i + 1; k < n && v[k].content == v[i].content; k++)
			;
		kept = (alive && !i) || until > (uint64_t)x->last ||
		       is_kept(x, rank, ended_ns);
		rank++;
		if (!kept) {
			rc = is_shown(x, ino, v[k - 1].born, until);
			if (!rc)
				rc = let_go(x, ino, v + i, k - i);
			rc = MIN(rc, 0);
		}
		until = v[k - 1].born;
		ended_ns = v[k - 1].time_ns;
	}
	return rc;
}

struct inode_row {
	uint64_t ino;
	bool alive;
};

static int inodes_page(struct expiry *x, uint64_t after, struct inode_row *ret)
{
	struct stmt *st;
	int rc, n = 0;

	st = stmts_get(&x->stmts, INODES, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)after);
	stmt_int(st, 2, PAGE);
	while ((rc = stmt_step(st)) > 0) {
		ret[n].ino = (uint64_t)stmt_col_int(st, 0);
		ret[n++].alive = stmt_col_int(st, 1) > 0;
	}
	return rc < 0 ? rc : n;
}

static int expire_inode(struct expiry *x, const struct inode_row *row)
{
	struct death d = {0};
	int rc = 0;

	x->rules = x->paths ? 0 : 1;
	if (!row->alive)
		rc = find_death(x, row->ino, &d);
	else if (x->paths)
		rc = find_rules(x, row->ino);
	if (!rc)
		rc = load_versions(x, row->ino);
	return rc ? rc : expire(x, row->ino, row->alive, &d);
}

static int expire_all(struct expiry *x)
{
	struct inode_row rows[PAGE];
	uint64_t after = 0;
	struct stmt *st;
	int n, i, rc;

	st = stmts_get(&x->stmts, LAST, &rc);
	if (!st)
		return rc;
	rc = MIN(stmts_int(st, &x->last), 0);
	if (!rc)
		rc = load_moments(x, SNAPSHOTS);
	if (!rc)
		rc = load_moments(x, PINS);
	while (!rc && (n = inodes_page(x, after, rows)) != 0) {
		if (n < 0)
			return n;
		for (i = 0; !rc && i < n; i++)
			rc = expire_inode(x, &rows[i]);
		after = rows[n - 1].ino;
	}
	return rc;
}

int retention_each(struct db *reader, const struct retention *r, int64_t now_ns,
		   int (*fn)(void *ctx, uint64_t ino, uint64_t born), void *ctx)
{
	struct expiry x = {.r = r, .now_ns = now_ns, .fn = fn, .ctx = ctx};
	unsigned i;
	int rc;

	if (retention_keeps_all(r))
		return 0;
	x.paths = !r->rules[0].any;
	for (i = 0; i < r->n; i++)
		if (r->rules[i].kind == KEEP_LAST)
			x.longest = MAX(x.longest, r->rules[i].count);
	db_lock(reader);
	rc = stmts_init(&x.stmts, reader, sql, N_STMTS);
	if (!rc)
		rc = expire_all(&x);
	stmts_done(&x.stmts);
	db_unlock(reader);
	buf_done(&x.moments);
	buf_done(&x.versions);
	return rc;
}

/* --- for others ----------------------------------------------------------- */

struct shown {
	struct expiry x;
};

int shown_open(struct db *db, struct shown **ret)
{
	struct shown *s = calloc(1, sizeof(*s));
	int rc = s ? stmts_init(&s->x.stmts, db, sql, N_STMTS) : -ENOMEM;

	if (!rc)
		rc = load_moments(&s->x, SNAPSHOTS);
	if (!rc)
		rc = load_moments(&s->x, PINS);
	if (rc < 0) {
		shown_close(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void shown_close(struct shown *s)
{
	if (!s)
		return;
	if (s->x.stmts.made)
		stmts_done(&s->x.stmts);
	buf_done(&s->x.moments);
	free(s);
}

int shown_by(struct shown *s, uint64_t ino, uint64_t from, uint64_t until,
	     struct buf *ret)
{
	struct moment m;
	struct stmt *st;
	const void *p;
	size_t n;
	int rc = is_shown_by(&s->x, ino, from, until, &m);

	if (rc <= 0)
		return rc;
	st = stmts_get(&s->x.stmts, m.ino ? PIN_NAME : SNAPSHOT_NAME, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)m.seq);
	if (m.ino)
		stmt_int(st, 2, (int64_t)m.ino);
	rc = stmt_step(st);
	if (rc < 0)
		return rc;
	p = stmt_col_blob(st, 0, &n);
	buf_add(ret, p, n);
	stmt_reset(st);
	return buf_err(ret) < 0 ? -ENOMEM : 1;
}

/* --- letting go ---------------------------------------------------------- */

struct letting_go {
	struct db *db;
	const struct version_id *v;
	size_t n;
	bool *went; /* of each */
};

static int let_go_rows(void *ctx, uint64_t seq)
{
	struct letting_go *l = ctx;
	struct stmt *st;
	int rc = 0, any = 0;
	size_t i;

	st = db_prepare(l->db,
			"UPDATE version SET gone = ?3 WHERE branch = 1"
			" AND ino = ?1 AND born = ?2 AND gone = 0",
			&rc);
	if (!st)
		return rc;
	for (i = 0; rc >= 0 && i < l->n; i++) {
		stmt_int(st, 1, (int64_t)l->v[i].ino);
		stmt_int(st, 2, (int64_t)l->v[i].born);
		stmt_int(st, 3, (int64_t)seq);
		rc = stmt_run(st);
		l->went[i] = rc >= 0 && db_changes(l->db) > 0;
		any |= l->went[i];
	}
	stmt_free(st);
	return rc < 0 ? rc : any;
}

int retention_let_go(struct ns *ns, const struct ns_by *by,
		     const struct version_id *v, size_t n)
{
	CLEANUP_FREE bool *went = calloc(n + 1, sizeof(*went));
	struct letting_go l = {ns_db(ns), v, n, went};
	size_t i;
	int rc;

	if (!went)
		return -ENOMEM;
	rc = ns_change_rows(ns, by, NS_OP_FORGET, let_go_rows, &l);
	for (i = 0; rc > 0 && i < n; i++)
		if (went[i])
			journal_gone(ns_journal(ns), v[i].ino, v[i].born);
	return MIN(rc, 0);
}
