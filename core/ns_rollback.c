#include "core/branch.h"
#include "core/ns_internal.h"

#include <errno.h>
#include <sys/stat.h>

/* Most of the past can be read off the rows: names and attributes carry their
 * intervals, so that what came later is deleted, and what ended later lives
 * again. What has no interval is the row of each present inode: it is made
 * anew from what the past says of it, and its links are counted. */

struct past {
	uint64_t ino;
	bool there; /* it existed then */
	struct ns_attr attr;
};

struct pasts {
	struct past *v;
	size_t n;
};

static int run(struct ns *ns, enum ns_stmt id, uint64_t to)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)to);
	return stmt_run(st);
}

static int count(struct ns *ns, enum ns_stmt id, uint64_t of, uint64_t *ret)
{
	struct stmt *st;
	int64_t n = 0;
	int rc;

	st = stmts_get(&ns->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)of);
	rc = stmts_int(st, &n);
	if (rc < 0)
		return rc;
	*ret = (uint64_t)n;
	return 0;
}

/* Numbers of the inodes that may be another now. */
static int touched(struct ns *ns, uint64_t to, struct buf *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_BACK_INODES, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)to);
	while ((rc = stmt_step(st)) > 0)
		buf_u64(ret, (uint64_t)stmt_col_int(st, 0));
	return rc < 0 ? rc : buf_err(ret);
}

/* What they were, while the rows still say so. */
static int read_past(struct ns *ns, uint64_t to, struct pasts *p)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct past *at;
	struct cur c;
	int rc;

	rc = touched(ns, to, &b);
	if (rc < 0 || !b.len)
		return rc;
	p->v = calloc(b.len / 8, sizeof(*p->v));
	if (!p->v)
		return -ENOMEM;
	for (c = cur_of(b.data, b.len); cur_left(&c); p->n++) {
		at = &p->v[p->n];
		at->ino = cur_u64(&c);
		rc = ns_past_getattr(ns, to, at->ino, &at->attr);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		at->there = rc == 0;
	}
	return 0;
}

/* Adds (by 1) or takes away (by -1) what they count for. */
static int recount(struct ns *ns, const struct pasts *p, struct totals *t,
		   int by)
{
	struct ns_attr a;
	size_t i;
	int rc;

	for (i = 0; i < p->n; i++) {
		rc = ns_inode(ns, p->v[i].ino, &a);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (rc == 0 && a.nlink)
			ns_count(t, &a, by);
	}
	return 0;
}

/* The tables of all branches, and what has a branch's name in its statement. */
static int delete_rows(struct ns *ns, uint64_t to)
{
	static const enum ns_stmt all[] = {
		NS_BACK_ENTRY_DEL,    NS_BACK_ENTRY_REVIVE, NS_BACK_XATTR_DEL,
		NS_BACK_XATTR_REVIVE, NS_BACK_CHANGE_DEL,   NS_BACK_GONE,
		NS_BACK_MORE_DEL,     NS_BACK_MERGED_DEL,   NS_BACK_FORGOTTEN,
	};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_LEN(all); i++)
		rc = run(ns, all[i], to);
	return rc;
}

static int one_more(void *ctx, uint64_t dir, const char *name, size_t len)
{
	++*(uint64_t *)ctx;
	return 0;
}

static int count_links(struct ns *ns, uint64_t ino, uint64_t *ret)
{
	return ns->base ? ns_names(ns, NS_NOW, ino, one_more, ret)
			: count(ns, NS_BACK_LINKS, ino, ret);
}

static int one_dir_more(void *ctx, const struct ns_entry *e)
{
	*(uint64_t *)ctx += S_ISDIR(e->mode);
	return 0;
}

/* Of an inode that has no name at that change nobody has anything open. */
static int restore(struct ns *ns, const struct past *p)
{
	struct ns_attr a = p->attr, now;
	uint64_t links = 0;
	int rc, had;

	rc = had = ns_inode(ns, p->ino, &now);
	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0 && p->there)
		rc = count_links(ns, p->ino, &links);
	if (rc == 0)
		rc = ns_orphan_del(ns, p->ino);
	if (rc < 0)
		return rc;
	if (!p->there || (!links && p->ino != NS_ROOT)) {
		ns_unkeep(ns, p->ino);
		return run(ns, NS_INODE_DEL, p->ino);
	}
	a.nlink = S_ISDIR(a.mode) ? 2 : (uint32_t)links;
	return ns_put_inode(ns, had == 0 ? NS_INODE_PUT : NS_INODE_ADD, &a);
}

