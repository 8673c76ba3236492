#include "core/merge_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ns_touched.h"

/* --- trees --------------------------------------------------------------- */

int side_look(const struct merge_side *s, uint64_t dir, const char *name,
	      size_t len, uint64_t *ret)
{
	int rc;

	*ret = 0;
	if (!dir)
		return 0;
	rc = ns_lookup(s->ns, s->at, dir, name, len, ret, NULL);
	if (rc < 0)
		*ret = 0;
	return rc == -ENOENT ? 0 : rc;
}

int side_attr(const struct merge_side *s, uint64_t ino, struct ns_attr *ret)
{
	int rc = ino ? ns_getattr(s->ns, s->at, ino, ret) : -ENOENT;

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : ret->nlink > 0;
}

int side_target(const struct merge_side *s, uint64_t ino, struct buf *ret)
{
	return ns_readlink(s->ns, s->at, ino, ret);
}

static int same_xattrs(const struct merge_side *s, uint64_t a,
		       const struct merge_side *t, uint64_t b)
{
	CLEANUP_BUF struct buf x = BUF_INIT, y = BUF_INIT;
	const char *name, *end;
	int rc;

	rc = ns_xattr_list_at(s->ns, s->at, a, &x);
	if (rc == 0)
		rc = ns_xattr_list_at(t->ns, t->at, b, &y);
	if (rc < 0)
		return rc;
	if (x.len != y.len || (x.len && memcmp(x.data, y.data, x.len) != 0))
		return 0;
	name = (const char *)x.data;
	for (end = name + x.len; name < end; name += strlen(name) + 1) {
		CLEANUP_BUF struct buf v = BUF_INIT, w = BUF_INIT;

		rc = ns_xattr_get_at(s->ns, s->at, a, name, &v);
		if (rc == 0)
			rc = ns_xattr_get_at(t->ns, t->at, b, name, &w);
		if (rc < 0)
			return rc;
		if (v.len != w.len || (v.len && memcmp(v.data, w.data, v.len)))
			return 0;
	}
	return 1;
}

int side_same(const struct merge_side *s, uint64_t a,
	      const struct merge_side *t, uint64_t b)
{
	CLEANUP_BUF struct buf x = BUF_INIT, y = BUF_INIT;
	struct ns_attr p, q;
	int rc = side_attr(s, a, &p);

	if (rc > 0)
		rc = side_attr(t, b, &q);
	if (rc <= 0)
		return rc;
	if (p.mode != q.mode || p.uid != q.uid || p.gid != q.gid ||
	    p.rdev != q.rdev || !addr_eq(&p.addr, &q.addr))
		return 0;
	if (S_ISLNK(p.mode)) {
		rc = side_target(s, a, &x);
		if (rc == 0)
			rc = side_target(t, b, &y);
		if (rc < 0 || strcmp(buf_cstr(&x), buf_cstr(&y)) != 0)
			return rc;
	}
	return same_xattrs(s, a, t, b);
}

int side_path(const struct merge_side *s, uint64_t dir, const char *name,
	      size_t len, struct buf *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int rc = ns_path(s->ns, s->at, dir, &b);

	if (rc < 0)
		return rc;
	if (b.len > 1) {
		buf_add(ret, b.data + 1, b.len - 1);
		buf_u8(ret, '/');
	}
	buf_add(ret, name, len);
	return buf_err(ret);
}

/* --- which is which ------------------------------------------------------ */

/* An inode of base whose place another took in theirs, and that lives on under
 * another name: a new file. */
#define DISPLACED (UINT64_C(1) << 61)

uint64_t merge_entity(const struct merge *m, uint64_t theirs)
{
	uint64_t e = get_number(m->claims, theirs);

	if (e)
		return e - 1;
	return get_number(m->claimed, theirs) ? theirs | DISPLACED : theirs;
}

uint64_t merge_theirs(const struct merge *m, uint64_t entity)
{
	uint64_t t = get_number(m->claimed, entity);

	return t ? t - 1 : entity & ~DISPLACED;
}

int merge_in_base(const struct merge *m, uint64_t entity)
{
	struct ns_attr a;

	return side_attr(&m->job->base, entity, &a);
}

/* An inode that stands for another entity now is not there as itself. */
int merge_in_theirs(const struct merge *m, uint64_t entity)
{
	uint64_t t = merge_theirs(m, entity);
	struct ns_attr a;

	return merge_entity(m, t) == entity ? side_attr(&m->job->theirs, t, &a)
					    : 0;
}

