#include "core/ns_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* A branch has rows only of what differs from the branch it was made from, as
 * that was at the fork: its base, which is read and never changes.
 *
 * An inode is inherited until its first change. Then its attributes, its
 * version and its extended attributes as of the fork are copied, and from then
 * on its rows here answer for all moments since the fork.
 *
 * A name is inherited until it comes to an end here. Then a row is written for
 * the time from its coming to that end, and behind it one without inode, which
 * hides base's, until a name comes again. So the rows of a name that base has
 * cover all moments from its first end on, and before that they say the same as
 * base.
 *
 * What lies before the fork is not asked here at all. */

/* --- names --------------------------------------------------------------- */

static int64_t moment(uint64_t at)
{
	return (int64_t)MIN(at, (uint64_t)INT64_MAX);
}

static int present_row(struct ns *ns, uint64_t dir, const char *name,
		       size_t len, struct ns_name *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_ENTRY_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	ret->id = (uint64_t)stmt_col_int(st, 0);
	ret->ino = (uint64_t)stmt_col_int(st, 1);
	ret->born = (uint64_t)stmt_col_int(st, 2);
	stmt_reset(st);
	return 1;
}

int ns_own_name(struct ns *ns, uint64_t at, uint64_t dir, const char *name,
		size_t len, struct ns_name *ret)
{
	struct ns_name n = {0};
	uint64_t died;
	struct stmt *st;
	int rc = present_row(ns, dir, name, len, &n);

	if (rc < 0)
		return rc;
	if (rc && n.born <= at) {
		*ret = n;
		return 1;
	}
	if (at == NS_NOW)
		return 0;
	st = stmts_get(&ns->stmts, NS_PAST_ENTRY, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, moment(at));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	n.id = 0;
	n.ino = (uint64_t)stmt_col_int(st, 0);
	n.born = (uint64_t)stmt_col_int(st, 1);
	died = (uint64_t)stmt_col_int(st, 2);
	stmt_reset(st);
	if (died <= at)
		return 0;
	*ret = n;
	return 1;
}

static int put_row(struct ns *ns, uint64_t dir, const char *name, size_t len,
		   uint64_t ino, uint64_t born, uint64_t died)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, died ? NS_OVER_DEAD : NS_ENTRY_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, (int64_t)ino);
	stmt_int(st, 4, (int64_t)born);
	if (died) {
		stmt_int(st, 5, (int64_t)died);
		stmt_int(st, 6, (int64_t)ns_fork_node(born, died));
	}
	return stmt_run(st);
}

int ns_hide(struct ns *ns, const struct ns_work *w, uint64_t dir,
	    const char *name, size_t len, const struct ns_name *found)
{
	uint64_t ino;
	int rc;

	if (found->id) {
		rc = ns_lookup(ns->base, ns->fork, dir, name, len, &ino, NULL);
		if (rc < 0)
			return rc == -ENOENT ? 0 : rc;
	} else {
		rc = put_row(ns, dir, name, len, found->ino, found->born,
			     w->seq);
	}
	return rc < 0 ? rc : put_row(ns, dir, name, len, 0, w->seq, 0);
}

int ns_unhide(struct ns *ns, const struct ns_work *w, uint64_t dir,
	      const char *name, size_t len)
{
	struct ns_name n;
	struct stmt *st;
	int rc = present_row(ns, dir, name, len, &n);

	if (rc <= 0 || n.ino)
		return MIN(rc, 0);
	st = stmts_get(&ns->stmts,
		       n.born == w->seq ? NS_OVER_DEL : NS_ENTRY_KILL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)n.id);
	if (n.born != w->seq) {
		stmt_int(st, 2, (int64_t)w->seq);
		stmt_int(st, 3, (int64_t)ns_fork_node(n.born, w->seq));
	}
	return stmt_run(st);
}

int ns_name_copied(struct ns *ns, uint64_t dir, const char *name, size_t len)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&ns->stmts, NS_OVER_COPIED, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, (int64_t)ns->fork);
	return stmts_int(st, &one);
}

struct inherited {
	struct ns *ns;
	uint64_t at;
	int (*fn)(void *ctx, uint64_t dir, const char *name, size_t len);
	void *ctx;
};

