#include "core/ns_edits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/journal.h"

/* First everything that the edits concern is read and what it is to be is
 * worked out and checked, in the open batch, where nobody else can write. Then
 * the rows are written: inodes, names that go, names that come. No order of
 * steps has to be found, since nobody sees the tree in between. */

/* --- what is concerned --------------------------------------------------- */

static struct edit_file *file_of(struct ns_edits *e, uint64_t ino)
{
	struct edit_file *f = map_get_u64(e->files, ino);

	if (!f)
		f = edits_add(&e->list, &e->n_files, sizeof(*f), e->files, &ino,
			      sizeof(ino));
	if (f)
		f->now.ino = f->then.ino = ino;
	return f;
}

static int gather_name(struct ns *ns, struct ns_edits *e, struct edit_name *n)
{
	uint64_t dir = edits_real(e, n->dir), ino = edits_real(e, n->ino);
	struct edit_file *f;
	int rc = ns_name_check(n->name, n->len);

	n->old = (struct ns_name){0};
	if (rc == 0)
		rc = ns_find(ns, dir, n->name, n->len, &n->old);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	n->same = n->old.ino == ino;
	if (n->same)
		return 0;
	f = file_of(e, dir);
	if (!f)
		return -ENOMEM;
	f->touched = true;
	f = n->old.ino ? file_of(e, n->old.ino) : f;
	if (!f)
		return -ENOMEM;
	if (n->old.ino)
		f->by--;
	f = ino ? file_of(e, ino) : f;
	if (!f)
		return -ENOMEM;
	if (ino) {
		f->by++;
		f->parent = dir;
	}
	return 0;
}

static int gather_xattr(struct ns *ns, struct ns_edits *e, struct edit_xattr *x)
{
	CLEANUP_BUF struct buf now = BUF_INIT;
	uint64_t ino = edits_real(e, x->ino);
	struct edit_file *f;
	int rc;

	rc = ns_xattr_get(ns, ino, x->name, &now);
	if (rc < 0 && rc != -ENODATA)
		return rc;
	x->same = rc < 0 ? !x->value
			 : x->value && x->len == now.len &&
				   (!now.len ||
				    !memcmp(x->value, now.data, now.len));
	if (x->same)
		return 0;
	f = file_of(e, ino);
	if (!f)
		return -ENOMEM;
	f->marked = true;
	return 0;
}

static int gather(struct ns *ns, struct ns_edits *e)
{
	const struct edit_inode *in;
	struct edit_file *f;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_names; i++)
		rc = gather_name(ns, e, e->names[i]);
	for (i = 0; rc == 0 && i < e->n_xattrs; i++)
		rc = gather_xattr(ns, e, e->xattrs[i]);
	for (i = 0; rc == 0 && i < e->n_inodes; i++) {
		in = e->inodes[i];
		f = file_of(e, edits_real(e, in->a.ino));
		if (!f)
			return -ENOMEM;
		f->edit = in;
	}
	return rc;
}

/* --- what it is to be ---------------------------------------------------- */

static void edit_attr(struct edit_file *f)
{
	const struct edit_inode *in = f->edit;
	struct ns_attr *a = &f->then;
	uint64_t ino = a->ino;

	if (!f->there) {
		*a = in->a;
		a->ino = ino;
		a->nlink = 0;
		a->mode &= S_IFMT | 07777;
		a->gone = false;
		if (S_ISDIR(a->mode))
			a->size = NS_DIR_SIZE;
		else if (in->target)
			a->size = strlen(in->target);
		else if (!S_ISREG(a->mode))
			a->size = 0;
		if (!S_ISREG(a->mode))
			memset(&a->addr, 0, sizeof(a->addr));
		return;
	}
	a->mode = (a->mode & S_IFMT) | (in->a.mode & 07777);
	a->uid = in->a.uid;
	a->gid = in->a.gid;
	a->mtime_ns = in->a.mtime_ns;
	if (!S_ISREG(a->mode))
		return;
	a->size = in->a.size;
	a->addr = in->a.addr;
}

static int load_file(struct ns *ns, struct edit_file *f)
{
	uint64_t ino = f->now.ino;
	int rc = ns_inode(ns, ino, &f->now);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	f->there = rc == 0;
	if (!f->there && !f->edit)
		return -ENOENT;
	if (!f->there) {
		f->now = (struct ns_attr){.ino = ino};
		rc = ns_kind_check(f->edit->a.mode, f->edit->target);
	} else {
		f->then = f->now;
		if (f->edit && (f->edit->a.mode ^ f->now.mode) & S_IFMT)
			return -ESTALE;
		rc = 0;
	}
	if (rc == 0 && f->edit && f->edit->a.size > (uint64_t)INT64_MAX)
		rc = -EFBIG;
	if (rc == 0 && f->edit)
		edit_attr(f);
	return rc;
}

