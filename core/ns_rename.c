#include "core/ns_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/journal.h"

/* One end of a rename. */
struct side {
	uint64_t dir;
	const char *name;
	size_t len;
	bool there; /* there is such a name; the rest is about it */
	struct ns_name found;
	struct ns_attr attr;
};

static int read_side(struct ns *ns, struct side *s)
{
	struct ns_attr d;
	int rc;

	rc = ns_dir(ns, s->dir, &d);
	if (rc < 0)
		return rc;
	rc = ns_find(ns, s->dir, s->name, s->len, &s->found);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	s->there = true;
	rc = ns_inode(ns, s->found.ino, &s->attr);
	return rc == -ENOENT ? -EUCLEAN : rc;
}

/* -EINVAL when dir is `moved` or lies below it. */
static int check_not_below(struct ns *ns, uint64_t dir,
			   const struct ns_attr *moved)
{
	struct ns_climb climb = {0};
	int rc = 0;

	if (!S_ISDIR(moved->mode))
		return 0;
	while (rc == 0 && dir != NS_ROOT) {
		if (dir == moved->ino)
			return -EINVAL;
		rc = ns_climb(&climb, ns, NS_NOW, &dir, NULL);
	}
	return rc;
}

static int check_replaced(struct ns *ns, const struct side *from,
			  const struct side *to)
{
	if (!S_ISDIR(from->attr.mode))
		return S_ISDIR(to->attr.mode) ? -EISDIR : 0;
	if (!S_ISDIR(to->attr.mode))
		return -ENOTDIR;
	return ns_dir_empty(ns, to->attr.ino) ? 0 : -ENOTEMPTY;
}

static int check(struct ns *ns, unsigned flags, const struct side *from,
		 const struct side *to)
{
	bool exchange = flags & RENAME_EXCHANGE;
	int rc;

	if (!from->there || (exchange && !to->there))
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to->there)
		return -EEXIST;
	if (to->there && to->attr.ino == from->attr.ino)
		return 0;
	rc = check_not_below(ns, to->dir, &from->attr);
	if (rc == 0 && exchange)
		rc = check_not_below(ns, from->dir, &to->attr);
	if (rc == 0 && to->there && !exchange)
		rc = check_replaced(ns, from, to);
	return rc;
}

/* The name `from` had becomes one at `to`. */
static int move(struct ns *ns, struct ns_work *w, const struct side *from,
		const struct side *to)
{
	int rc;

	rc = ns_put_name(ns, w, to->dir, to->name, to->len, from->attr.ino);
	return rc < 0 ? rc : ns_touch_inode(ns, w, &from->attr);
}

/* How many directories more lie in `to` afterwards; as many fewer in `from`,
 * but for one that was replaced. */
static int touch_dirs(struct ns *ns, struct ns_work *w, const struct side *from,
		      const struct side *to, bool exchange)
{
	int moved = S_ISDIR(from->attr.mode) ? 1 : 0;
	int there = to->there && S_ISDIR(to->attr.mode) ? 1 : 0;
	int rc;

	if (from->dir == to->dir)
		return ns_touch_dir(ns, w, to->dir, exchange ? 0 : -there);
	rc = ns_touch_dir(ns, w, from->dir, (exchange ? there : 0) - moved);
	return rc < 0 ? rc : ns_touch_dir(ns, w, to->dir, moved - there);
}

static int kill_side(struct ns *ns, const struct ns_work *w,
		     const struct side *s)
{
	return ns_kill_name(ns, w, s->dir, s->name, s->len, &s->found);
}

static int write_rows(struct ns *ns, struct ns_work *w, struct side *from,
		      struct side *to, bool exchange)
{
	int rc;

	rc = kill_side(ns, w, from);
	if (rc == 0 && to->there)
		rc = kill_side(ns, w, to);
	if (rc == 0)
		rc = move(ns, w, from, to);
	if (rc == 0 && exchange)
		rc = move(ns, w, to, from);
	if (rc == 0 && to->there && !exchange)
		rc = ns_drop_link(ns, w, &to->attr);
	if (rc == 0)
		rc = touch_dirs(ns, w, from, to, exchange);
	return rc;
}

static void journal_rename(struct journal *j, const struct ns_work *w,
			   const struct side *from, const struct side *to,
			   bool exchange)
{
	journal_change(j, w->seq, w->time_ns, w->op, &w->by);
	journal_name(j, false, from->dir, from->name, from->len,
		     from->attr.ino);
	if (to->there)
		journal_name(j, false, to->dir, to->name, to->len,
			     to->attr.ino);
	journal_name(j, true, to->dir, to->name, to->len, from->attr.ino);
	if (exchange)
		journal_name(j, true, from->dir, from->name, from->len,
			     to->attr.ino);
}

static int check_arguments(const struct side *from, const struct side *to,
			   unsigned flags)
{
	int rc;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	rc = ns_name_check(from->name, from->len);
	return rc < 0 ? rc : ns_name_check(to->name, to->len);
}

int ns_rename(struct ns *ns, const struct ns_by *by, uint64_t dir,
	      const char *name, size_t len, uint64_t to_dir,
	      const char *to_name, size_t to_len, unsigned flags,
	      struct ns_attr *ret_gone)
{
	struct side from = {.dir = dir, .name = name, .len = len};
	struct side to = {.dir = to_dir, .name = to_name, .len = to_len};
	bool exchange = flags & RENAME_EXCHANGE;
	struct ns_work w;
	int rc;

	rc = check_arguments(&from, &to, flags);
	if (rc == 0)
		rc = ns_enter(ns);
	if (rc == 0)
		rc = read_side(ns, &from);
	if (rc == 0)
		rc = read_side(ns, &to);
	if (rc == 0)
		rc = check(ns, flags, &from, &to);
	if (rc < 0)
		return rc;
	if (to.there && to.attr.ino == from.attr.ino) {
		memset(ret_gone, 0, sizeof(*ret_gone));
		return 0;
	}
	rc = ns_begin(ns, by, NS_OP_RENAME, dir, to_dir, &w);
	if (rc < 0)
		return rc;
	rc = write_rows(ns, &w, &from, &to, exchange);
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	journal_rename(ns->journal, &w, &from, &to, exchange);
	memset(ret_gone, 0, sizeof(*ret_gone));
	if (to.there && !exchange)
		*ret_gone = to.attr;
	return 0;
}