static int on_inherited(void *ctx, uint64_t dir, const char *name, size_t len)
{
	const struct inherited *i = ctx;
	struct ns_name own;
	int rc = ns_own_name(i->ns, i->at, dir, name, len, &own);

	return rc < 0 ? rc : rc ? 0 : i->fn(i->ctx, dir, name, len);
}

int ns_over_names(struct ns *ns, uint64_t at, uint64_t ino,
		  int (*fn)(void *ctx, uint64_t dir, const char *name,
			    size_t len),
		  void *ctx)
{
	struct inherited i = {ns, at, fn, ctx};

	return ns_names(ns->base, ns->fork, ino, on_inherited, &i);
}

/* --- inodes -------------------------------------------------------------- */

int ns_owns(struct ns *ns, uint64_t ino)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&ns->stmts, NS_OVER_OWNS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	return stmts_int(st, &one);
}

static int count_name(void *ctx, uint64_t dir, const char *name, size_t len)
{
	++*(uint32_t *)ctx;
	return 0;
}

static int count_subdir(void *ctx, const struct ns_entry *e)
{
	*(uint32_t *)ctx += S_ISDIR(e->mode);
	return 0;
}

/* Of a directory in which nothing came or went since, they are those of its
 * row; else they are counted, once. */
static int subdirs(struct ns *ns, uint64_t ino, uint32_t *ret)
{
	struct ns *base = ns->base;
	uintptr_t known = (uintptr_t)map_get_u64(ns->subdirs, ino);
	uint32_t n = 2;
	struct ns_attr now;
	int rc;

	if (known) {
		*ret = (uint32_t)known;
		return 0;
	}
	rc = ns_before(base, ns->fork) ? 1
				       : ns_changed_after(base, ino, ns->fork);
	if (!rc && ns_inode(base, ino, &now) == 0 && now.nlink) {
		*ret = now.nlink;
		return 0;
	}
	if (rc >= 0)
		rc = ns_list(base, ns->fork, ino, "", 0, count_subdir, &n);
	if (rc >= 0)
		rc = map_put_u64(ns->subdirs, ino, (void *)(uintptr_t)n);
	if (rc >= 0)
		*ret = n;
	return MIN(rc, 0);
}

int ns_inherited(struct ns *ns, uint64_t ino, struct ns_attr *ret)
{
	struct ns_attr a;
	uint32_t n = 0;
	int rc = ns_getattr(ns->base, ns->fork, ino, &a);

	if (rc < 0)
		return rc;
	if (S_ISDIR(a.mode))
		rc = subdirs(ns, ino, &n);
	else
		rc = ns_names(ns->base, ns->fork, ino, count_name, &n);
	if (rc < 0)
		return rc;
	a.nlink = n;
	*ret = a;
	return 0;
}

/* Whose row says what it was at the fork: a branch, and up to which change. */
static int version_of(struct ns *ns, uint64_t ino, uint64_t *ret_branch,
		      uint64_t *ret_at)
{
	struct ns *b = ns->base;
	uint64_t at = ns->fork;
	int rc;

	while (b->base) {
		rc = ns_before(b, at) ? 0 : ns_owns(b, ino);
		if (rc < 0)
			return rc;
		if (rc)
			break;
		at = MIN(at, b->fork);
		b = b->base;
	}
	*ret_branch = b->branch;
	*ret_at = at;
	return 0;
}

static int copy_version(struct ns *ns, uint64_t ino)
{
	uint64_t branch, at;
	struct stmt *st;
	int rc = version_of(ns, ino, &branch, &at);

	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_OVER_VERSION, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)branch);
	stmt_int(st, 2, (int64_t)ino);
	stmt_int(st, 3, (int64_t)at);
	rc = stmt_run(st);
	return rc < 0 ? rc : db_changes(ns->db) == 1 ? 0 : -EUCLEAN;
}

static int copy_xattr(struct ns *ns, uint64_t ino, const char *name)
{
	CLEANUP_BUF struct buf value = BUF_INIT;
	struct stmt *st;
	int rc = ns_xattr_get_at(ns->base, ns->fork, ino, name, &value);

	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_XATTR_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name, strlen(name));
	stmt_int(st, 3, (int64_t)ns->fork);
	stmt_blob(st, 4, value.len ? (const void *)value.data : "", value.len);
	return stmt_run(st);
}