static int claim(struct merge *m, uint64_t theirs, uint64_t entity)
{
	int rc = put_number(m->claims, theirs, entity);

	return rc < 0 ? rc : put_number(m->claimed, entity, theirs);
}

static int make_key(struct buf *b, uint64_t dir, const char *name, size_t len)
{
	buf_u64(b, dir);
	buf_add(b, name, len);
	return buf_err(b);
}

/* dir is an entity. */
static int add_key(struct merge *m, uint64_t dir, const char *name, size_t len,
		   struct merge_key **ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const struct merge_job *j = m->job;
	struct merge_key *k;
	void **more;
	int rc = make_key(&b, dir, name, len);

	*ret = NULL;
	if (rc < 0 || map_get(m->by_key, b.data, b.len))
		return rc;
	k = calloc(1, sizeof(*k));
	if (k)
		k->name = strndup(name, len);
	more = m->n_keys & (m->n_keys - 1)
		       ? m->keys
		       : reallocarray(m->keys, m->n_keys ? m->n_keys * 2 : 1,
				      sizeof(*more));
	if (more)
		m->keys = more;
	if (!k || !k->name || !more ||
	    map_put(m->by_key, b.data, b.len, k, NULL) < 0) {
		if (k)
			free(k->name);
		free(k);
		return -ENOMEM;
	}
	m->keys[m->n_keys++] = k;
	k->dir = dir;
	k->len = len;
	rc = side_look(&j->base, dir, name, len, &k->base);
	if (rc == 0)
		rc = side_look(&j->theirs, merge_theirs(m, dir), name, len,
			       &k->theirs);
	*ret = k;
	return rc;
}

/* --- directories ---------------------------------------------------------- */

static int pair_dirs(struct merge *m, const struct merge_key *k);

struct adding {
	struct merge *m;
	uint64_t dir; /* entity */
};

static int add_entry(void *ctx, const struct ns_entry *e)
{
	struct adding *a = ctx;
	struct merge_key *k;
	int rc = add_key(a->m, a->dir, e->name, e->len, &k);

	return rc < 0 ? rc : pair_dirs(a->m, k);
}

/* What was in a directory is not there any more, even if it was under another
 * number that theirs removed it. */
static int add_gone(struct merge *m, uint64_t base)
{
	const struct merge_side *b = &m->job->base;
	struct adding a = {.m = m, .dir = base};

	return ns_list(b->ns, b->at, base, "", 0, add_entry, &a);
}

static int add_pair(struct merge *m, uint64_t base, uint64_t theirs)
{
	const struct merge_job *j = m->job;
	struct adding a = {.m = m, .dir = base};
	int rc = claim(m, theirs, base);

	if (rc == 0)
		rc = ns_list(j->theirs.ns, j->theirs.at, theirs, "", 0,
			     add_entry, &a);
	return rc ? rc : add_gone(m, base);
}

/* A directory that was removed and made again is the same: what is in it is
 * compared by name. */
static int pair_dirs(struct merge *m, const struct merge_key *k)
{
	const struct merge_job *j = m->job;
	struct ns_attr a, b, x;
	int rc, is_new;

	if (!k || !k->base || k->base == k->theirs ||
	    get_number(m->claimed, k->base))
		return 0;
	rc = side_attr(&j->base, k->base, &a);
	if (rc <= 0 || !S_ISDIR(a.mode))
		return MIN(rc, 0);
	rc = side_attr(&j->theirs, k->base, &x);
	if (rc != 0)
		return MIN(rc, 0);
	rc = side_attr(&j->theirs, k->theirs, &b);
	is_new = rc <= 0 ? rc : side_attr(&j->base, k->theirs, &x);
	if (rc < 0 || is_new < 0)
		return MIN(rc, is_new);
	return rc && !is_new && S_ISDIR(b.mode)
		       ? add_pair(m, k->base, k->theirs)
		       : add_gone(m, k->base);
}

/* A directory of theirs that base has not may be there under another number:
 * where both lines of work have made it. */
