#include "core/ns_internal.h"

#include <errno.h>
#include <sys/stat.h>

static void bind_addr(struct stmt *st, int i, const struct ns_attr *a)
{
	if (S_ISREG(a->mode))
		stmt_blob(st, i, a->addr.b, ADDR_LEN);
	else
		stmt_null(st, i);
}

static int64_t stored_size(const struct ns_attr *a)
{
	return S_ISDIR(a->mode) ? 0 : (int64_t)a->size;
}

int ns_settle_dir(struct ns *ns)
{
	const struct ns_late *late = &ns->late;
	struct stmt *st;
	int rc;

	if (!late->dir)
		return 0;
	rc = ns_own(ns, late->dir);
	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_DIR_TOUCH, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)late->dir);
	stmt_int(st, 2, late->time_ns);
	stmt_int(st, 3, late->nlink_by);
	rc = stmt_run(st);
	if (rc == 0)
		ns->late.dir = 0;
	return rc;
}

static int settle_ino(struct ns *ns, uint64_t ino)
{
	return ns->late.dir == ino ? ns_settle_dir(ns) : 0;
}

int ns_put_inode(struct ns *ns, enum ns_stmt add_or_put,
		 const struct ns_attr *a)
{
	struct stmt *st;
	int rc = settle_ino(ns, a->ino);

	if (rc == 0 && add_or_put == NS_INODE_PUT)
		rc = ns_own(ns, a->ino);
	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, add_or_put, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a->ino);
	stmt_int(st, 2, a->mode);
	stmt_int(st, 3, a->nlink);
	stmt_int(st, 4, a->uid);
	stmt_int(st, 5, a->gid);
	stmt_int(st, 6, (int64_t)a->rdev);
	stmt_int(st, 7, stored_size(a));
	stmt_int(st, 8, a->atime_ns);
	stmt_int(st, 9, a->mtime_ns);
	stmt_int(st, 10, a->ctime_ns);
	bind_addr(st, 11, a);
	stmt_int(st, 12, (int64_t)a->version);
	rc = stmt_run(st);
	if (rc == 0 && S_ISREG(a->mode))
		ns_keep(ns, a);
	else
		ns_unkeep(ns, a->ino);
	return rc;
}

int ns_put_version(struct ns *ns, struct ns_work *w, const struct ns_attr *a,
		   const char *target)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_VERSION_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a->ino);
	stmt_int(st, 2, (int64_t)w->seq);
	stmt_int(st, 3, (int64_t)a->version);
	stmt_int(st, 4, a->mode);
	stmt_int(st, 5, a->uid);
	stmt_int(st, 6, a->gid);
	stmt_int(st, 7, (int64_t)a->rdev);
	stmt_int(st, 8, stored_size(a));
	stmt_int(st, 9, a->mtime_ns);
	bind_addr(st, 10, a);
	if (target)
		stmt_blob(st, 11, target, strlen(target));
	else
		stmt_null(st, 11);
	w->totals.versions++;
	return stmt_run(st);
}

int ns_put_name(struct ns *ns, const struct ns_work *w, uint64_t dir,
		const char *name, size_t len, uint64_t ino)
{
	struct stmt *st;
	int rc;

	ns_unkeep_absent(ns, dir, name, len);
	rc = ns->base ? ns_unhide(ns, w, dir, name, len) : 0;
	/* as has all that has a name of its own; -ENOENT: it is just made */
	if (rc == 0)
		rc = ns_own(ns, ino);
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_ENTRY_ADD, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, (int64_t)ino);
	stmt_int(st, 4, (int64_t)w->seq);
	return stmt_run(st);
}

static int end_row(struct ns *ns, const struct ns_work *w,
		   const struct ns_name *name)
{
	struct stmt *st;
	int rc;

	st = stmts_get(&ns->stmts, NS_ENTRY_KILL, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)name->id);
	stmt_int(st, 2, (int64_t)w->seq);
	stmt_int(st, 3, (int64_t)ns_fork_node(name->born, w->seq));
	return stmt_run(st);
}

int ns_kill_name(struct ns *ns, const struct ns_work *w, uint64_t dir,
		 const char *name, size_t len, const struct ns_name *found)
{
	int rc;

	if (!found->born || found->born >= w->seq)
		return -EUCLEAN;
	rc = found->id ? end_row(ns, w, found) : 0;
	return rc < 0 || !ns->base ? rc : ns_hide(ns, w, dir, name, len, found);
}

int ns_touch_dir(struct ns *ns, const struct ns_work *w, uint64_t dir,
		 int nlink_by)
{
	int rc = ns->late.dir != dir ? ns_settle_dir(ns) : 0;

	if (rc < 0)
		return rc;
	if (!ns->late.dir)
		ns->late = (struct ns_late){.dir = dir};
	/* the change's own time, which is what the past has of it */
	ns->late.time_ns = w->time_ns;
	ns->late.nlink_by += nlink_by;
	ns_kept_dir(ns, dir, w->time_ns, nlink_by);
	return 0;
}

int ns_touch_inode(struct ns *ns, const struct ns_work *w,
		   const struct ns_attr *a)
{
	struct stmt *st;
	int rc = settle_ino(ns, a->ino);

	if (rc == 0)
		rc = ns_own(ns, a->ino);
	if (rc < 0)
		return rc;
	st = stmts_get(&ns->stmts, NS_INODE_TOUCH, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a->ino);
	stmt_int(st, 2, w->stamp_ns);
	stmt_int(st, 3, a->nlink);
	ns_unkeep(ns, a->ino);
	return stmt_run(st);
}

void ns_count(struct totals *t, const struct ns_attr *a, int by)
{
	uint64_t n = (uint64_t)(int64_t)by;

	if (S_ISREG(a->mode)) {
		t->files += n;
		t->bytes += n * a->size;
	} else if (S_ISDIR(a->mode)) {
		t->dirs += n;
	} else if (S_ISLNK(a->mode)) {
		t->links += n;
	}
}

int ns_drop_link(struct ns *ns, struct ns_work *w, struct ns_attr *gone)
{
	int rc = 0;

	if (!gone->nlink)
		return -EUCLEAN;
	gone->nlink = S_ISDIR(gone->mode) ? 0 : gone->nlink - 1;
	gone->ctime_ns = w->stamp_ns;
	if (!gone->nlink) {
		ns_count(&w->totals, gone, -1);
		rc = ns_orphan_add(ns, gone->ino);
	}
	return rc < 0 ? rc : ns_touch_inode(ns, w, gone);
}
