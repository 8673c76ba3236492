#include "core/trail.h"

#include <errno.h>
#include <sys/stat.h>

#include "core/ns_internal.h"

/* --- downwards: all that ever had a path ---------------------------------- */

struct intervals {
	struct ns_interval *list;
	size_t n, cap;
};

static void intervals_done(struct intervals *is)
{
	free(is->list);
}

static int add_interval(void *ctx, const struct ns_interval *i)
{
	struct intervals *is = ctx;
	struct ns_interval *more;
	size_t cap;

	if (is->n == is->cap) {
		cap = is->cap ? is->cap * 2 : 4;
		more = reallocarray(is->list, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		is->list = more;
		is->cap = cap;
	}
	is->list[is->n++] = *i;
	return 0;
}

/* The next component of a path: its length; *p moves to it. */
static size_t component(const char **p)
{
	*p += strspn(*p, "/");
	return strcspn(*p, "/");
}

static int check_component(const char *name, size_t len)
{
	if (len > NS_NAME_MAX)
		return -ENAMETOOLONG;
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))
		       ? -EINVAL
		       : 0;
}

struct walk {
	struct ns *ns;
	int (*fn)(void *ctx, const struct trail *t);
	void *ctx;
};

static int walk_down(const struct walk *w, const struct trail *dir,
		     const char *path)
{
	CLEANUP(intervals_done) struct intervals is = {0};
	size_t len = component(&path), i;
	struct trail t;
	int rc;

	if (!len)
		return w->fn(w->ctx, dir);
	rc = check_component(path, len);
	if (rc >= 0)
		rc = ns_name_history(w->ns, dir->ino, path, len, add_interval,
				     &is);
	for (i = 0; rc == 0 && i < is.n; i++) {
		if (is.list[i].born >= dir->until)
			continue;
		t.ino = is.list[i].ino;
		t.born = MAX(is.list[i].born, dir->born);
		t.until = is.list[i].died ? is.list[i].died : TRAIL_NOW;
		t.until = MIN(t.until, dir->until);
		if (t.born < t.until)
			rc = walk_down(w, &t, path + len);
	}
	return rc;
}

int trail_each(struct ns *ns, const char *path,
	       int (*fn)(void *ctx, const struct trail *t), void *ctx)
{
	struct walk w = {ns, fn, ctx};
	struct trail root = {NS_ROOT, 0, TRAIL_NOW};

	return walk_down(&w, &root, path);
}

/* --- upwards: whether an inode had it --------------------------------------
 */

struct named {
	uint64_t dir, born, died;
};

/* Of base's rows: what had ended by the fork, and what no row here ends. */
static int named_before(struct ns *ns, uint64_t ino, const char *name,
			size_t len, uint64_t seq, struct intervals *ret)
{
	CLEANUP_BUF struct buf rows = BUF_INIT;
	struct ns_interval i = {0};
	struct named n;
	size_t at;
	int rc = ns_named_rows(ns->base, ns->fork, ino, name, len, &rows);

	for (at = 0; rc >= 0 && at < rows.len; at += sizeof(n)) {
		memcpy(&n, rows.data + at, sizeof(n));
		if (n.died && n.died <= ns->fork) {
			if (n.died <= seq)
				continue;
		} else {
			rc = ns_name_copied(ns, n.dir, name, len);
			if (rc)
				continue;
		}
		i.ino = n.dir;
		rc = add_interval(ret, &i);
	}
	return MIN(rc, 0);
}

/* Directories in which an inode had a name until after a change. */
static int names_of(struct ns *ns, uint64_t ino, const char *name, size_t len,
		    uint64_t seq, struct intervals *ret)
{
	struct ns_interval i = {0};
	struct stmt *st;
	int rc;

	if (ns->base) {
		rc = named_before(ns, ino, name, len, seq, ret);
		if (rc < 0)
			return rc;
	}
	st = stmts_get(&ns->stmts, NS_TRAIL_NAMED, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	stmt_blob(st, 2, name, len);
	stmt_int(st, 3, (int64_t)MIN(seq, (uint64_t)INT64_MAX));
	while ((rc = stmt_step(st)) > 0) {
		i.ino = (uint64_t)stmt_col_int(st, 0);
		rc = add_interval(ret, &i);
		if (rc < 0) {
			stmt_reset(st);
			return rc;
		}
	}
	return rc;
}

/* Whether an inode had the path of which `len` bytes are left, and lost it
 * after the change: 1 or 0. */
static int had_path(struct ns *ns, uint64_t ino, const char *path, size_t len,
		    uint64_t seq)
{
	CLEANUP(intervals_done) struct intervals is = {0};
	const char *slash;
	size_t start, i;
	int rc;

	while (len && path[len - 1] == '/')
		len--;
	if (!len)
		return ino == NS_ROOT;
	slash = memrchr(path, '/', len);
	start = slash ? (size_t)(slash - path) + 1 : 0;
	rc = names_of(ns, ino, path + start, len - start, seq, &is);
	for (i = 0; rc == 0 && i < is.n; i++)
		rc = had_path(ns, is.list[i].ino, path, start, seq);
	return rc;
}

int trail_version(struct ns *ns, const char *path, uint64_t seq,
		  uint64_t *ret_ino)
{
	CLEANUP(intervals_done) struct intervals is = {0};
	struct ns_interval v = {0};
	struct ns *of = ns;
	struct stmt *st;
	size_t i;
	int rc;

	while (ns_before(of, seq))
		of = of->base;
	st = stmts_get(&of->stmts, NS_TRAIL_BORN, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)MIN(seq, (uint64_t)INT64_MAX));
	while ((rc = stmt_step(st)) > 0) {
		v.ino = (uint64_t)stmt_col_int(st, 0);
		rc = add_interval(&is, &v);
		if (rc < 0) {
			stmt_reset(st);
			return rc;
		}
	}
	for (i = 0; rc == 0 && i < is.n; i++) {
		rc = had_path(ns, is.list[i].ino, path, strlen(path), seq);
		if (rc > 0)
			*ret_ino = is.list[i].ino;
	}
	return rc > 0 ? 0 : rc < 0 ? rc : -ENOENT;
}

