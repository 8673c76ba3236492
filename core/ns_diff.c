#include "core/tree_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/ns_internal.h"

/* A name that is there at one of both moments only. */
struct loose {
	uint64_t dir, ino;
	char *path; /* at its moment; its name is the end of it */
	struct ns_attr attr;
	bool paired;
};

struct looses {
	struct loose *list;
	size_t n, cap;
};

struct diff {
	struct ns *ns;
	uint64_t a, b;
	/* Of a branch: that part of the time in which it was this one. */
	struct ns *level;
	uint64_t from, upto;
	struct map *names;  /* of a branch: directory and name */
	struct map *dirs;   /* in which names came or went */
	struct map *inodes; /* that got a version */
	struct looses gone, came;
	struct tree_changes out;
};

static void looses_done(struct looses *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->list[i].path);
	free(l->list);
}

static int path_at(struct ns *ns, uint64_t at, uint64_t ino, const char *name,
		   size_t len, char **ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int rc = ns_path(ns, at, ino, &b);

	if (rc < 0)
		return rc;
	if (len && b.len > 1)
		buf_u8(&b, '/');
	buf_add(&b, name, len);
	if (buf_err(&b))
		return -ENOMEM;
	*ret = strdup(buf_cstr(&b) + 1);
	return *ret ? 0 : -ENOMEM;
}

/* --- names that differ
 * --------------------------------------------------------- */

static int add_loose(struct diff *d, struct looses *l, uint64_t at,
		     uint64_t dir, const void *name, size_t len, uint64_t ino)
{
	struct loose x = {.dir = dir, .ino = ino};
	struct loose *more;
	size_t cap;
	int rc = ns_getattr(d->ns, at, ino, &x.attr);

	if (rc >= 0)
		rc = path_at(d->ns, at, dir, name, len, &x.path);
	if (rc < 0)
		return rc == -ENOENT ? -EUCLEAN : rc;
	if (l->n == l->cap) {
		cap = l->cap ? l->cap * 2 : 64;
		more = reallocarray(l->list, cap, sizeof(*more));
		if (!more) {
			free(x.path);
			return -ENOMEM;
		}
		l->list = more;
		l->cap = cap;
	}
	l->list[l->n++] = x;
	return 0;
}

static int note_name(struct diff *d, uint64_t dir, const void *name, size_t len)
{
	uint8_t key[8 + NS_NAME_MAX];

	if (!len || len > NS_NAME_MAX)
		return -EUCLEAN;
	memcpy(key, &dir, 8);
	memcpy(key + 8, name, len);
	return map_put(d->names, key, 8 + len, d, NULL);
}

/* The rows (name, ino) of a statement for one directory and node. */
static int loose_rows(struct diff *d, enum ns_stmt id, uint64_t dir,
		      uint64_t node, struct looses *l, uint64_t at)
{
	struct stmt *st;
	const void *p;
	size_t len;
	int rc;

	st = stmts_take(&d->level->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, (int64_t)node);
	stmt_int(st, 3, (int64_t)d->from);
	stmt_int(st, 4, (int64_t)d->upto);
	while ((rc = stmt_step(st)) > 0) {
		p = stmt_col_blob(st, 0, &len);
		rc = d->names ? note_name(d, dir, p, len)
			      : add_loose(d, l, at, dir, p, len,
					  (uint64_t)stmt_col_int(st, 1));
		if (rc < 0)
			break;
	}
	stmts_give(&d->level->stmts, id, st);
	return rc;
}

/* Calls for a moment's ancestors in the interval tree: what held it lies
 * there. */
static int each_node(struct diff *d, enum ns_stmt id, uint64_t dir, uint64_t at,
		     struct looses *l)
{
	uint64_t last = ns_last_change(d->ns), node;
	unsigned bit = (unsigned)__builtin_ctzll(at);
	int rc = 0;

	for (; rc == 0 && bit < 63 && UINT64_C(1) << bit <= last; bit++) {
		node = at >> bit >> 1 << 1 << bit | UINT64_C(1) << bit;
		if (node <= last)
			rc = loose_rows(d, id, dir, node, l, at);
	}
	return rc;
}