static int copy_xattrs(struct ns *ns, uint64_t ino)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	const char *name;
	size_t at = 0;
	int rc = ns_xattr_list_at(ns->base, ns->fork, ino, &names);

	while (rc >= 0 && at < names.len) {
		name = (const char *)names.data + at;
		rc = copy_xattr(ns, ino, name);
		at += strlen(name) + 1;
	}
	return rc;
}

int ns_own(struct ns *ns, uint64_t ino)
{
	struct ns_late late = ns->late;
	struct ns_attr a;
	int rc;

	if (!ns->base)
		return 0;
	rc = ns_owns(ns, ino);
	if (rc)
		return MIN(rc, 0);
	rc = ns_inherited(ns, ino, &a);
	if (rc < 0)
		return rc;
	rc = db_savepoint(ns->db);
	if (rc < 0)
		return rc;
	rc = copy_xattrs(ns, ino);
	if (rc >= 0)
		rc = copy_version(ns, ino);
	if (late.dir == ino)
		ns->late.dir = 0; /* for the row that is made here */
	if (rc >= 0)
		rc = ns_put_inode(ns, NS_INODE_ADD, &a);
	ns->late = late;
	if (rc >= 0)
		return db_release(ns->db);
	db_revert(ns->db);
	return rc;
}

/* --- listings ------------------------------------------------------------ */

/* Own names in order, and base's in order: one merged list. */
struct over {
	struct ns *ns;
	uint64_t at;
	bool special;	     /* modes are not wanted */
	struct stmt *st;     /* own names, from rows */
	struct past_list *l; /* or held */
	size_t i;
	bool there; /* own is a name */
	struct ns_entry own;
	char name[NS_NAME_MAX + 1];
	int (*fn)(void *ctx, const struct ns_entry *e);
	void *ctx;
};

static int next_own(struct over *o)
{
	int rc = 0;

	if (o->l) {
		o->there = ns_past_item(o->l, o->i++, &o->own);
		return 0;
	}
	rc = stmt_step(o->st);
	o->there = rc > 0;
	return rc > 0 ? ns_column_entry(o->st, o->name, &o->own) : rc;
}

static int emit_own(struct over *o)
{
	int rc = 0;

	if (!o->own.ino)
		return 0;
	if (!o->special && o->at != NS_NOW)
		rc = ns_past_mode(o->ns, o->at, o->own.ino, &o->own.mode);
	return rc < 0 ? rc : o->fn(o->ctx, &o->own);
}

static int order(const struct ns_entry *a, const struct ns_entry *b)
{
	int c = memcmp(a->name, b->name, MIN(a->len, b->len));

	return c ? c : (a->len > b->len) - (a->len < b->len);
}

static int on_base(void *ctx, const struct ns_entry *e)
{
	struct over *o = ctx;
	struct ns_entry copy = *e;
	int rc = 0, c = 1;

	while (o->there && (c = order(&o->own, e)) <= 0) {
		rc = emit_own(o);
		if (rc == 0)
			rc = next_own(o);
		if (rc != 0 || c == 0)
			return rc;
	}
	if (!o->special)
		rc = ns_past_mode(o->ns, o->at, e->ino, &copy.mode);
	return rc < 0 ? rc : o->fn(o->ctx, &copy);
}

static int rest(struct over *o)
{
	int rc = 0;

	while (rc == 0 && o->there) {
		rc = emit_own(o);
		if (rc == 0)
			rc = next_own(o);
	}
	return rc;
}

static int merge(struct over *o, int (*base)(struct over *o, void *arg),
		 void *arg)
{
	int rc = next_own(o);

	if (rc == 0)
		rc = base(o, arg);
	return rc ? rc : rest(o);
}

struct listing {
	uint64_t dir;
	const char *after;
	size_t len;
	enum ns_stmt which;
};