/* --- names of a directory ---------------------------------------------------
 */

/* One of the two ordered lists that are merged: those that are, and those that
 * were. */
struct side {
	struct stmt *st;
	const char *name;
	size_t len;
	int rc; /* 1: there is a name */
};

static void side_next(struct side *s)
{
	s->rc = stmt_step(s->st);
	if (s->rc > 0)
		s->name = stmt_col_blob(s->st, 0, &s->len);
}

static int cmp_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, MIN(a_len, b_len));

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

/* Both stand at their first names. */
static int merge(struct side *a, struct side *b,
		 int (*fn)(void *ctx, const char *name, size_t len), void *ctx)
{
	char name[NS_NAME_MAX + 1];
	struct side *s;
	size_t len = 0;
	int rc = 0, c;

	while (rc == 0 && (a->rc > 0 || b->rc > 0)) {
		if (a->rc < 0 || b->rc < 0)
			break;
		c = !b->rc   ? -1
		    : !a->rc ? 1
			     : cmp_names(a->name, a->len, b->name, b->len);
		s = c <= 0 ? a : b;
		if (!s->len || s->len > NS_NAME_MAX)
			return -EUCLEAN;
		if (s->len != len || memcmp(name, s->name, len) != 0) {
			len = s->len;
			memcpy(name, s->name, len);
			name[len] = '\0';
			rc = fn(ctx, name, len);
		}
		side_next(s);
	}
	if (rc == 0)
		rc = MIN(a->rc, b->rc);
	return rc;
}

struct gathered {
	struct map *seen;
	struct buf names; /* each with its NUL */
};

static int gather(void *ctx, const char *name, size_t len)
{
	struct gathered *g = ctx;

	if (map_get(g->seen, name, len))
		return 0;
	buf_add(&g->names, name, len);
	buf_u8(&g->names, '\0');
	return buf_err(&g->names) < 0 ? -ENOMEM
				      : map_put(g->seen, name, len, g, NULL);
}

static int own_names(struct ns *ns, enum ns_stmt id, uint64_t dir,
		     uint64_t until, struct gathered *g)
{
	const char *name;
	struct stmt *st;
	size_t len;
	int rc;

	st = stmts_take(&ns->stmts, id, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)dir);
	stmt_int(st, 2, (int64_t)MIN(until, (uint64_t)INT64_MAX));
	while ((rc = stmt_step(st)) > 0) {
		name = stmt_col_blob(st, 0, &len);
		rc = gather(g, name, len);
		if (rc < 0)
			break;
	}
	stmts_give(&ns->stmts, id, st);
	return rc;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int each_gathered(const struct gathered *g,
			 int (*fn)(void *ctx, const char *name, size_t len),
			 void *ctx)
{
	size_t n = map_count(g->seen), i = 0, at;
	CLEANUP_FREE const char **names = calloc(n + 1, sizeof(*names));
	int rc = 0;

	if (!names)
		return -ENOMEM;
	for (at = 0; at < g->names.len; at += strlen(names[i++]) + 1)
		names[i] = (const char *)g->names.data + at;
	qsort(names, n, sizeof(*names), by_bytes);
	for (i = 0; rc == 0 && i < n; i++)
		rc = fn(ctx, names[i], strlen(names[i]));
	return rc;
}

/* Of a branch: base's up to the fork, and its own, put in order. */
static int names_over(struct ns *ns, uint64_t dir, uint64_t until,
		      int (*fn)(void *ctx, const char *name, size_t len),
		      void *ctx)
{
	struct gathered g = {.seen = map_new()};
	int rc = g.seen ? 0 : -ENOMEM;

	if (rc == 0)
		rc = trail_names(ns->base, dir, MIN(until, ns->fork + 1),
				 gather, &g);
	if (rc == 0)
		rc = own_names(ns, NS_TRAIL_LIVING, dir, until, &g);
	if (rc == 0)
		rc = own_names(ns, NS_TRAIL_DEAD, dir, until, &g);
	if (rc == 0)
		rc = each_gathered(&g, fn, ctx);
	map_free(g.seen);
	buf_done(&g.names);
	return rc;
}