static int diff_dir(struct diff *d, uint64_t dir)
{
	int rc = d->from ? each_node(d, NS_DIFF_DIED, dir, d->from, &d->gone)
			 : 0;

	if (rc == 0)
		rc = loose_rows(d, NS_DIFF_LIVING, dir, 0, &d->came, d->upto);
	if (rc == 0)
		rc = each_node(d, NS_DIFF_BORN, dir, d->upto, &d->came);
	return rc;
}

/* --- what was touched
 * ------------------------------------------------------------ */

static int find_dirs(struct diff *d)
{
	struct stmt *st;
	uint64_t dir;
	int rc, i;

	st = stmts_get(&d->level->stmts, NS_DIFF_DIRS, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)d->from);
	stmt_int(st, 2, (int64_t)d->upto);
	while ((rc = stmt_step(st)) > 0)
		for (i = 0; i < 2; i++) {
			dir = (uint64_t)stmt_col_int(st, i);
			rc = dir ? map_put_u64(d->dirs, dir, d) : 0;
			if (rc < 0) {
				stmt_reset(st);
				return rc;
			}
		}
	return rc;
}

static int note_version(void *ctx, const struct ns_version *v)
{
	struct diff *d = ctx;

	return map_put_u64(d->inodes, v->attr.ino, d);
}

static int diff_dirs(struct diff *d)
{
	const void *key;
	size_t it = 0, len;
	uint64_t dir;
	void *v;
	int rc = find_dirs(d);

	while (rc == 0 && map_next(d->dirs, &it, &key, &len, &v)) {
		memcpy(&dir, key, sizeof(dir));
		rc = diff_dir(d, dir);
	}
	return rc;
}

static int one_moment(struct diff *d, struct looses *l, uint64_t at,
		      uint64_t dir, const char *name, size_t len, uint64_t ino)
{
	return ino ? add_loose(d, l, at, dir, name, len, ino) : 0;
}

/* A name of which some row came or ended in between. */
static int compare_name(struct diff *d, uint64_t dir, const char *name,
			size_t len)
{
	uint64_t a = 0, b = 0;
	int rc = ns_lookup(d->ns, d->a, dir, name, len, &a, NULL);

	if (rc == 0 || rc == -ENOENT)
		rc = ns_lookup(d->ns, d->b, dir, name, len, &b, NULL);
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0 || a == b)
		return rc;
	rc = one_moment(d, &d->gone, d->a, dir, name, len, a);
	return rc < 0 ? rc : one_moment(d, &d->came, d->b, dir, name, len, b);
}

/* A branch is what it was made from up to the fork, and then itself. Which
 * names that may be about is asked of each; what they led to, of the branch. */
static int diff_branch(struct diff *d)
{
	const void *key;
	size_t it = 0, len;
	uint64_t dir;
	void *v;
	int rc = 0;

	d->names = map_new();
	if (!d->names)
		return -ENOMEM;
	for (; rc == 0 && d->level; d->level = d->level->base) {
		d->from = MAX(d->a, d->level->fork);
		if (d->from < d->upto) {
			map_clear(d->dirs);
			rc = diff_dirs(d);
		}
		d->upto = MIN(d->upto, d->level->fork);
	}
	while (rc == 0 && map_next(d->names, &it, &key, &len, &v)) {
		memcpy(&dir, key, 8);
		rc = compare_name(d, dir, (const char *)key + 8, len - 8);
	}
	return rc;
}

static int touched(struct diff *d)
{
	int rc;

	d->level = d->ns;
	d->from = d->a;
	d->upto = d->b;
	rc = d->ns->base ? diff_branch(d) : diff_dirs(d);
	return rc < 0 ? rc
		      : ns_versions_between(d->ns, d->a, d->b, note_version, d);
}

/* --- comparing
 * ---------------------------------------------------------------------- */

static int same_target(struct diff *d, uint64_t a, uint64_t b)
{
	CLEANUP_BUF struct buf x = BUF_INIT, y = BUF_INIT;
	int rc = ns_readlink(d->ns, d->a, a, &x);

	if (rc >= 0)
		rc = ns_readlink(d->ns, d->b, b, &y);
	return rc < 0 ? rc : x.len == y.len && !memcmp(x.data, y.data, x.len);
}