static int base_list(struct over *o, void *arg)
{
	const struct listing *l = arg;
	struct ns_attr a;
	int rc = ns_getattr(o->ns->base, o->ns->fork, l->dir, &a);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc; /* it came later */
	return ns_list(o->ns->base, o->ns->fork, l->dir, l->after, l->len,
		       on_base, o);
}

int ns_over_list(struct ns *ns, uint64_t at, uint64_t dir, const char *after,
		 size_t len, int (*fn)(void *ctx, const struct ns_entry *e),
		 void *ctx)
{
	struct over o = {.ns = ns, .at = at, .fn = fn, .ctx = ctx};
	struct listing l = {.dir = dir, .after = after, .len = len};
	int rc = at == NS_NOW ? 0 : ns_changed_after(ns, dir, at);

	if (rc < 0)
		return rc;
	if (rc > 0) {
		rc = ns_past_take(ns, at, dir, &o.l);
		if (rc < 0)
			return rc;
		o.i = ns_past_seek(o.l, after, len);
		rc = merge(&o, base_list, &l);
		ns_past_give(ns, o.l);
		return rc;
	}
	o.st = stmts_take(&ns->stmts, NS_OVER_LIST, &rc);
	if (!o.st)
		return rc;
	stmt_int(o.st, 1, (int64_t)dir);
	stmt_blob(o.st, 2, len ? after : "", len);
	rc = merge(&o, base_list, &l);
	stmts_give(&ns->stmts, NS_OVER_LIST, o.st);
	return rc;
}

static int base_special(struct over *o, void *arg)
{
	const struct listing *l = arg;

	return l->which == NS_ENTRY_PERCENT
		       ? ns_list_percent(o->ns->base, o->ns->fork, l->dir,
					 on_base, o)
		       : ns_list_recipes(o->ns->base, o->ns->fork, l->dir,
					 on_base, o);
}

int ns_over_special(struct ns *ns, enum ns_stmt which, uint64_t at,
		    uint64_t dir,
		    int (*fn)(void *ctx, const struct ns_entry *e), void *ctx)
{
	struct over o = {
		.ns = ns, .at = at, .special = true, .fn = fn, .ctx = ctx};
	struct listing l = {.dir = dir, .which = which};
	int rc;

	o.st = stmts_take(&ns->stmts, which, &rc);
	if (!o.st)
		return rc;
	stmt_int(o.st, 1, (int64_t)dir);
	stmt_int(o.st, 2, moment(at));
	rc = merge(&o, base_special, &l);
	stmts_give(&ns->stmts, which, o.st);
	return rc;
}

/* --- all names of an inode ----------------------------------------------- */

struct rows {
	struct ns *ns;
	uint64_t upto;
	int (*fn)(void *ctx, uint64_t dir, const char *name, size_t len,
		  uint64_t born, uint64_t died);
	void *ctx;
};

static int on_base_row(void *ctx, uint64_t dir, const char *name, size_t len,
		       uint64_t born, uint64_t died)
{
	const struct rows *r = ctx;
	int rc;

	if (!died || died > r->ns->fork) {
		rc = ns_name_copied(r->ns, dir, name, len);
		if (rc)
			return MIN(rc, 0);
		died = 0;
	}
	return r->fn(r->ctx, dir, name, len, born, died);
}