int trail_names(struct ns *ns, uint64_t dir, uint64_t until,
		int (*fn)(void *ctx, const char *name, size_t len), void *ctx)
{
	const enum ns_stmt ids[] = {NS_TRAIL_LIVING, NS_TRAIL_DEAD};
	struct side sides[2] = {0};
	size_t i;
	int rc = 0;

	if (ns->base)
		return names_over(ns, dir, until, fn, ctx);
	for (i = 0; rc == 0 && i < 2; i++) {
		sides[i].st = stmts_take(&ns->stmts, ids[i], &rc);
		if (!sides[i].st)
			break;
		stmt_int(sides[i].st, 1, (int64_t)dir);
		stmt_int(sides[i].st, 2,
			 (int64_t)MIN(until, (uint64_t)INT64_MAX));
		side_next(&sides[i]);
	}
	if (rc == 0)
		rc = merge(&sides[0], &sides[1], fn, ctx);
	for (i = 0; i < 2; i++)
		if (sides[i].st)
			stmts_give(&ns->stmts, ids[i], sides[i].st);
	return rc;
}

/* --- versions
 * ----------------------------------------------------------------- */

struct closed {
	int (*fn)(void *ctx, const struct ns_version *v);
	void *ctx;
	struct ns_version *held; /* by who made it, before its first close */
	size_t n, cap;
	uint32_t pid;
	bool making;
};

static int flush(struct closed *c)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < c->n; i++)
		rc = c->fn(c->ctx, &c->held[i]);
	c->n = 0;
	c->making = false;
	return rc;
}

static int hold(struct closed *c, const struct ns_version *v)
{
	struct ns_version *more;
	size_t cap;

	if (c->n == c->cap) {
		cap = c->cap ? c->cap * 2 : 4;
		more = reallocarray(c->held, cap, sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->held = more;
		c->cap = cap;
	}
	c->held[c->n++] = *v;
	return 0;
}

/* Held back are the versions of a regular file up to its first content, as long
 * as they are all of one process. */
static int on_version(void *ctx, const struct ns_version *v)
{
	struct closed *c = ctx;
	int rc;

	if (v->change.op == NS_OP_CREATE && S_ISREG(v->attr.mode)) {
		c->making = true;
		c->pid = v->change.pid;
		return hold(c, v);
	}
	if (c->making && v->change.pid == c->pid &&
	    v->change.op == NS_OP_WRITE) {
		c->n = 0;
		c->making = false;
	} else if (c->making && v->change.pid == c->pid && c->n < 64) {
		return hold(c, v);
	}
	rc = flush(c);
	return rc ? rc : c->fn(c->ctx, v);
}

int trail_versions(struct ns *ns, uint64_t ino,
		   int (*fn)(void *ctx, const struct ns_version *v), void *ctx)
{
	struct closed c = {.fn = fn, .ctx = ctx};
	int rc = ns_versions(ns, ino, on_version, &c);

	if (rc == 0)
		rc = flush(&c);
	free(c.held);
	return rc;
}

/* --- names of an inode
 * ---------------------------------------------------------- */

struct inherited {
	struct ns *ns;
	uint64_t ino;
	int (*fn)(void *ctx, const struct trail *t);
	void *ctx;
};

static int on_name(void *ctx, uint64_t dir, const char *name, size_t len,
		   uint64_t born, uint64_t died)
{
	const struct inherited *h = ctx;
	struct trail t = {h->ino, born, died ? died : TRAIL_NOW};
	int rc;

	if (!died || died > h->ns->fork) {
		rc = ns_name_copied(h->ns, dir, name, len);
		if (rc)
			return MIN(rc, 0);
		t.until = TRAIL_NOW;
	}
	return h->fn(h->ctx, &t);
}

static int inherited_names(struct inherited *h)
{
	return ns_rows_of_ino(h->ns->base, h->ns->fork, h->ino, on_name, h);
}

int trail_of_inode(struct ns *ns, uint64_t ino,
		   int (*fn)(void *ctx, const struct trail *t), void *ctx)
{
	struct trail t = {.ino = ino};
	struct inherited h = {ns, ino, fn, ctx};
	struct stmt *st;
	int rc = ns->base ? inherited_names(&h) : 0;

	if (rc)
		return rc;
	st = stmts_take(&ns->stmts, NS_TRAIL_OF_INO, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)ino);
	while ((rc = stmt_step(st)) > 0) {
		t.born = (uint64_t)stmt_col_int(st, 0);
		t.until = stmt_col_is_null(st, 1)
				  ? TRAIL_NOW
				  : (uint64_t)stmt_col_int(st, 1);
		rc = fn(ctx, &t);
		if (rc != 0)
			break;
	}
	stmts_give(&ns->stmts, NS_TRAIL_OF_INO, st);
	return rc;
}