/* 1 or 0. */
static int is_same(struct diff *d, const struct ns_attr *a,
		   const struct ns_attr *b)
{
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
	    a->rdev != b->rdev)
		return 0;
	if (S_ISREG(a->mode))
		return addr_eq(&a->addr, &b->addr);
	return !S_ISLNK(a->mode) || a->ino == b->ino
		       ? 1
		       : same_target(d, a->ino, b->ino);
}

static int put(struct diff *d, enum tree_what what, char **from, char **to,
	       const struct ns_attr *a, const struct ns_attr *b)
{
	struct tree_change *more;

	if (!(d->out.n & (d->out.n - 1))) { /* 0, 1, 2, 4, ...: full */
		more = reallocarray(d->out.list, d->out.n ? 2 * d->out.n : 1,
				    sizeof(*more));
		if (!more)
			return -ENOMEM;
		d->out.list = more;
	}
	d->out.list[d->out.n++] = (struct tree_change){
		.what = what,
		.from = from ? steal(from) : NULL,
		.to = to ? steal(to) : NULL,
		.a = a ? *a : (struct ns_attr){0},
		.b = b ? *b : (struct ns_attr){0},
	};
	return 0;
}

static int pair(struct diff *d, struct loose *g, struct loose *c,
		enum tree_what what)
{
	int rc = what == TREE_CHANGED ? is_same(d, &g->attr, &c->attr) : 0;

	g->paired = c->paired = true;
	return rc ? MIN(rc, 0)
		  : put(d, what, &g->path, &c->path, &g->attr, &c->attr);
}

/* By what a name that went is the one that came, in this order. */
enum pairing { BY_NAME, BY_PATH, BY_INODE, BY_CONTENT, PAIRINGS };

static bool pair_key(const struct loose *l, enum pairing by, struct buf *key)
{
	const char *name = strrchr(l->path, '/');

	buf_reset(key);
	switch (by) {
	case BY_NAME:
		buf_u64(key, l->dir);
		buf_str(key, name ? name + 1 : l->path);
		return true;
	case BY_PATH:
		buf_str(key, l->path);
		return true;
	case BY_INODE:
		buf_u64(key, l->ino);
		return true;
	default:
		buf_add(key, l->attr.addr.b, ADDR_LEN);
		return S_ISREG(l->attr.mode) && l->attr.size;
	}
}

static int pair_all(struct diff *d, enum pairing by)
{
	CLEANUP(map_freep) struct map *came = map_new();
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct loose *l;
	size_t i;
	int rc = came ? 0 : -ENOMEM;

	for (i = d->came.n; rc == 0 && i-- > 0;) {
		l = &d->came.list[i];
		if (l->paired || !pair_key(l, by, &key))
			continue;
		rc = buf_err(&key);
		if (rc == 0)
			rc = map_put(came, key.data, key.len, l, NULL);
	}
	for (i = 0; rc == 0 && i < d->gone.n; i++) {
		l = &d->gone.list[i];
		if (l->paired || !pair_key(l, by, &key))
			continue;
		rc = buf_err(&key);
		if (rc == 0 && map_get(came, key.data, key.len))
			rc = pair(d, l, map_del(came, key.data, key.len),
				  by <= BY_PATH ? TREE_CHANGED : TREE_RENAMED);
	}
	return rc;
}

static int put_rest(struct diff *d)
{
	struct loose *l;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < d->gone.n; i++) {
		l = &d->gone.list[i];
		if (!l->paired)
			rc = put(d, TREE_REMOVED, &l->path, NULL, &l->attr,
				 NULL);
	}
	for (i = 0; rc == 0 && i < d->came.n; i++) {
		l = &d->came.list[i];
		if (!l->paired)
			rc = put(d, TREE_ADDED, NULL, &l->path, NULL, &l->attr);
	}
	return rc;
}