static int pair_by_path(struct merge *m, uint64_t dir)
{
	const struct merge_side *t = &m->job->theirs;
	struct merge_key k, *added;
	struct ns_attr a;
	uint64_t up;
	int rc;

	if (dir == NS_ROOT || map_get_u64(m->tried, dir))
		return 0;
	rc = map_put_u64(m->tried, dir, m);
	if (rc == 0)
		rc = side_attr(&m->job->base, dir, &a);
	if (rc != 0)
		return MIN(rc, 0);
	rc = side_attr(t, dir, &a);
	if (rc <= 0)
		return rc;
	rc = ns_parent(t->ns, t->at, dir, &up);
	if (rc == 0)
		rc = pair_by_path(m, up);
	if (rc == 0)
		rc = merge_name_of(m, dir, &k);
	if (rc <= 0)
		return rc;
	rc = add_key(m, k.dir, k.name, k.len, &added);
	if (rc == 0)
		rc = pair_dirs(m, added);
	free(k.name);
	return rc;
}

/* --- what was touched ---------------------------------------------------- */

struct raw {
	struct merge *m;
	struct buf names; /* dir, length, bytes */
};

static int note_name(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct raw *r = ctx;

	buf_u64(&r->names, dir);
	buf_u16(&r->names, (uint16_t)len);
	buf_add(&r->names, name, len);
	return buf_err(&r->names);
}

static int note_inode(void *ctx, uint64_t ino)
{
	struct raw *r = ctx;

	return map_put_u64(r->m->inodes, ino, r);
}

/* All names of inodes that are another. */
static int names_of_inodes(struct merge *m, struct raw *r)
{
	const struct merge_job *j = m->job;
	const void *key;
	size_t it = 0, len;
	uint64_t ino;
	int rc = 0;

	while (rc == 0 && map_next(m->inodes, &it, &key, &len, NULL)) {
		memcpy(&ino, key, sizeof(ino));
		if (ino == NS_ROOT)
			continue;
		rc = ns_names(j->theirs.ns, j->theirs.at, ino, note_name, r);
		if (rc == 0)
			rc = ns_names(j->base.ns, j->base.at, ino, note_name,
				      r);
	}
	return rc;
}

/* First those in directories that are there in both, from which pairs of
 * directories are found; then the others. */
static int add_keys(struct merge *m, const struct raw *r, bool known)
{
	const struct merge_job *j = m->job;
	struct cur c = cur_of(r->names.data, r->names.len);
	struct merge_key *k;
	struct ns_attr a;
	const char *name;
	uint64_t dir;
	size_t len;
	int rc = 0, both;

	while (rc == 0 && cur_left(&c)) {
		dir = cur_u64(&c);
		len = cur_u16(&c);
		name = cur_bytes(&c, len);
		if (c.bad)
			return -EUCLEAN;
		both = side_attr(&j->base, dir, &a);
		if (both > 0)
			both = side_attr(&j->theirs, dir, &a);
		if (both < 0)
			return both;
		if (!both == known)
			continue;
		rc = known ? 0 : pair_by_path(m, dir);
		if (rc == 0)
			rc = add_key(m, merge_entity(m, dir), name, len, &k);
		if (rc == 0)
			rc = pair_dirs(m, k);
	}
	return rc;
}

/* --- files that were replaced -------------------------------------------- */

struct staying {
	struct merge *m;
	uint64_t entity, want;
	bool in_ours;
};

static int is_there(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct staying *s = ctx;
	uint64_t at = 0, ino;
	int rc;

	rc = merge_ours(s->m, dir, &at);
	if (!s->in_ours)
		at = merge_theirs(s->m, dir);
	if (rc == 0)
		rc = side_look(s->in_ours ? &s->m->job->ours
					  : &s->m->job->theirs,
			       at, name, len, &ino);
	return rc < 0 ? rc : ino == s->want;
}

int merge_stayed(struct merge *m, uint64_t entity, bool in_ours)
{
	struct staying s = {.m = m, .entity = entity, .in_ours = in_ours};
	const struct merge_side *b = &m->job->base;
	int rc = 0;

	if (in_ours)
		rc = merge_ours(m, entity, &s.want);
	else
		s.want = merge_theirs(m, entity);
	return rc < 0 || !s.want ? rc
				 : ns_names(b->ns, b->at, entity, is_there, &s);
}

static int by_inode_stays(struct merge *m, uint64_t ino, bool in_ours)
{
	struct staying s = {.m = m, .want = ino, .in_ours = in_ours};
	const struct merge_side *b = &m->job->base;

	return ns_names(b->ns, b->at, ino, is_there, &s);
}

static int same_kind(const struct merge_side *s, uint64_t a,
		     const struct merge_side *t, uint64_t b)
{
	struct ns_attr x, y;
	int rc = side_attr(s, a, &x);

	if (rc > 0)
		rc = side_attr(t, b, &y);
	if (rc <= 0)
		return rc;
	return !S_ISDIR(x.mode) && (x.mode & S_IFMT) == (y.mode & S_IFMT);
}

