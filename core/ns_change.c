#include "core/ns_internal.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "core/journal.h"

/* A change: everything it needs is checked in the open batch, where nobody
 * else can write; then its rows are written behind a savepoint, so that a full
 * disk half-way leaves nothing; and what has come to be is journaled. The
 * journal cannot fail then: what goes wrong in it fails the commit. */

/* Cut at the start of a UTF-8 sequence. */
static const char *cut(const char *s, char *to, size_t size)
{
	size_t n;

	if (!s)
		return NULL;
	n = strlen(s);
	if (n >= size) {
		n = size - 1;
		while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, s, n);
	to[n] = '\0';
	return to;
}

static void bind_text(struct stmt *st, int i, const char *s)
{
	if (s)
		stmt_text(st, i, s, strlen(s));
	else
		stmt_null(st, i);
}

static void bind_dir(struct stmt *st, int i, uint64_t dir)
{
	if (dir)
		stmt_int(st, i, (int64_t)dir);
	else
		stmt_null(st, i);
}

static int put_change(struct ns *ns, const struct ns_work *w, uint64_t dir,
		      uint64_t dir2)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_CHANGE_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)w->seq);
	stmt_int(st, 2, w->time_ns);
	stmt_int(st, 3, w->op);
	stmt_int(st, 4, w->by.uid);
	stmt_int(st, 5, w->by.pid);
	bind_text(st, 6, w->by.program);
	bind_text(st, 7, w->by.message);
	bind_dir(st, 8, dir);
	bind_dir(st, 9, dir2 != dir ? dir2 : 0);
	return stmt_run(st);
}

int ns_put_more(struct ns *ns, const struct ns_work *w, uint64_t dir)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_CHANGE_MORE, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, (int64_t)w->seq);
	return stmt_run(st);
}

static void revert(struct ns *ns, const struct ns_late *late)
{
	db_revert(ns->db);
	ns_unkeep(ns, 0);
	ns->late = *late;
}

int ns_begin(struct ns *ns, const struct ns_by *by, enum ns_op op, uint64_t dir,
	     uint64_t dir2, struct ns_work *ret)
{
	int rc = db_savepoint(ns->db);

	if (rc < 0)
		return rc;
	ret->late = ns->late;
	ret->seq = ns->next_seq++;
	ret->time_ns = ns_time(ns);
	ret->stamp_ns = ns_stamp(ns, ret->time_ns);
	ret->op = op;
	ret->by = *by;
	ret->by.program = cut(by->program, ret->program, sizeof(ret->program));
	ret->by.message = cut(by->message, ret->message, sizeof(ret->message));
	ret->totals = ns->counters.totals;
	ret->totals.changes++;
	rc = put_change(ns, ret, dir, dir2);
	if (rc < 0)
		revert(ns, &ret->late);
	return rc;
}

int ns_end(struct ns *ns, const struct ns_work *w, int rc)
{
	if (rc < 0)
		revert(ns, &w->late);
	else
		rc = db_release(ns->db);
	if (rc < 0)
		return rc;
	ns->last_seq = w->seq;
	ns->last_time_ns = w->time_ns;
	ns->counters.totals = w->totals;
	ns->dirty = true;
	return 0;
}

int ns_begin_change(struct ns *ns, const struct ns_by *by, enum ns_op op,
		    uint64_t *ret_seq, int64_t *ret_time_ns)
{
	struct ns_work w;
	int rc;

	rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_begin(ns, by, op, 0, 0, &w);
	if (rc == 0)
		rc = ns_end(ns, &w, 0);
	if (rc < 0)
		return rc;
	journal_change(ns->journal, w.seq, w.time_ns, op, &w.by);
	*ret_seq = w.seq;
	if (ret_time_ns)
		*ret_time_ns = w.time_ns;
	return 0;
}

/* last_seq and last_time_ns stay: numbers and times only grow. */
void ns_undo_change(struct ns *ns)
{
	ns->counters.totals.changes--;
	journal_undo(ns->journal);
}