/* One that was written, and has a name at both moments. */
static int diff_inode(struct diff *d, struct map *loose, uint64_t ino)
{
	CLEANUP_FREE char *from = NULL, *to = NULL;
	struct ns_attr a, b;
	int rc = d->a ? ns_getattr(d->ns, d->a, ino, &a) : -ENOENT;

	if (rc >= 0)
		rc = ns_getattr(d->ns, d->b, ino, &b);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = is_same(d, &a, &b);
	if (rc)
		return MIN(rc, 0);
	rc = path_at(d->ns, d->a, ino, "", 0, &from);
	if (rc >= 0)
		rc = path_at(d->ns, d->b, ino, "", 0, &to);
	if (rc < 0)
		return rc;
	/* what moved is told already */
	if (map_get_u64(loose, ino) && strcmp(from, to) != 0)
		return 0;
	return put(d, TREE_CHANGED, &from, &to, &a, &b);
}

static int diff_inodes(struct diff *d)
{
	CLEANUP(map_freep) struct map *loose = map_new();
	const void *key;
	size_t it = 0, len, i;
	uint64_t ino;
	void *v;
	int rc = loose ? 0 : -ENOMEM;

	for (i = 0; rc == 0 && i < d->came.n; i++)
		rc = map_put_u64(loose, d->came.list[i].ino, d);
	while (rc == 0 && map_next(d->inodes, &it, &key, &len, &v)) {
		memcpy(&ino, key, sizeof(ino));
		rc = diff_inode(d, loose, ino);
	}
	return rc;
}

/* --- the outcome
 * ---------------------------------------------------------------------- */

static bool within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return path &&
	       (!n || (!strncmp(path, top, n) && (!path[n] || path[n] == '/')));
}

static void drop(char **path)
{
	free(*path);
	*path = NULL;
}

/* What leads out of the path asked for ends there. */
static void cut(struct tree_changes *c, const char *top)
{
	struct tree_change *x;
	size_t i, n = 0;

	for (i = 0; i < c->n; i++) {
		x = &c->list[i];
		if (x->from && !within(x->from, top))
			drop(&x->from);
		if (x->to && !within(x->to, top))
			drop(&x->to);
		if (!x->from && !x->to)
			continue;
		if (!x->from)
			x->what = TREE_ADDED;
		else if (!x->to)
			x->what = TREE_REMOVED;
		c->list[n++] = *x;
	}
	c->n = n;
}

static void turn(struct tree_changes *c)
{
	struct tree_change *x, t;
	size_t i;

	for (i = 0; i < c->n; i++) {
		x = &c->list[i];
		t = *x;
		x->from = t.to;
		x->to = t.from;
		x->a = t.b;
		x->b = t.a;
		if (t.what <= TREE_REMOVED)
			x->what = t.what == TREE_ADDED ? TREE_REMOVED
						       : TREE_ADDED;
	}
}

static int by_path(const void *a, const void *b)
{
	const struct tree_change *x = a, *y = b;

	return strcmp(x->to ? x->to : x->from, y->to ? y->to : y->from);
}

static int run(struct diff *d)
{
	enum pairing by;
	int rc = d->dirs && d->inodes ? touched(d) : -ENOMEM;

	for (by = 0; rc == 0 && by < PAIRINGS; by++)
		rc = pair_all(d, by);
	if (rc == 0)
		rc = diff_inodes(d);
	return rc < 0 ? rc : put_rest(d);
}

int tree_diff(struct ns *ns, uint64_t a, uint64_t b, const char *path,
	      struct tree_changes *ret)
{
	struct diff d = {
		.ns = ns,
		.a = MIN(a, b),
		.b = MAX(a, b),
		.dirs = map_new(),
		.inodes = map_new(),
	};
	int rc = a == b ? 0 : run(&d);

	map_free(d.dirs);
	map_free(d.inodes);
	map_free(d.names);
	looses_done(&d.gone);
	looses_done(&d.came);
	if (rc < 0) {
		tree_changes_done(&d.out);
		return rc;
	}
	if (a > b)
		turn(&d.out);
	cut(&d.out, path);
	if (d.out.n)
		qsort(d.out.list, d.out.n, sizeof(*d.out.list), by_path);
	*ret = d.out;
	return 0;
}

void tree_changes_done(struct tree_changes *c)
{
	size_t i;

	for (i = 0; i < c->n; i++) {
		free(c->list[i].from);
		free(c->list[i].to);
	}
	free(c->list);
	*c = (struct tree_changes){0};
}
