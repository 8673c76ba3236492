#include "core/ns_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/journal.h"

#define SET_ALL                                                                \
	(NS_SET_MODE | NS_SET_UID | NS_SET_GID | NS_SET_ATIME | NS_SET_MTIME | \
	 NS_SET_CTIME)

/* --- attributes ---------------------------------------------------------- */

static void apply(struct ns_attr *a, unsigned which, const struct ns_attr *set,
		  int64_t now)
{
	if (which & NS_SET_MODE)
		a->mode = (a->mode & S_IFMT) | (set->mode & 07777);
	if (which & NS_SET_UID)
		a->uid = set->uid;
	if (which & NS_SET_GID)
		a->gid = set->gid;
	if (which & NS_SET_ATIME)
		a->atime_ns = set->atime_ns;
	if (which & NS_SET_MTIME)
		a->mtime_ns = set->mtime_ns;
	a->ctime_ns = which & NS_SET_CTIME ? set->ctime_ns : now;
}

/* What a version row holds. */
static bool same_version(const struct ns_attr *a, const struct ns_attr *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->mtime_ns == b->mtime_ns && a->size == b->size &&
	       addr_eq(&a->addr, &b->addr);
}

/* The row of *a, its version, and the journal. */
static int put_changed(struct ns *ns, struct ns_work *w,
		       const struct ns_attr *a)
{
	CLEANUP_BUF struct buf target = BUF_INIT;
	const char *text = NULL;
	int rc = 0;

	if (S_ISLNK(a->mode)) {
		rc = ns_target(ns, NS_NOW, a->ino, &target);
		text = buf_cstr(&target);
	}
	if (rc == 0)
		rc = ns_put_inode(ns, NS_INODE_PUT, a);
	if (rc == 0)
		rc = ns_put_version(ns, w, a, text);
	rc = ns_end(ns, w, rc);
	if (rc < 0)
		return rc;
	journal_change(ns->journal, w->seq, w->time_ns, w->op, &w->by);
	journal_inode(ns->journal, a, text);
	return 0;
}

int ns_setattr(struct ns *ns, const struct ns_by *by, uint64_t ino,
	       unsigned which, const struct ns_attr *set, struct ns_attr *ret)
{
	struct ns_attr old, a;
	struct ns_work w;
	int rc;

	if (which & ~(unsigned)SET_ALL)
		return -EINVAL;
	rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_inode(ns, ino, &old);
	if (rc < 0)
		return rc;
	a = old;
	apply(&a, which, set, ns_stamp(ns, ns_time(ns)));
	if (same_version(&a, &old) || !a.nlink) {
		rc = ns_put_inode(ns, NS_INODE_PUT, &a);
	} else {
		rc = ns_begin(ns, by, NS_OP_SETATTR, 0, 0, &w);
		if (rc < 0)
			return rc;
		if (!(which & NS_SET_CTIME))
			a.ctime_ns = w.stamp_ns;
		rc = put_changed(ns, &w, &a);
	}
	if (rc == 0)
		*ret = a;
	return rc;
}

int ns_write(struct ns *ns, const struct ns_by *by, uint64_t ino,
	     const struct addr *addr, uint64_t size, int64_t mtime_ns,
	     struct ns_attr *ret)
{
	return ns_write_at(ns, by, ino, addr, size, mtime_ns, 0, ret);
}

int ns_write_at(struct ns *ns, const struct ns_by *by, uint64_t ino,
		const struct addr *addr, uint64_t size, int64_t mtime_ns,
		int64_t ctime_ns, struct ns_attr *ret)
{
	struct ns_attr old, a;
	struct ns_work w;
	int rc;

	rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_inode(ns, ino, &old);
	if (rc < 0)
		return rc;
	if (!S_ISREG(old.mode))
		return S_ISDIR(old.mode) ? -EISDIR : -EINVAL;
	if (size > (uint64_t)INT64_MAX)
		return -EFBIG;
	a = old;
	a.addr = *addr;
	a.size = size;
	if (!a.nlink) {
		a.ctime_ns = ctime_ns ? ctime_ns : ns_stamp(ns, ns_time(ns));
		a.mtime_ns = mtime_ns ? mtime_ns : a.ctime_ns;
		rc = ns_put_inode(ns, NS_INODE_PUT, &a);
	} else {
		rc = ns_begin(ns, by, NS_OP_WRITE, 0, 0, &w);
		if (rc < 0)
			return rc;
		a.ctime_ns = ctime_ns ? ctime_ns : w.stamp_ns;
		a.mtime_ns = mtime_ns ? mtime_ns : w.stamp_ns;
		if (!addr_eq(&a.addr, &old.addr))
			a.version = w.seq;
		w.totals.bytes += a.size - old.size;
		rc = put_changed(ns, &w, &a);
	}
	if (rc == 0)
		*ret = a;
	return rc;
}