int ns_rows_of_ino(struct ns *ns, uint64_t upto, uint64_t ino,
		   int (*fn)(void *ctx, uint64_t dir, const char *name,
			     size_t len, uint64_t born, uint64_t died),
		   void *ctx)
{
	struct rows r = {ns, upto, fn, ctx};
	const char *name;
	struct stmt *st;
	uint64_t born;
	size_t len;
	int rc = 0;

	if (ns->base)
		rc = ns_rows_of_ino(ns->base, MIN(upto, ns->fork), ino,
				    on_base_row, &r);
	if (rc)
		return rc;
	st = stmts_take(&ns->stmts, NS_OVER_TRAIL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	while ((rc = stmt_step(st)) > 0) {
		name = stmt_col_blob(st, 1, &len);
		born = (uint64_t)stmt_col_int(st, 2);
		rc = born > upto ? 0
				 : fn(ctx, (uint64_t)stmt_col_int(st, 0), name,
				      len, born, (uint64_t)stmt_col_int(st, 3));
		if (rc)
			break;
	}
	stmts_give(&ns->stmts, NS_OVER_TRAIL, st);
	return rc;
}

struct named {
	const char *name;
	size_t len;
	struct buf *rows;
};

static int on_named(void *ctx, uint64_t dir, const char *name, size_t len,
		    uint64_t born, uint64_t died)
{
	const struct named *n = ctx;
	const uint64_t row[3] = {dir, born, died};

	if (len != n->len || memcmp(name, n->name, len) != 0)
		return 0;
	buf_add(n->rows, row, sizeof(row));
	return buf_err(n->rows);
}

int ns_named_rows(struct ns *ns, uint64_t upto, uint64_t ino, const char *name,
		  size_t len, struct buf *ret)
{
	struct named n = {name, len, ret};

	return ns_rows_of_ino(ns, upto, ino, on_named, &n);
}

/* --- counting anew ------------------------------------------------------- */

static int inodes_of(struct ns *ns, enum ns_stmt which, struct buf *ret)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, which, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0)
		buf_u64(ret, (uint64_t)stmt_col_int(st, 0));
	return rc < 0 ? rc : buf_err(ret);
}

int ns_over_totals(struct ns *ns, struct totals *ret)
{
	CLEANUP_BUF struct buf inodes = BUF_INIT;
	struct totals t;
	struct ns_attr a;
	uint64_t ino;
	struct cur c;
	int rc = ns_totals_at(ns->base, ns->fork, &t);

	if (rc == 0)
		rc = inodes_of(ns, NS_OVER_VERSIONS, &inodes);
	c = cur_of(inodes.data, inodes.len);
	while (rc == 0 && cur_left(&c)) {
		ino = cur_u64(&c);
		rc = ns_getattr(ns->base, ns->fork, ino, &a);
		if (rc == 0)
			ns_count(&t, &a, -1);
		if (rc == 0 || rc == -ENOENT)
			rc = ns_inode(ns, ino, &a);
		if (rc == 0 && a.nlink)
			ns_count(&t, &a, 1);
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc == 0)
		*ret = t;
	return rc;
}

int ns_over_put_totals(struct ns *ns, const struct totals *t)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_TOTALS_PUT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)t->files);
	stmt_int(st, 2, (int64_t)t->dirs);
	stmt_int(st, 3, (int64_t)t->links);
	stmt_int(st, 4, (int64_t)t->bytes);
	return stmt_run(st);
}

static int recount_inode(struct ns *ns, uint64_t ino)
{
	struct ns_attr a;
	struct stmt *st;
	uint32_t n = 0;
	int rc = ns_inode(ns, ino, &a);

	if (rc == 0)
		rc = ns_names(ns, NS_NOW, ino, count_name, &n);
	if (rc < 0)
		return rc;
	if (!n && ino != NS_ROOT) {
		st = stmts_get(&ns->stmts, NS_OVER_XATTRS, &rc);
		if (!st)
			return rc;
		stmt_int(st, 1, (int64_t)ino);
		rc = stmt_run(st);
		st = rc < 0 ? NULL : stmts_get(&ns->stmts, NS_INODE_DEL, &rc);
		if (!st)
			return rc;
		stmt_int(st, 1, (int64_t)ino);
		return stmt_run(st);
	}
	if (S_ISDIR(a.mode)) {
		n = 2;
		rc = ns_list(ns, NS_NOW, ino, "", 0, count_subdir, &n);
	}
	a.nlink = n;
	return rc < 0 ? rc : ns_put_inode(ns, NS_INODE_PUT, &a);
}

int ns_over_recount(struct ns *ns)
{
	CLEANUP_BUF struct buf inodes = BUF_INIT;
	struct totals t;
	struct cur c;
	int rc = inodes_of(ns, NS_OVER_INODES, &inodes);

	c = cur_of(inodes.data, inodes.len);
	while (rc == 0 && cur_left(&c))
		rc = recount_inode(ns, cur_u64(&c));
	if (rc == 0)
		rc = ns_over_totals(ns, &t);
	return rc < 0 ? rc : ns_over_put_totals(ns, &t);
}
