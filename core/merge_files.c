#include "core/merge_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char yes;

/* One file in the three trees. */
struct trio {
	struct merge *m;
	uint64_t entity, t_ino, o_ino;
	struct ns_attr b, o, t, to; /* to: what ours becomes */
	struct merge_key key;	    /* a name of theirs */
	bool taken, merged;
};

static int conflict(struct trio *x, const char *why)
{
	return merge_note(x->m, MERGE_CONFLICT, why, &x->key, NULL);
}

/* Theirs as a file of its own, beside it; once. */
static int lay_beside(struct trio *x, const char *why)
{
	uint64_t ino;
	int rc;

	if (map_get_u64(x->m->settled, x->entity))
		return 0;
	rc = map_put_u64(x->m->settled, x->entity, &yes);
	if (rc == 0)
		rc = merge_copy(x->m, x->t_ino, true, &ino);
	return rc < 0 ? rc : merge_beside(x->m, &x->key, ino, why);
}

/* --- content ------------------------------------------------------------- */

static int merge_content(struct trio *x)
{
	const struct merge_job *j = x->m->job;
	int rc;

	if (addr_eq(&x->t.addr, &x->b.addr) || addr_eq(&x->t.addr, &x->o.addr))
		return 0;
	if (addr_eq(&x->o.addr, &x->b.addr)) {
		x->to.addr = x->t.addr;
		x->to.size = x->t.size;
		x->to.mtime_ns = x->t.mtime_ns;
		x->taken = true;
		return 0;
	}
	rc = j->content(j->ctx, &x->b, &x->o, &x->t, &x->to.addr, &x->to.size);
	if (rc <= 0)
		return rc < 0 ? rc : lay_beside(x, "content");
	x->to.mtime_ns = 0; /* now */
	x->merged = true;
	return 0;
}

/* All names of the one in ours lead to another. */
struct renaming {
	struct trio *x;
	uint64_t to;
};

/* The name that theirs has for it, where that one came with the merge. */
static int lead_new_name(struct trio *x, uint64_t to)
{
	struct ns_edits *e = x->m->edits;
	const struct merge_key *k = &x->key;
	uint64_t dir, ino;
	int rc = merge_dir(x->m, k->dir, &dir);

	if (rc < 0 || !ns_edits_find(e, dir, k->name, k->len, &ino) ||
	    ino != x->o_ino)
		return rc;
	return ns_edits_name(e, dir, k->name, k->len, to);
}

static int lead_to(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct renaming *r = ctx;
	struct merge *m = r->x->m;
	uint64_t ino;

	/* unless it has gone */
	if (ns_edits_find(m->edits, dir, name, len, &ino) && ino != r->x->o_ino)
		return 0;
	return ns_edits_name(m->edits, dir, name, len, r->to);
}

static int replace(struct trio *x)
{
	const struct merge_side *o = &x->m->job->ours;
	struct renaming r = {.x = x};
	int rc = merge_copy(x->m, x->t_ino, false, &r.to);

	if (rc == 0)
		rc = ns_names(o->ns, o->at, x->o_ino, lead_to, &r);
	if (rc == 0)
		rc = lead_new_name(x, r.to);
	return rc < 0 ? rc
		      : merge_note(x->m, MERGE_TAKEN, "changed", &x->key, NULL);
}

/* Where a link leads, what a device is: not to be changed in an inode. 1: it is
 * settled. */
static int merge_fixed(struct trio *x)
{
	CLEANUP_BUF struct buf b = BUF_INIT, o = BUF_INIT, t = BUF_INIT;
	const struct merge_job *j = x->m->job;
	bool by_us = x->o.rdev != x->b.rdev, by_them = x->t.rdev != x->b.rdev;
	bool same = x->o.rdev == x->t.rdev;
	int rc = 0;

	if (S_ISLNK(x->t.mode)) {
		rc = side_target(&j->base, x->entity, &b);
		if (rc == 0)
			rc = side_target(&j->ours, x->o_ino, &o);
		if (rc == 0)
			rc = side_target(&j->theirs, x->t_ino, &t);
		by_us = strcmp(buf_cstr(&b), buf_cstr(&o)) != 0;
		by_them = strcmp(buf_cstr(&b), buf_cstr(&t)) != 0;
		same = !strcmp(buf_cstr(&o), buf_cstr(&t));
	}
	if (rc < 0 || !by_them || same)
		return rc;
	rc = by_us ? lay_beside(x, "where the link leads") : replace(x);
	return rc < 0 ? rc : 1;
}

/* --- attributes ---------------------------------------------------------- */

/* 1 when theirs is to be taken; -1: both, otherwise; 0. */
static int choose(uint64_t b, uint64_t o, uint64_t t)
{
	return t == b || t == o ? 0 : o == b ? 1 : -1;
}

static int merge_attr(struct trio *x)
{
	uint32_t perm = 07777;
	int mode = choose(x->b.mode & perm, x->o.mode & perm, x->t.mode & perm);
	int uid = choose(x->b.uid, x->o.uid, x->t.uid);
	int gid = choose(x->b.gid, x->o.gid, x->t.gid);
	int rc = 0;

	if (mode > 0)
		x->to.mode = x->t.mode;
	if (uid > 0)
		x->to.uid = x->t.uid;
	if (gid > 0)
		x->to.gid = x->t.gid;
	x->taken |= mode > 0 || uid > 0 || gid > 0;
	if (!x->merged && x->t.mtime_ns != x->b.mtime_ns &&
	    x->o.mtime_ns == x->b.mtime_ns)
		x->to.mtime_ns = x->t.mtime_ns;
	if (mode < 0)
		rc = conflict(x, "mode: ours is kept");
	if (rc == 0 && (uid < 0 || gid < 0))
		rc = conflict(x, "owner: ours is kept");
	return rc;
}