/* Directories: how many lie in each, from now on. */
static void count_subdir(struct ns_edits *e, const struct edit_name *n)
{
	struct edit_file *dir = map_get_u64(e->files, edits_real(e, n->dir));
	const struct edit_file *f;

	if (n->same)
		return;
	f = n->old.ino ? map_get_u64(e->files, n->old.ino) : NULL;
	if (f && S_ISDIR(f->then.mode))
		dir->subdirs--;
	f = n->ino ? map_get_u64(e->files, edits_real(e, n->ino)) : NULL;
	if (f && S_ISDIR(f->then.mode))
		dir->subdirs++;
}

static int count_links(struct edit_file *f)
{
	bool dir = S_ISDIR(f->then.mode);
	int64_t links = f->now.nlink, had = links;

	if (dir)
		links = had = had ? 1 : 0;
	links += f->by;
	if (links < 0)
		return -EUCLEAN;
	if (links > (dir ? 1 : NS_LINK_MAX))
		return -EMLINK;
	if (f->now.ino == NS_ROOT && links != had)
		return -EMLINK;
	if (!links && !f->there)
		return -EINVAL;
	if (dir && links)
		links = (had ? (int64_t)f->now.nlink : 2) + f->subdirs;
	f->then.nlink = (uint32_t)links;
	return 0;
}

static int work_out(struct ns *ns, struct ns_edits *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_files; i++)
		rc = load_file(ns, e->list[i]);
	for (i = 0; rc == 0 && i < e->n_names; i++)
		count_subdir(e, e->names[i]);
	for (i = 0; rc == 0 && i < e->n_files; i++)
		rc = count_links(e->list[i]);
	return rc;
}

/* --- checks -------------------------------------------------------------- */

static int check_dir(struct ns_edits *e, const struct edit_name *n)
{
	const struct edit_file *f;

	if (n->same || !n->ino)
		return 0;
	f = map_get_u64(e->files, edits_real(e, n->dir));
	if (!S_ISDIR(f->then.mode))
		return -ENOTDIR;
	return f->then.nlink ? 0 : -ENOENT;
}

struct emptying {
	const struct ns_edits *e;
	uint64_t dir;
};

static int stays(void *ctx, const struct ns_entry *entry)
{
	struct emptying *m = ctx;
	const struct edit_name *n =
		edits_name(m->e, m->dir, entry->name, entry->len);

	return n && !n->ino ? 0 : 1;
}

static int check_empty(struct ns *ns, const struct ns_edits *e,
		       const struct edit_file *f)
{
	struct emptying m = {.e = e, .dir = f->now.ino};
	int rc;

	if (!f->there || !f->now.nlink || f->then.nlink ||
	    !S_ISDIR(f->now.mode))
		return 0;
	rc = ns_list(ns, NS_NOW, m.dir, "", 0, stays, &m);
	return rc > 0 ? -ENOTEMPTY : rc;
}

/* The directory above, as it will be. */
static int step_up(struct ns *ns, const struct ns_edits *e, uint64_t *ino)
{
	const struct edit_file *f = map_get_u64(e->files, *ino);

	if (!f || !f->parent)
		return ns_parent(ns, NS_NOW, *ino, ino);
	*ino = f->parent;
	return 0;
}

/* A directory that got another place. As in struct ns_climb. */
static int check_loop(struct ns *ns, const struct ns_edits *e,
		      const struct edit_file *f)
{
	uint64_t at = f->now.ino, seen = 0, steps = 0;
	int rc = 0;

	if (!f->parent || !S_ISDIR(f->then.mode))
		return 0;
	while (rc == 0 && at != NS_ROOT) {
		rc = step_up(ns, e, &at);
		if (rc == 0 && (at == seen || at == f->now.ino))
			return -ELOOP;
		if (!(steps & (steps - 1)))
			seen = at;
		steps++;
	}
	return rc;
}