/* --- extended attributes ------------------------------------------------- */

/* Whether the rows here say what an inode had: 1, or 0 when base's do. */
static int has_own(struct ns *ns, uint64_t at, uint64_t ino)
{
	return !ns->base ? 1 : ns_before(ns, at) ? 0 : ns_owns(ns, ino);
}

static int inherited_xattr(struct ns *ns, uint64_t ino, const char *name,
			   struct buf *value, uint64_t *ret_born)
{
	CLEANUP_BUF struct buf none = BUF_INIT;
	int rc = ns_xattr_get_at(ns->base, ns->fork, ino, name,
				 value ? value : &none);

	if (rc < 0)
		return rc == -ENODATA ? 0 : rc;
	*ret_born = ns->fork;
	return 1;
}

/* 1 with when it was set, 0 when there is none; its value, too, where wanted.
 */
static int find_xattr(struct ns *ns, uint64_t ino, const char *name,
		      struct buf *value, uint64_t *ret_born)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc = has_own(ns, NS_NOW, ino);

	if (rc <= 0)
		return rc < 0 ? rc
			      : inherited_xattr(ns, ino, name, value, ret_born);
	st = stmts_get(&ns->stmts, NS_XATTR_GET, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name, strlen(name));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	p = stmt_col_blob(st, 0, &n);
	if (value)
		buf_add(value, p, n);
	*ret_born = (uint64_t)stmt_col_int(st, 1);
	stmt_reset(st);
	if (value && buf_err(value) < 0)
		return -ENOMEM;
	return 1;
}

int ns_xattr_get(struct ns *ns, uint64_t ino, const char *name, struct buf *ret)
{
	uint64_t born;
	int rc = find_xattr(ns, ino, name, ret, &born);

	return rc > 0 ? 0 : rc < 0 ? rc : -ENODATA;
}

int ns_xattr_list(struct ns *ns, uint64_t ino, struct buf *ret)
{
	const void *p;
	struct stmt *st;
	size_t n;
	int rc = has_own(ns, NS_NOW, ino);

	if (rc <= 0)
		return rc < 0 ? rc
			      : ns_xattr_list_at(ns->base, ns->fork, ino, ret);
	st = stmts_get(&ns->stmts, NS_XATTR_LIST, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &n);
		buf_add(ret, p, n);
		buf_u8(ret, '\0');
	}
	return rc < 0 ? rc : buf_err(ret);
}

/* What it was at a moment: 1, or 0 for none; value may be NULL. */
static int past_xattr(struct ns *ns, uint64_t at, uint64_t ino,
		      const void *name, size_t len, struct buf *value)
{
	struct stmt *st;
	const void *p;
	size_t n;
	int rc;

	st = stmts_get(&ns->stmts, NS_XATTR_AT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, (int64_t)MIN(at, (uint64_t)INT64_MAX));
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	rc = stmt_col_is_null(st, 1) || (uint64_t)stmt_col_int(st, 1) > at;
	p = stmt_col_blob(st, 0, &n);
	if (rc && value)
		buf_add(value, p, n);
	stmt_reset(st);
	return value && buf_err(value) < 0 ? -ENOMEM : rc;
}

int ns_xattr_get_at(struct ns *ns, uint64_t at, uint64_t ino, const char *name,
		    struct buf *ret)
{
	int rc;

	if (at == NS_NOW)
		return ns_xattr_get(ns, ino, name, ret);
	rc = has_own(ns, at, ino);
	if (rc <= 0)
		return rc < 0 ? rc
			      : ns_xattr_get_at(ns->base, MIN(at, ns->fork),
						ino, name, ret);
	rc = past_xattr(ns, at, ino, name, strlen(name), ret);
	return rc > 0 ? 0 : rc < 0 ? rc : -ENODATA;
}

