/* Globs: a pattern matched component by component.
 *
 * Only components with * ? [ list a directory (and watch the listing); others
 * are looked up by name, so that a file made elsewhere in a large directory
 * on the way is no news. What the recipe's owner may not list, or what is no
 * directory, holds nothing, as in a shell.
 */
#include "recipes/walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Names that patterns come to on the way, so that links to directories above
 * cannot make it go on for ever. */
#define MATCHES_MAX (10 * RECIPE_INPUTS_MAX)

struct glob {
	struct walk *w;
	const struct recipe_path *path;
	uint64_t start;
	struct names *names;
	size_t matches;
};

/* --- names --------------------------------------------------------------- */

void names_done(struct names *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->v[i].text);
	free(n->v);
}

int names_add(struct names *n, const struct buf *dir, const char *name,
	      size_t len)
{
	size_t cap = n->cap ? n->cap * 2 : 16, at = dir->len + !!dir->len;
	struct name *p = n->v;
	char *text;

	if (n->count == n->cap) {
		p = realloc(n->v, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		n->v = p;
		n->cap = cap;
	}
	text = malloc(at + len + 1);
	if (!text)
		return -ENOMEM;
	if (at) {
		memcpy(text, dir->data, dir->len);
		text[dir->len] = '/';
	}
	memcpy(text + at, name, len);
	text[at + len] = '\0';
	p[n->count++] = (struct name){.text = text, .len = at + len};
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int c = memcmp(x->text, y->text, MIN(x->len, y->len));

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

void names_sort(struct names *n)
{
	if (n->count)
		qsort(n->v, n->count, sizeof(*n->v), compare_names);
}

/* --- matching ------------------------------------------------------------ */

struct matching {
	struct glob *g;
	struct names *names;
	const struct buf *dir; /* the path that led here */
	const char *pattern;
	size_t len;
	bool last;
};

static int match(struct matching *m, const char *name, size_t len)
{
	struct glob *g = m->g;

	if (!glob_match(m->pattern, m->len, name, len))
		return 0;
	if (++g->matches > MATCHES_MAX)
		return walk_fail(g->w, EIO, g->path->line,
				 "`%s` matches more than %d names",
				 g->path->text, MATCHES_MAX);
	return names_add(m->names, m->dir, name, len);
}

static int match_source(void *ctx, const struct ns_entry *e)
{
	struct matching *m = ctx;
	bool fits = m->last ? !S_ISDIR(e->mode)
			    : S_ISDIR(e->mode) || S_ISLNK(e->mode);

	return fits ? match(m, e->name, e->len) : 0;
}

static int match_derived(void *ctx, const char *name, size_t len, bool dir)
{
	struct matching *m = ctx;

	/* as of sources: files at the end, directories before */
	return dir == !m->last ? match(m, name, len) : 0;
}

/* 1: *ret is a directory that the owner may use so, a source (attr) or in a
 * tree; 0: there is none. */
static int open_dir(struct glob *g, const struct buf *path, unsigned what,
		    struct found *ret)
{
	struct walk *w = g->w;
	struct found f = {0};
	int r;

	if (path->len)
		r = walk_follow(w, g->start, buf_cstr(path), path->len, &f);
	else
		r = ns_getattr(w->ev->ns, w->at, g->start, &f.attr);
	switch (r) {
	case -ENOENT:
	case -ENOTDIR:
	case -EACCES:
	case -ELOOP:
	case -EXDEV:
	case -ENAMETOOLONG:
	case -EINPROGRESS: /* looked at again when it is computed */
		return 0;
	}
	if (r < 0)
		return r;
	if (f.derived) {
		r = f.own ? -ENOTDIR : walk_tree(w, f.target, &f.addr);
		if (r == -ENOTDIR || r == -EINPROGRESS)
			return 0;
		f.tree = true;
		f.type = DIR_DIR;
		*ret = f;
		return r < 0 ? r : 1;
	}
	*ret = f;
	if (f.tree)
		return f.type == DIR_DIR;
	if (!S_ISDIR(f.attr.mode))
		return 0;
	r = watch_inode(w->ev, w->t, f.attr.ino);
	if (r < 0 || !walk_may(w, &f.attr, what))
		return r;
	return 1;
}

static int match_tree(void *ctx, const struct dir_entry *e)
{
	struct matching *m = ctx;
	bool fits = m->last ? e->type != DIR_DIR
			    : e->type == DIR_DIR || e->type == DIR_LINK;

	return fits ? match(m, e->name, e->name_len) : 0;
}

static int list_dir(struct matching *m)
{
	struct walk *w = m->g->w;
	struct found f;
	uint64_t dir;
	int r = open_dir(m->g, m->dir, 5, &f);

	if (r <= 0)
		return r;
	if (f.tree)
		return dir_each(w->ev->store, &f.addr, match_tree, m);
	dir = f.attr.ino;
	r = watch_listing(w->ev, w->t, dir);
	if (r >= 0)
		r = ns_list(w->ev->ns, w->at, dir, "", 0, match_source, m);
	if (r >= 0)
		r = define_list(w->finder, dir, NULL, NULL, 0, match_derived,
				m);
	return r;
}

static bool is_pattern(const char *p, size_t n)
{
	return memchr(p, '*', n) || memchr(p, '?', n) || memchr(p, '[', n);
}

static int expand(struct glob *g, const char *before, size_t blen,
		  const char *pattern)
{
	CLEANUP_BUF struct buf dir = BUF_INIT;
	CLEANUP(names_done) struct names here = {0};
	const char *slash = strchrnul(pattern, '/');
	struct matching m = {.g = g, .dir = &dir};
	struct found f;
	size_t i;
	int r = 0;

	buf_add(&dir, before, blen);
	while (*slash && !is_pattern(pattern, (size_t)(slash - pattern))) {
		if (dir.len)
			buf_u8(&dir, '/');
		buf_add(&dir, pattern, (size_t)(slash - pattern));
		pattern = slash + 1;
		slash = strchrnul(pattern, '/');
	}
	if (buf_err(&dir) < 0)
		return -ENOMEM;
	m.pattern = pattern;
	m.len = (size_t)(slash - pattern);
	m.last = !*slash;
	if (!is_pattern(pattern, m.len)) {
		r = open_dir(g, &dir, 1, &f);
		return r <= 0 ? r : names_add(g->names, &dir, pattern, m.len);
	}
	m.names = m.last ? g->names : &here;
	r = list_dir(&m);
	for (i = 0; r >= 0 && i < here.count; i++)
		r = expand(g, here.v[i].text, here.v[i].len, slash + 1);
	return r;
}

int walk_glob(struct walk *w, const struct recipe_path *p, uint64_t dir,
	      const char *pattern, struct names *ret)
{
	struct glob g = {.w = w, .path = p, .start = dir, .names = ret};
	int r = expand(&g, "", 0, pattern);

	if (r >= 0)
		names_sort(ret);
	return r;
}