static int check(struct ns *ns, struct ns_edits *e)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_names; i++)
		rc = check_dir(e, e->names[i]);
	for (i = 0; rc == 0 && i < e->n_files; i++) {
		rc = check_empty(ns, e, e->list[i]);
		if (rc == 0)
			rc = check_loop(ns, e, e->list[i]);
	}
	return rc;
}

/* --- rows ---------------------------------------------------------------- */

static bool same_attr(const struct ns_attr *a, const struct ns_attr *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->mtime_ns == b->mtime_ns && a->size == b->size &&
	       addr_eq(&a->addr, &b->addr);
}

/* Another version of it, not only other links. */
static bool is_version(const struct edit_file *f)
{
	if (!f->there || (f->then.nlink && !f->now.nlink))
		return true;
	return f->edit && f->then.nlink &&
	       (!f->edit->a.mtime_ns || !same_attr(&f->now, &f->then));
}

static bool is_changed(const struct edit_file *f)
{
	return f->by || f->parent || f->touched || f->marked || is_version(f);
}

static bool any_change(const struct ns_edits *e)
{
	size_t i;

	for (i = 0; i < e->n_files; i++)
		if (is_changed(e->list[i]))
			return true;
	return false;
}

static void set_times(struct edit_file *f, const struct ns_work *w)
{
	struct ns_attr *a = &f->then;

	a->ctime_ns = w->stamp_ns;
	if (f->touched && a->nlink) {
		a->ctime_ns = w->time_ns;
		if (!f->edit || !f->edit->a.mtime_ns)
			a->mtime_ns = w->time_ns;
	} else if (f->edit && !f->edit->a.mtime_ns) {
		a->mtime_ns = w->stamp_ns;
	}
	if (!f->there && !a->atime_ns)
		a->atime_ns = a->mtime_ns;
	if (!f->there || !addr_eq(&a->addr, &f->now.addr))
		a->version = w->seq;
}

static void count_file(struct ns_work *w, const struct edit_file *f)
{
	if (f->now.nlink)
		ns_count(&w->totals, &f->now, -1);
	if (f->then.nlink)
		ns_count(&w->totals, &f->then, 1);
}

static int read_target(struct ns *ns, struct edit_file *f)
{
	if (!S_ISLNK(f->then.mode))
		return 0;
	if (f->there)
		return ns_target(ns, NS_NOW, f->now.ino, &f->target);
	buf_str(&f->target, f->edit->target);
	return buf_err(&f->target);
}

/* NULL for what is no link. */
static const char *target(const struct edit_file *f)
{
	return S_ISLNK(f->then.mode) ? buf_cstr(&f->target) : NULL;
}

static int put_file(struct ns *ns, struct ns_work *w, struct ns_edits *e,
		    struct edit_file *f)
{
	int rc = 0;

	f->version = is_version(f);
	if (!is_changed(f))
		return 0;
	set_times(f, w);
	count_file(w, f);
	if (f->version)
		rc = read_target(ns, f);
	if (rc == 0)
		rc = ns_put_inode(ns, f->there ? NS_INODE_PUT : NS_INODE_ADD,
				  &f->then);
	if (rc == 0 && f->version)
		rc = ns_put_version(ns, w, &f->then, target(f));
	if (rc == 0 && f->there && !f->now.nlink && f->then.nlink)
		rc = ns_orphan_del(ns, f->now.ino);
	if (rc < 0 || f->then.nlink || !f->now.nlink)
		return rc;
	buf_u64(&e->gone, f->now.ino);
	rc = ns_orphan_add(ns, f->now.ino);
	return rc < 0 ? rc : buf_err(&e->gone);
}

static int put_names(struct ns *ns, struct ns_work *w, struct ns_edits *e)
{
	const struct edit_name *n;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_names; i++) {
		n = e->names[i];
		if (!n->same && n->old.ino)
			rc = ns_kill_name(ns, w, edits_real(e, n->dir), n->name,
					  n->len, &n->old);
	}
	for (i = 0; rc == 0 && i < e->n_names; i++) {
		n = e->names[i];
		if (!n->same && n->ino)
			rc = ns_put_name(ns, w, edits_real(e, n->dir), n->name,
					 n->len, edits_real(e, n->ino));
	}
	return rc;
}

static int put_xattrs(struct ns *ns, struct ns_work *w, struct ns_edits *e)
{
	const struct edit_xattr *x;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_xattrs; i++) {
		x = e->xattrs[i];
		if (!x->same)
			rc = ns_put_xattr(ns, w, edits_real(e, x->ino), x->name,
					  x->value, x->len);
	}
	return rc;
}