int ns_change_rows(struct ns *ns, const struct ns_by *by, enum ns_op op,
		   int (*fn)(void *ctx, uint64_t seq), void *ctx)
{
	struct ns_late late;
	uint64_t seq;
	int rc, end;

	rc = ns_enter(ns);
	if (rc == 0)
		rc = db_savepoint(ns->db);
	if (rc < 0)
		return rc;
	late = ns->late;
	rc = ns_begin_change(ns, by, op, &seq, NULL);
	if (rc < 0) {
		revert(ns, &late);
		return rc;
	}
	rc = fn(ctx, seq);
	if (rc > 0) {
		end = db_release(ns->db);
		rc = end < 0 ? end : 1;
	} else {
		revert(ns, &late);
	}
	if (rc <= 0)
		ns_undo_change(ns);
	return rc;
}

/* --- names come ---------------------------------------------------------- */

int ns_kind_check(uint32_t mode, const char *target)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return target ? -EINVAL : 0;
	case S_IFLNK:
		if (!target)
			return -EINVAL;
		if (!*target)
			return -ENOENT;
		return strlen(target) >= PATH_MAX ? -ENAMETOOLONG : 0;
	}
	return -EINVAL;
}

/* A name that is free in a directory that is there. */
static int check_free(struct ns *ns, uint64_t dir, const char *name, size_t len)
{
	struct ns_attr d;
	struct ns_name found;
	int rc;

	rc = ns_name_check(name, len);
	if (rc == 0)
		rc = ns_dir(ns, dir, &d);
	if (rc < 0)
		return rc;
	rc = ns_find(ns, dir, name, len, &found);
	return rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
}

static void new_attr(struct ns *ns, const struct ns_work *w, const char *target,
		     struct ns_attr *a)
{
	a->ino = ns->next_ino++;
	a->nlink = S_ISDIR(a->mode) ? 2 : 1;
	a->atime_ns = a->mtime_ns = a->ctime_ns = w->stamp_ns;
	a->version = w->seq;
	if (S_ISREG(a->mode))
		addr_of(OBJ_CHUNK, "", 0, &a->addr);
	else if (S_ISDIR(a->mode))
		a->size = NS_DIR_SIZE;
	else if (target)
		a->size = strlen(target);
}

int ns_create(struct ns *ns, const struct ns_by *by, uint64_t dir,
	      const char *name, size_t len, uint32_t mode, uint32_t uid,
	      uint32_t gid, uint64_t rdev, const char *target,
	      struct ns_attr *ret)
{
	struct ns_attr a = {.mode = mode & (S_IFMT | 07777),
			    .uid = uid,
			    .gid = gid,
			    .rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0};
	struct ns_work w;
	int rc;

	rc = ns_kind_check(mode, target);
	if (rc == 0)
		rc = ns_enter(ns);
	if (rc == 0)
		rc = check_free(ns, dir, name, len);
	if (rc == 0)
		rc = ns_begin(ns, by, NS_OP_CREATE, dir, 0, &w);
	if (rc < 0)
		return rc;
	new_attr(ns, &w, target, &a);
	ns_count(&w.totals, &a, 1);
	rc = ns_put_inode(ns, NS_INODE_ADD, &a);
	if (rc == 0)
		rc = ns_put_version(ns, &w, &a, target);
	if (rc == 0)
		rc = ns_put_name(ns, &w, dir, name, len, a.ino);
	if (rc == 0)
		rc = ns_touch_dir(ns, &w, dir, S_ISDIR(mode) ? 1 : 0);
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	journal_change(ns->journal, w.seq, w.time_ns, w.op, &w.by);
	journal_name(ns->journal, true, dir, name, len, a.ino);
	journal_inode(ns->journal, &a, target);
	*ret = a;
	return 0;
}