/* Once all inodes are there: a directory's links are those in it, too. */
static int count_subdirs(struct ns *ns, const struct past *p)
{
	struct ns_attr a;
	uint64_t n = 0;
	int rc;

	if (!p->there || !S_ISDIR(p->attr.mode))
		return 0;
	rc = ns_inode(ns, p->ino, &a);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (ns->base)
		rc = ns_list(ns, NS_NOW, p->ino, "", 0, one_dir_more, &n);
	else
		rc = count(ns, NS_BACK_SUBDIRS, p->ino, &n);
	if (rc < 0)
		return rc;
	a.nlink = 2 + (uint32_t)n;
	return ns_put_inode(ns, NS_INODE_PUT, &a);
}

/* One branch on its way back. */
struct back {
	struct ns *ns;
	struct pasts p;
	struct totals t;
	uint64_t versions;
};

static int before(struct back *b, uint64_t to)
{
	int rc = ns_totals(b->ns, &b->t);

	if (rc == 0)
		rc = read_past(b->ns, to, &b->p);
	if (rc == 0)
		rc = recount(b->ns, &b->p, &b->t, -1);
	return rc < 0 ? rc : count(b->ns, NS_BACK_VERSIONS, to, &b->versions);
}

static int after(struct back *b, uint64_t to)
{
	struct pasts *p = &b->p;
	size_t i;
	int rc = run(b->ns, NS_BACK_VERSION_DEL, to);

	if (rc == 0 && b->ns->base)
		rc = run(b->ns, NS_BACK_COPIES, to);
	for (i = 0; rc == 0 && i < p->n; i++)
		rc = restore(b->ns, &p->v[i]);
	for (i = 0; rc == 0 && i < p->n; i++)
		rc = count_subdirs(b->ns, &p->v[i]);
	if (rc == 0)
		rc = run(b->ns, NS_BACK_XATTR_KILL, to);
	if (rc == 0)
		rc = recount(b->ns, p, &b->t, 1);
	return rc < 0 || !b->ns->base ? rc : ns_over_put_totals(b->ns, &b->t);
}

static int go_back(struct ns *ns, uint64_t to, struct back *all, size_t n)
{
	uint64_t changes = 0, versions = 0;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		rc = before(&all[i], to);
		versions += all[i].versions;
	}
	if (rc == 0)
		rc = count(ns, NS_BACK_CHANGES, to, &changes);
	if (rc == 0)
		rc = delete_rows(ns, to);
	for (i = 0; rc == 0 && i < n; i++)
		rc = after(&all[i], to);
	if (rc < 0)
		return rc;
	all[0].t.changes -= changes;
	all[0].t.versions -= versions;
	ns->counters.totals = all[0].t;
	ns->last_seq = to;
	ns->dirty = true;
	return 0;
}

static int go_back_all(struct ns *ns, uint64_t to)
{
	CLEANUP_FREE struct back *all = NULL;
	struct ns **others = NULL;
	size_t n = 0, i;
	int rc = branches_back(ns->db, to);

	if (rc < 0)
		return rc;
	/* its versions are not counted any more */
	rc = ns_reread(ns);
	if (rc == 0)
		rc = ns_open_all(ns, &others);
	while (rc == 0 && others[n])
		n++;
	if (rc == 0) {
		all = calloc(n + 1, sizeof(*all));
		rc = all ? 0 : -ENOMEM;
	}
	if (rc == 0) {
		all[0].ns = ns;
		for (i = 0; i < n; i++)
			all[i + 1].ns = others[i];
		rc = go_back(ns, to, all, n + 1);
		for (i = 0; i <= n; i++)
			free(all[i].p.v);
	}
	ns_close_all(others);
	return rc;
}

int ns_rollback(struct ns *ns, uint64_t to)
{
	int rc;

	rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_settle_dir(ns);
	if (rc == 0)
		rc = db_savepoint(ns->db);
	if (rc < 0)
		return rc;
	rc = go_back_all(ns, to);
	ns_past_forget(ns);
	ns_unkeep(ns, 0);
	if (rc < 0)
		db_revert(ns->db);
	else
		rc = db_release(ns->db);
	return rc;
}

int ns_totals_at(struct ns *ns, uint64_t at, struct totals *ret)
{
	struct pasts p = {0};
	struct totals t;
	size_t i;
	int rc = ns_totals(ns, &t);

	if (rc == 0)
		rc = read_past(ns, at, &p);
	if (rc == 0)
		rc = recount(ns, &p, &t, -1);
	for (i = 0; rc == 0 && i < p.n; i++)
		if (p.v[i].there)
			ns_count(&t, &p.v[i].attr, 1);
	free(p.v);
	if (rc == 0)
		*ret = t;
	return rc;
}