/* The directories that it touches, but for the first two. */
static int put_dirs(struct ns *ns, struct ns_work *w, struct ns_edits *e)
{
	const struct edit_file *f;
	size_t i, n = 0;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_files; i++) {
		f = e->list[i];
		if (f->touched && ++n > 2)
			rc = ns_put_more(ns, w, f->now.ino);
	}
	return rc;
}

static int put_rows(struct ns *ns, struct ns_work *w, struct ns_edits *e,
		    struct ns_also also)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->n_files; i++)
		rc = put_file(ns, w, e, e->list[i]);
	if (rc == 0)
		rc = put_names(ns, w, e);
	if (rc == 0)
		rc = put_xattrs(ns, w, e);
	if (rc == 0)
		rc = put_dirs(ns, w, e);
	if (rc == 0 && also.fn)
		rc = also.fn(also.ctx, w->seq);
	return rc;
}

/* --- the journal --------------------------------------------------------- */

static void tell_names(struct journal *j, const struct ns_edits *e, bool born)
{
	const struct edit_name *n;
	uint64_t ino;
	size_t i;

	for (i = 0; i < e->n_names; i++) {
		n = e->names[i];
		ino = born ? edits_real(e, n->ino) : n->old.ino;
		if (!n->same && ino)
			journal_name(j, born, edits_real(e, n->dir), n->name,
				     n->len, ino);
	}
}

/* Inodes after names: whoever does it again sets times last. */
static void tell(struct ns *ns, const struct ns_work *w,
		 const struct ns_edits *e)
{
	const struct edit_xattr *x;
	const struct edit_file *f;
	size_t i;

	journal_change(ns->journal, w->seq, w->time_ns, w->op, &w->by);
	tell_names(ns->journal, e, false);
	tell_names(ns->journal, e, true);
	for (i = 0; i < e->n_files; i++) {
		f = e->list[i];
		if (f->version)
			journal_inode(ns->journal, &f->then, target(f));
	}
	for (i = 0; i < e->n_xattrs; i++) {
		x = e->xattrs[i];
		if (!x->same)
			journal_xattr(ns->journal, edits_real(e, x->ino),
				      x->name, x->value, x->len);
	}
}

/* The first two directories that are touched. */
static void first_dirs(const struct ns_edits *e, uint64_t dirs[2])
{
	const struct edit_file *f;
	size_t i, n = 0;

	for (i = 0; n < 2 && i < e->n_files; i++) {
		f = e->list[i];
		if (f->touched)
			dirs[n++] = f->now.ino;
	}
}

static int write_change(struct ns *ns, const struct ns_by *by, enum ns_op op,
			struct ns_edits *e, struct ns_also also,
			uint64_t *ret_seq)
{
	uint64_t dirs[2] = {0, 0};
	struct ns_work w;
	int rc;

	first_dirs(e, dirs);
	rc = ns_begin(ns, by, op, dirs[0], dirs[1], &w);
	if (rc < 0)
		return rc;
	rc = put_rows(ns, &w, e, also);
	rc = ns_end(ns, &w, rc);
	if (rc < 0)
		return rc;
	ns->next_ino = MAX(ns->next_ino, e->first + e->numbers);
	*ret_seq = w.seq;
	tell(ns, &w, e);
	return 0;
}

/* Above all that were given out, and all that are made by their own number. */
static uint64_t first_number(const struct ns *ns, const struct ns_edits *e)
{
	uint64_t first = ns->next_ino;
	const struct edit_inode *in;
	size_t i;

	for (i = 0; i < e->n_inodes; i++) {
		in = e->inodes[i];
		if (in->a.ino < EDIT_NEW)
			first = MAX(first, in->a.ino + 1);
	}
	return first;
}

int ns_apply(struct ns *ns, const struct ns_by *by, enum ns_op op,
	     struct ns_edits *e, struct ns_also also, uint64_t *ret_seq)
{
	int rc;

	edits_forget(e);
	e->files = map_new();
	rc = e->files ? ns_enter(ns) : -ENOMEM;
	if (rc < 0)
		return rc;
	e->first = first_number(ns, e);
	rc = gather(ns, e);
	if (rc == 0)
		rc = work_out(ns, e);
	if (rc == 0)
		rc = check(ns, e);
	if (rc < 0 || !any_change(e))
		return rc;
	rc = write_change(ns, by, op, e, also, ret_seq);
	return rc < 0 ? rc : 1;
}