/* What lies where a file lay that is nowhere it was is that file, written
 * anew. */
static int pair_files(struct merge *m)
{
	const struct merge_job *j = m->job;
	const struct merge_key *k;
	size_t i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < m->n_keys; i++) {
		k = m->keys[i];
		if (!k->base || !k->theirs || k->base == k->theirs ||
		    get_number(m->claims, k->theirs) ||
		    get_number(m->claimed, k->base))
			continue;
		rc = same_kind(&j->base, k->base, &j->theirs, k->theirs);
		if (rc > 0)
			rc = !by_inode_stays(m, k->base, false);
		if (rc > 0)
			rc = claim(m, k->theirs, k->base);
	}
	return MIN(rc, 0);
}

/* --- in ours ------------------------------------------------------------- */

struct finding {
	struct merge *m;
	uint64_t entity, found;
	const struct merge_side *from; /* base, or theirs for what is new */
	bool dir;
};

/* What is called so in ours. */
static int find_ours(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct finding *f = ctx;
	const struct merge_job *j = f->m->job;
	uint64_t at, ino;
	struct ns_attr a, x;
	int rc;

	if (f->from == &j->theirs)
		dir = merge_entity(f->m, dir);
	rc = merge_ours(f->m, dir, &at);
	if (rc == 0)
		rc = side_look(&j->ours, at, name, len, &ino);
	if (rc < 0 || !ino)
		return rc;
	rc = side_attr(&j->ours, ino, &a);
	if (rc <= 0)
		return rc;
	if (f->dir) {
		if (!S_ISDIR(a.mode) || (rc = side_attr(&j->base, ino, &x)))
			return MIN(rc, 0);
	} else {
		rc = same_kind(f->from,
			       f->from == &j->theirs
				       ? merge_theirs(f->m, f->entity)
				       : f->entity,
			       &j->ours, ino);
		if (rc <= 0)
			return rc;
	}
	f->found = ino;
	return 1;
}

static int look_ours(struct merge *m, uint64_t entity, uint64_t *ret)
{
	const struct merge_job *j = m->job;
	struct finding f = {.m = m, .entity = entity, .from = &j->base};
	struct ns_attr a, now;
	int rc, had, there;

	*ret = 0;
	had = rc = side_attr(&j->base, entity, &a);
	if (rc == 0) {
		f.from = &j->theirs;
		rc = side_attr(&j->theirs, merge_theirs(m, entity), &a);
	}
	if (rc <= 0)
		return rc;
	f.dir = S_ISDIR(a.mode);
	there = side_attr(&j->ours, entity, &now);
	if (there < 0)
		return there;
	if (there && (f.dir || !had || entity == NS_ROOT))
		*ret = entity;
	if (*ret)
		return 0;
	if (!f.dir && !had)
		return 0; /* a new file: what is called so is another */
	rc = there ? by_inode_stays(m, entity, true) : 0;
	if (rc == 0)
		rc = ns_names(f.from->ns, f.from->at,
			      had ? entity : merge_theirs(m, entity), find_ours,
			      &f);
	if (rc < 0)
		return rc;
	*ret = f.found ? f.found : there ? entity : 0;
	return 0;
}

int merge_ours(struct merge *m, uint64_t entity, uint64_t *ret)
{
	uint64_t known = get_number(m->ours, entity), other;
	int rc;

	if (known) {
		*ret = known - 1;
		return 0;
	}
	rc = look_ours(m, entity, ret);
	if (rc < 0)
		return rc;
	other = *ret ? get_number(m->taken, *ret) : 0;
	if (other && other - 1 != entity)
		*ret = 0; /* it stands for another already */
	else if (*ret)
		rc = put_number(m->taken, *ret, entity);
	return rc < 0 ? rc : put_number(m->ours, entity, *ret);
}

int merge_gather(struct merge *m)
{
	const struct merge_job *j = m->job;
	struct raw r = {.m = m};
	int rc;

	rc = ns_touched(j->theirs.ns, j->since, note_name, note_inode, &r);
	if (rc == 0)
		rc = names_of_inodes(m, &r);
	if (rc == 0)
		rc = add_keys(m, &r, true);
	if (rc == 0)
		rc = add_keys(m, &r, false);
	buf_done(&r.names);
	return rc < 0 ? rc : pair_files(m);
}