int ns_link(struct ns *ns, const struct ns_by *by, uint64_t ino, uint64_t dir,
	    const char *name, size_t len, struct ns_attr *ret)
{
	struct ns_attr a;
	struct ns_work w;
	int rc;

	rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_inode(ns, ino, &a);
	if (rc == 0)
		rc = S_ISDIR(a.mode) ? -EPERM : a.nlink ? 0 : -ENOENT;
	if (rc == 0)
		rc = check_free(ns, dir, name, len);
	if (rc == 0 && a.nlink >= NS_LINK_MAX)
		rc = -EMLINK;
	if (rc == 0)
		rc = ns_begin(ns, by, NS_OP_LINK, dir, 0, &w);
	if (rc < 0)
		return rc;
	a.nlink++;
	a.ctime_ns = w.stamp_ns;
	rc = ns_touch_inode(ns, &w, &a);
	if (rc == 0)
		rc = ns_put_name(ns, &w, dir, name, len, ino);
	if (rc == 0)
		rc = ns_touch_dir(ns, &w, dir, 0);
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	journal_change(ns->journal, w.seq, w.time_ns, w.op, &w.by);
	journal_name(ns->journal, true, dir, name, len, ino);
	*ret = a;
	return 0;
}

/* --- names go ------------------------------------------------------------ */

static int check_unlink(struct ns *ns, const struct ns_attr *a, bool is_dir)
{
	if (!is_dir)
		return S_ISDIR(a->mode) ? -EISDIR : 0;
	if (!S_ISDIR(a->mode))
		return -ENOTDIR;
	return ns_dir_empty(ns, a->ino) ? 0 : -ENOTEMPTY;
}

int ns_unlink(struct ns *ns, const struct ns_by *by, uint64_t dir,
	      const char *name, size_t len, bool is_dir,
	      struct ns_attr *ret_gone)
{
	struct ns_name found;
	struct ns_attr d, a;
	struct ns_work w;
	int rc;

	rc = ns_name_check(name, len);
	if (rc == 0)
		rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_dir(ns, dir, &d);
	if (rc == 0)
		rc = ns_find(ns, dir, name, len, &found);
	if (rc < 0)
		return rc;
	rc = ns_inode(ns, found.ino, &a);
	if (rc == -ENOENT)
		rc = -EUCLEAN; /* a name without an inode */
	if (rc == 0)
		rc = check_unlink(ns, &a, is_dir);
	if (rc == 0)
		rc = ns_begin(ns, by, NS_OP_UNLINK, dir, 0, &w);
	if (rc < 0)
		return rc;
	rc = ns_kill_name(ns, &w, dir, name, len, &found);
	if (rc == 0)
		rc = ns_drop_link(ns, &w, &a);
	if (rc == 0)
		rc = ns_touch_dir(ns, &w, dir, is_dir ? -1 : 0);
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	journal_change(ns->journal, w.seq, w.time_ns, w.op, &w.by);
	journal_name(ns->journal, false, dir, name, len, a.ino);
	*ret_gone = a;
	return 0;
}

/* To find that there are none takes a fifth of what the update takes, which
 * makes a table for what it finds. */
static int kill_xattrs(struct ns *ns, uint64_t ino)
{
	struct stmt *st;
	int64_t one;
	int rc;

	st = stmts_get(&ns->stmts, NS_XATTR_ANY, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	rc = stmts_int(st, &one);
	if (rc <= 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_XATTR_KILL_ALL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_int(st, 2, (int64_t)ns->last_seq);
	return stmt_run(st);
}

static int delete_inode(struct ns *ns, uint64_t ino)
{
	struct stmt *st;
	int rc = kill_xattrs(ns, ino);

	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_INODE_DEL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	ns_unkeep(ns, ino);
	rc = stmt_run(st);
	return rc < 0 ? rc : ns_orphan_del(ns, ino);
}

int ns_reap(struct ns *ns, uint64_t ino)
{
	struct ns_late late;
	struct ns_attr a;
	int rc;

	rc = ns_enter(ns);
	if (rc == 0)
		rc = ns_inode(ns, ino, &a);
	if (rc == 0 && a.nlink)
		rc = -EBUSY;
	if (rc == 0 && ns->late.dir == ino)
		rc = ns_settle_dir(ns);
	late = ns->late;
	if (rc == 0)
		rc = db_savepoint(ns->db);
	if (rc < 0)
		return rc;
	rc = delete_inode(ns, ino);
	if (rc == 0)
		return db_release(ns->db);
	revert(ns, &late);
	return ns_orphan_add(ns, ino) < 0 ? -ENOMEM : rc;
}