/* 1 and the value, 0: none. */
static int xattr_of(const struct merge_side *s, uint64_t ino, const char *name,
		    struct buf *ret)
{
	int rc = ns_xattr_get_at(s->ns, s->at, ino, name, ret);

	return rc == -ENODATA ? 0 : rc < 0 ? rc : 1;
}

static bool same_value(int a, const struct buf *x, int b, const struct buf *y)
{
	return a == b && x->len == y->len &&
	       (!x->len || !memcmp(x->data, y->data, x->len));
}

static int merge_xattr(struct trio *x, const char *name)
{
	CLEANUP_BUF struct buf vb = BUF_INIT, vo = BUF_INIT, vt = BUF_INIT;
	const struct merge_job *j = x->m->job;
	int b, o = 0, t = 0;

	b = xattr_of(&j->base, x->entity, name, &vb);
	if (b >= 0)
		o = xattr_of(&j->ours, x->o_ino, name, &vo);
	if (b >= 0 && o >= 0)
		t = xattr_of(&j->theirs, x->t_ino, name, &vt);
	if (b < 0 || o < 0 || t < 0)
		return b < 0 ? b : o < 0 ? o : t;
	if (same_value(b, &vb, t, &vt) || same_value(o, &vo, t, &vt))
		return 0;
	if (!same_value(b, &vb, o, &vo))
		return conflict(x, "extended attribute: ours is kept");
	x->taken = true;
	return ns_edits_xattr(x->m->edits, x->o_ino, name,
			      t ? buf_cstr(&vt) : NULL, vt.len);
}

static int merge_xattrs(struct trio *x)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	const struct merge_job *j = x->m->job;
	const char *name, *end;
	int rc;

	rc = ns_xattr_list_at(j->base.ns, j->base.at, x->entity, &names);
	if (rc == 0)
		rc = ns_xattr_list_at(j->theirs.ns, j->theirs.at, x->t_ino,
				      &names);
	name = (const char *)names.data;
	for (end = name + names.len; rc == 0 && name < end;
	     name += strlen(name) + 1)
		rc = merge_xattr(x, name);
	return rc;
}

static bool same_attr(const struct ns_attr *a, const struct ns_attr *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->mtime_ns == b->mtime_ns && addr_eq(&a->addr, &b->addr);
}

static int merge_trio(struct trio *x)
{
	int rc = 0;

	x->to = x->o;
	if (S_ISREG(x->t.mode))
		rc = merge_content(x);
	else if (!S_ISDIR(x->t.mode))
		rc = merge_fixed(x);
	if (rc != 0)
		return MIN(rc, 0);
	rc = merge_attr(x);
	if (rc == 0)
		rc = merge_xattrs(x);
	if (rc == 0 && !same_attr(&x->to, &x->o))
		rc = ns_edits_inode(x->m->edits, &x->to, NULL);
	if (rc < 0 || (!x->taken && !x->merged))
		return rc;
	return merge_note(x->m, x->merged ? MERGE_MERGED : MERGE_TAKEN,
			  x->merged ? "content" : "changed", &x->key, NULL);
}

/* --- each ---------------------------------------------------------------- */

static int merge_file(struct merge *m, uint64_t t_ino)
{
	const struct merge_job *j = m->job;
	struct trio x = {.m = m,
			 .t_ino = t_ino,
			 .entity = merge_entity(m, t_ino)};
	int rc;

	if (merge_theirs(m, x.entity) != t_ino)
		return 0;
	rc = side_attr(&j->theirs, t_ino, &x.t);
	if (rc > 0)
		rc = side_attr(&j->base, x.entity, &x.b);
	if (rc <= 0) /* gone, or new: that is a matter of names */
		return rc;
	rc = merge_ours(m, x.entity, &x.o_ino);
	if (rc == 0 && t_ino != NS_ROOT)
		rc = merge_name_of(m, t_ino, &x.key);
	if (rc < 0)
		return rc;
	if (t_ino == NS_ROOT) {
		x.key = (struct merge_key){.dir = NS_ROOT,
					   .theirs = NS_ROOT,
					   .name = strdup("")};
		if (!x.key.name)
			return -ENOMEM;
	}
	rc = x.o_ino ? side_attr(&j->ours, x.o_ino, &x.o) : 0;
	if (rc > 0) {
		rc = merge_trio(&x);
	} else if (rc == 0 && !S_ISDIR(x.t.mode) &&
		   !get_number(m->made, t_ino)) {
		rc = side_same(&j->base, x.entity, &j->theirs, t_ino);
		rc = rc ? MIN(rc, 0)
			: lay_beside(&x, "changed by them, removed by us");
	}
	free(x.key.name);
	return MIN(rc, 0);
}

int merge_files(struct merge *m)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	const void *key;
	size_t it = 0, len;
	struct cur c;
	int rc;

	while (map_next(m->inodes, &it, &key, &len, NULL))
		buf_add(&all, key, len);
	for (it = 0; map_next(m->claims, &it, &key, &len, NULL);)
		if (!map_get(m->inodes, key, len))
			buf_add(&all, key, len);
	rc = buf_err(&all);
	c = cur_of(all.data, all.len);
	while (rc == 0 && cur_left(&c)) {
		uint64_t ino;

		memcpy(&ino, cur_bytes(&c, sizeof(ino)), sizeof(ino));
		rc = merge_file(m, ino);
	}
	return rc;
}