/* The first name behind *name, which it replaces: 1, or 0. */
static int next_xattr(struct ns *ns, uint64_t ino, struct buf *name)
{
	struct stmt *st;
	const void *p;
	size_t n;
	int rc;

	st = stmts_get(&ns->stmts, NS_XATTR_NEXT, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name->data, name->len);
	rc = stmt_step(st);
	if (rc <= 0)
		return rc;
	p = stmt_col_blob(st, 0, &n);
	buf_reset(name);
	buf_add(name, p, n);
	stmt_reset(st);
	return buf_err(name) < 0 ? -ENOMEM : 1;
}

/* From name to name, however often each was set. */
int ns_xattr_list_at(struct ns *ns, uint64_t at, uint64_t ino, struct buf *ret)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	int rc, held;

	if (at == NS_NOW)
		return ns_xattr_list(ns, ino, ret);
	rc = has_own(ns, at, ino);
	if (rc <= 0)
		return rc < 0 ? rc
			      : ns_xattr_list_at(ns->base, MIN(at, ns->fork),
						 ino, ret);
	while ((rc = next_xattr(ns, ino, &name)) > 0) {
		held = past_xattr(ns, at, ino, name.data, name.len, NULL);
		if (held < 0)
			return held;
		if (!held)
			continue;
		buf_add(ret, name.data, name.len);
		buf_u8(ret, '\0');
	}
	return rc < 0 ? rc : buf_err(ret);
}

static int kill_xattr(struct ns *ns, const struct ns_work *w, uint64_t ino,
		      const char *name, uint64_t born)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_XATTR_KILL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name, strlen(name));
	stmt_int(st, 3, (int64_t)w->seq);
	stmt_int(st, 4, (int64_t)born);
	return stmt_run(st);
}

static int add_xattr(struct ns *ns, const struct ns_work *w, uint64_t ino,
		     const char *name, const void *value, size_t len)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_XATTR_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name, strlen(name));
	stmt_int(st, 3, (int64_t)w->seq);
	stmt_blob(st, 4, value, len);
	return stmt_run(st);
}

static int check_xattr(const char *name, const void *value, size_t len,
		       int flags)
{
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (!*name || strlen(name) > XATTR_NAME_MAX)
		return -ERANGE;
	return value && len > XATTR_SIZE_MAX ? -E2BIG : 0;
}

int ns_xattr_set(struct ns *ns, const struct ns_by *by, uint64_t ino,
		 const char *name, const void *value, size_t len, int flags)
{
	struct ns_attr a;
	struct ns_work w;
	uint64_t born = 0;
	int rc, had = 0;

	rc = check_xattr(name, value, len, flags);
	if (rc == 0)
		rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_inode(ns, ino, &a);
	if (rc == 0)
		rc = had = find_xattr(ns, ino, name, NULL, &born);
	if (rc < 0)
		return rc;
	if (had && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!had && (!value || (flags & XATTR_REPLACE)))
		return -ENODATA;
	rc = ns_begin(ns, by, NS_OP_XATTR, 0, 0, &w);
	if (rc < 0)
		return rc;
	rc = ns_own(ns, ino); /* its rows are then as `born` says */
	if (rc == 0 && had)
		rc = kill_xattr(ns, &w, ino, name, born);
	if (rc == 0 && value)
		rc = add_xattr(ns, &w, ino, name, value, len);
	if (rc == 0)
		rc = ns_touch_inode(ns, &w, &a);
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	journal_change(ns->journal, w.seq, w.time_ns, w.op, &w.by);
	journal_xattr(ns->journal, ino, name, value, len);
	return 0;
}

int ns_put_xattr(struct ns *ns, const struct ns_work *w, uint64_t ino,
		 const char *name, const void *value, size_t len)
{
	uint64_t born = 0;
	int rc, had;

	rc = ns_own(ns, ino); /* its rows are then as `born` says */
	if (rc < 0)
		return rc;
	rc = had = find_xattr(ns, ino, name, NULL, &born);
	if (had > 0)
		rc = kill_xattr(ns, w, ino, name, born);
	if (rc >= 0 && value)
		rc = add_xattr(ns, w, ino, name, value, len);
	return MIN(rc, 0);
}
