/* Resolving: from a recipe file to a canonical computation.
 *
 * Every name that is looked at on the way is watched, also those that are not
 * there, every directory that a glob lists, and every inode whose content,
 * mode or owner mattered. So whatever changes the outcome fires a watch, and
 * nothing needs to be looked at again until then.
 *
 * Paths are made plain first ("." and "//" go, "a/.." goes), for what the
 * command sees under that path is built from its text, too. What is left of
 * leading ".." climbs from the recipe's directory.
 */
#include "recipes/target.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "recipes/function.h"

#define LINKS_MAX 40

struct walk {
	struct eval *ev;
	struct target *t;
	const struct ns_attr *owner; /* the recipe: its rights count */
	const char *label;
	bool settled;
	struct resolved *res;
	struct task *task;
};

/* What a path leads to. */
struct found {
	bool derived;
	struct ns_attr attr; /* of a source */
	struct target *target;
};

/* --- rights ------------------------------------------------------------- */

static bool in_group(uint32_t uid, uint32_t gid)
{
	char buf[4096];
	struct passwd pw, *got = NULL;
	gid_t groups[256];
	int n = ARRAY_LEN(groups), i;

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &got) || !got)
		return false;
	if (getgrouplist(pw.pw_name, pw.pw_gid, groups, &n) < 0)
		n = MIN(n, (int)ARRAY_LEN(groups));
	for (i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* Whether the recipe's owner may do that (4 read, 1 search). */
static bool may(const struct ns_attr *owner, const struct ns_attr *a,
		unsigned what)
{
	if (owner->uid == 0)
		return true;
	if (a->uid == owner->uid)
		return (a->mode >> 6 & what) == what;
	if (a->gid == owner->gid || in_group(owner->uid, a->gid))
		return (a->mode >> 3 & what) == what;
	return (a->mode & what) == what;
}

/* --- paths -------------------------------------------------------------- */

/* Makes a path plain. *ret_up: leading ".." that are left. An absolute path
 * loses its slash. -EXDEV when ".." climbs out of an absolute path. */
static int plain_path(const char *text, struct buf *ret, unsigned *ret_up)
{
	bool absolute = text[0] == '/';
	unsigned up = 0;
	const char *p = text, *end;
	size_t n;

	buf_reset(ret);
	for (; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, '/');
		n = (size_t)(end - p);
		if (!n || (n == 1 && p[0] == '.'))
			continue;
		if (n == 2 && !memcmp(p, "..", 2)) {
			if (!ret->len) {
				up++;
				continue;
			}
			while (ret->len && ret->data[ret->len - 1] != '/')
				ret->len--;
			if (ret->len)
				ret->len--;
			ret->data[ret->len] = '\0';
			continue;
		}
		if (ret->len)
			buf_u8(ret, '/');
		buf_add(ret, p, n);
	}
	if (absolute && up)
		return -EXDEV;
	*ret_up = up;
	return buf_err(ret);
}

static int fail(struct walk *w, int error, unsigned line, const char *fmt, ...)
	PRINTF(4, 5);
static int fail(struct walk *w, int error, unsigned line, const char *fmt, ...)
{
	struct err *err = &w->res->err;
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->res->error = error;
	err_set(err, 0, "%s:%u: %s", w->label, line, text);
	return -ECANCELED; /* "the answer is in res" */
}

static int add_need(struct resolved *r, struct target *t)
{
	struct target **p;
	size_t i;

	for (i = r->nneeds; i-- > 0;)
		if (r->needs[i] == t)
			return 0;
	if (r->nneeds == r->cap_needs) {
		r->cap_needs = r->cap_needs ? r->cap_needs * 2 : 8;
		p = realloc(r->needs, r->cap_needs * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->needs = p;
	}
	r->needs[r->nneeds++] = t;
	return 0;
}

/* An inode whose content counts: watched, and noted when it is being
 * written. */
static int use_inode(struct walk *w, uint64_t ino)
{
	struct resolved *r = w->res;
	uint64_t *p;
	int rc = watch_inode(w->ev, w->t, ino);

	if (rc < 0 || w->t->at != NS_NOW ||
	    !w->ev->host.writing(w->ev->host.ctx, ino))
		return rc;
	r->shaky = true;
	if (w->settled)
		return 0;
	if (r->nwriting == r->cap_writing) {
		r->cap_writing = r->cap_writing ? r->cap_writing * 2 : 4;
		p = realloc(r->writing, r->cap_writing * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->writing = p;
	}
	r->writing[r->nwriting++] = ino;
	return 0;
}

/* Steps from *dir to its parent. */
static int climb(struct walk *w, uint64_t *dir)
{
	uint64_t parent;
	int r;

	if (*dir == NS_ROOT)
		return -EXDEV;
	r = watch_inode(w->ev, w->t, *dir); /* fires when it is moved */
	if (r < 0)
		return r;
	r = ns_parent(w->ev->ns, w->t->at, *dir, &parent);
	if (r < 0)
		return r;
	*dir = parent;
	return 0;
}

/* Follows `path` from dir. 0 and *ret; -ENOENT, -ENOTDIR, -EACCES, -ELOOP,
 * -EXDEV out of the mount. */
static int follow(struct walk *w, uint64_t dir, const char *path, size_t len,
		  unsigned *links, struct found *ret)
{
	struct eval *ev = w->ev;
	CLEANUP_BUF struct buf target = BUF_INIT;
	struct ns_attr dattr, attr, recipe;
	const char *end = path + len, *slash;
	uint64_t ino;
	size_t n;
	bool last;
	int r;

	for (;; path = slash + 1) {
		slash = memchr(path, '/', (size_t)(end - path));
		n = (size_t)((slash ? slash : end) - path);
		last = !slash;
		if (n == 2 && !memcmp(path, "..", 2)) { /* in links only */
			r = climb(w, &dir);
			if (r < 0)
				return r;
			if (last)
				return -EISDIR;
			continue;
		}
		if (!n || (n == 1 && *path == '.')) {
			if (last)
				return -EISDIR;
			continue;
		}
		r = ns_getattr(ev->ns, w->t->at, dir, &dattr);
		if (r < 0)
			return r;
		if (!may(w->owner, &dattr, 1))
			return watch_inode(ev, w->t, dir) < 0 ? -ENOMEM
							      : -EACCES;
		r = watch_name(ev, w->t, dir, path, n);
		if (r < 0)
			return r;
		r = ns_lookup(ev->ns, w->t->at, dir, path, n, &ino, NULL);
		if (r == -ENOENT && last) {
			r = eval_defined(ev, w->t->at, dir, path, n, &recipe);
			if (r < 0)
				return r == -EEXIST ? -ENOENT : r;
			if (!may(w->owner, &recipe, 4))
				return watch_inode(ev, w->t, recipe.ino) < 0
					       ? -ENOMEM
					       : -EACCES;
			ret->derived = true;
			ret->target =
				target_get(ev, w->t->at, dir, path, n, true);
			return ret->target ? 0 : -ENOMEM;
		}
		if (r < 0)
			return r;
		r = ns_getattr(ev->ns, w->t->at, ino, &attr);
		if (r < 0)
			return r;
		if (S_ISLNK(attr.mode)) {
			if (++*links > LINKS_MAX)
				return -ELOOP;
			buf_reset(&target);
			r = ns_readlink(ev->ns, w->t->at, ino, &target);
			if (r < 0)
				return r;
			if (target.len && target.data[0] == '/')
				return -EXDEV;
			if (!last) {
				buf_u8(&target, '/');
				buf_add(&target, slash + 1,
					(size_t)(end - slash - 1));
			}
			if (buf_err(&target) < 0)
				return -ENOMEM;
			return follow(w, dir, buf_cstr(&target), target.len,
				      links, ret);
		}
		if (last) {
			ret->derived = false;
			ret->attr = attr;
			return 0;
		}
		if (!S_ISDIR(attr.mode))
			return -ENOTDIR;
		dir = ino;
	}
}

/* --- inputs ------------------------------------------------------------- */

static int add_input(struct walk *w, const struct recipe_input *in,
		     uint32_t position, const char *path, size_t len,
		     const struct addr *addr, uint64_t size, bool executable)
{
	struct task *j = w->task;
	struct canon_input *p, *c;
	char *copy;

	if (j->ninputs == RECIPE_INPUTS_MAX)
		return fail(w, E2BIG, in->line, "more than %d inputs",
			    RECIPE_INPUTS_MAX);
	if (!(j->ninputs & (j->ninputs - 1))) { /* grows at powers of two */
		p = realloc(j->inputs,
			    MAX(j->ninputs * 2, (size_t)4) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		j->inputs = p;
	}
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, path, len);
	copy[len] = '\0';
	c = &j->inputs[j->ninputs++];
	memset(c, 0, sizeof(*c));
	c->name = in->name;
	c->list = in->list;
	c->position = position;
	c->executable = executable;
	c->addr = *addr;
	c->size = size;
	c->path = copy;
	c->path_len = len;
	return 0;
}

static int not_found(struct walk *w, const struct recipe_path *p,
		     const char *path, int r)
{
	switch (r) {
	case -ENOENT:
		return fail(w, EIO, p->line,
			    "input `%s` does not exist; create it, or "
			    "correct the path (it is relative to the "
			    "recipe's directory, or to the mount's root when "
			    "it starts with /)",
			    path);
	case -ENOTDIR:
		return fail(w, EIO, p->line,
			    "input `%s`: a part of the path is no directory",
			    path);
	case -EACCES:
		return fail(w, EIO, p->line,
			    "input `%s` may not be read by the recipe's "
			    "owner (uid %u)",
			    path, w->owner->uid);
	case -ELOOP:
		return fail(w, EIO, p->line,
			    "input `%s`: too many symbolic links", path);
	case -EXDEV:
		return fail(w, EIO, p->line,
			    "input `%s` leads out of the mount; a recipe can "
			    "use only what lies in it",
			    path);
	case -EISDIR:
		return fail(w, EIO, p->line,
			    "input `%s` is a directory; this version takes "
			    "files only: name them, or use a pattern such as "
			    "`%s/*`",
			    path, path);
	default:
		return r;
	}
}

/* One path that has been followed. */
static int take(struct walk *w, const struct recipe_input *in,
		const struct recipe_path *p, uint32_t position,
		const char *path, size_t len, const struct found *f)
{
	struct target *d = f->target;
	int r;

	if (!f->derived) {
		if (S_ISDIR(f->attr.mode))
			return not_found(w, p, path, -EISDIR);
		if (!S_ISREG(f->attr.mode))
			return fail(w, EIO, p->line,
				    "input `%s` is no regular file", path);
		if (!may(w->owner, &f->attr, 4)) {
			r = watch_inode(w->ev, w->t, f->attr.ino);
			return r < 0 ? r : not_found(w, p, path, -EACCES);
		}
		r = use_inode(w, f->attr.ino);
		if (r < 0)
			return r;
		return add_input(w, in, position, path, len, &f->attr.addr,
				 f->attr.size, f->attr.mode & 0100);
	}
	if (d == w->t)
		return fail(w, ELOOP, p->line,
			    "`%s` needs itself: it is its own input", path);
	if (!(d->fresh && !d->shaky) &&
	    !(d->known && d->value_gen >= w->t->gen))
		return add_need(w->res, d);
	if (!d->fresh)
		w->t->changed = true;
	if (d->shaky)
		w->res->shaky = true;
	if (d->value.error == ELOOP)
		return fail(w, ELOOP, p->line, "input `%s` needs itself: %s",
			    path, d->message ? d->message : "");
	if (d->value.error)
		return fail(w, EIO, p->line, "input `%s` failed: %s", path,
			    d->message ? d->message : err_name(d->value.error));
	return add_input(w, in, position, path, len, &d->value.addr,
			 d->value.size, d->value.executable);
}

static int start_dir(struct walk *w, const char *text, unsigned up,
		     uint64_t *ret)
{
	uint64_t dir = text[0] == '/' ? NS_ROOT : w->t->dir;
	int r;

	for (; up; up--) {
		r = climb(w, &dir);
		if (r < 0)
			return r;
	}
	*ret = dir;
	return 0;
}

/* The path as the command sees it: "../" as often as it climbs, or "/" in
 * front of a path from the root. */
static int seen_path(const char *text, unsigned up, const char *plain,
		     size_t len, struct buf *ret)
{
	buf_reset(ret);
	if (text[0] == '/')
		buf_u8(ret, '/');
	for (; up; up--)
		buf_str(ret, "../");
	buf_add(ret, plain, len);
	return buf_err(ret);
}

/* --- globs -------------------------------------------------------------- */

struct names {
	struct name {
		char *text;
		size_t len;
		bool derived;
	} * v;
	size_t count, cap;
};

static void names_done(struct names *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->v[i].text);
	free(n->v);
}

static int names_add(struct names *n, const char *a, size_t alen, const char *b,
		     size_t blen)
{
	struct name *p;

	if (n->count == n->cap) {
		n->cap = n->cap ? n->cap * 2 : 16;
		p = realloc(n->v, n->cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		n->v = p;
	}
	p = &n->v[n->count];
	p->len = alen + (alen ? 1 : 0) + blen;
	p->text = malloc(p->len + 1);
	if (!p->text)
		return -ENOMEM;
	memcpy(p->text, a, alen);
	if (alen)
		p->text[alen] = '/';
	memcpy(p->text + p->len - blen, b, blen);
	p->text[p->len] = '\0';
	n->count++;
	return 0;
}

struct matching {
	struct walk *w;
	struct names *names;
	const char *pattern, *before;
	size_t plen, blen;
	uint64_t dir;
	bool last;
};

static int match_source(void *ctx, const struct ns_entry *e)
{
	struct matching *m = ctx;

	if (!glob_match(m->pattern, m->plen, e->name, e->len))
		return 0;
	if (m->last ? S_ISDIR(e->mode) : !S_ISDIR(e->mode) && !S_ISLNK(e->mode))
		return 0;
	return names_add(m->names, m->before, m->blen, e->name, e->len);
}

static int match_derived(void *ctx, const char *name, size_t len)
{
	struct matching *m = ctx;

	if (!glob_match(m->pattern, m->plen, name, len))
		return 0;
	if (m->dir == m->w->t->dir && len == m->w->t->len &&
	    !memcmp(name, m->w->t->name, len))
		return 0; /* never what the recipe itself makes */
	return names_add(m->names, m->before, m->blen, name, len);
}

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int c = memcmp(x->text, y->text, MIN(x->len, y->len));

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* The paths below dir that match, sorted by bytes. `before` is the part of
 * the path that led to dir. */
static int expand(struct walk *w, uint64_t start, const char *before,
		  size_t blen, const char *pattern, struct names *ret)
{
	const char *slash = strchrnul(pattern, '/');
	struct matching m = {
		.w = w,
		.before = before,
		.blen = blen,
		.pattern = pattern,
		.plen = (size_t)(slash - pattern),
		.last = !*slash,
		.dir = start,
	};
	CLEANUP(names_done) struct names here = {0};
	struct ns_attr attr;
	struct found f;
	unsigned links;
	size_t i;
	int r;

	if (blen) {
		links = 0;
		f = (struct found){0};
		r = follow(w, start, before, blen, &links, &f);
		if (r < 0 || f.derived || !S_ISDIR(f.attr.mode))
			return 0; /* nothing there matches */
		m.dir = f.attr.ino;
	}
	r = ns_getattr(w->ev->ns, w->t->at, m.dir, &attr);
	if (r < 0)
		return r;
	r = watch_inode(w->ev, w->t, m.dir);
	if (r < 0 || !may(w->owner, &attr, 5))
		return r;
	r = watch_listing(w->ev, w->t, m.dir);
	if (r < 0)
		return r;
	m.names = m.last ? ret : &here;
	r = ns_list(w->ev->ns, w->t->at, m.dir, "", 0, match_source, &m);
	if (r >= 0 && m.last)
		r = eval_list(w->ev, w->t->at, m.dir, match_derived, &m);
	if (r < 0 || m.last)
		return r;
	for (i = 0; i < here.count; i++) {
		r = expand(w, start, here.v[i].text, here.v[i].len, slash + 1,
			   ret);
		if (r < 0)
			return r;
	}
	return 0;
}

static int resolve_glob(struct walk *w, const struct recipe_input *in,
			const struct recipe_path *p, uint64_t dir, unsigned up,
			const char *plain, uint32_t *position)
{
	CLEANUP(names_done) struct names names = {0};
	CLEANUP_BUF struct buf seen = BUF_INIT;
	struct found f;
	unsigned links;
	size_t i;
	int r = expand(w, dir, "", 0, plain, &names);

	if (r < 0)
		return r;
	if (names.count)
		qsort(names.v, names.count, sizeof(*names.v), compare_names);
	for (i = 0; i < names.count; i++) {
		f = (struct found){0};
		links = 0;
		r = seen_path(p->text, up, names.v[i].text, names.v[i].len,
			      &seen);
		if (r < 0)
			return r;
		r = follow(w, dir, names.v[i].text, names.v[i].len, &links, &f);
		if (r == -ENOENT || r == -EISDIR || r == -ENOTDIR)
			continue; /* a dangling link, a link to a directory */
		if (r < 0)
			return not_found(w, p, buf_cstr(&seen), r);
		if (!f.derived && !S_ISREG(f.attr.mode))
			continue;
		r = take(w, in, p, (*position)++, buf_cstr(&seen), seen.len,
			 &f);
		if (r < 0)
			return r;
	}
	return 0;
}

static int resolve_path(struct walk *w, const struct recipe_input *in,
			const struct recipe_path *p, uint32_t *position)
{
	CLEANUP_BUF struct buf plain = BUF_INIT, seen = BUF_INIT;
	struct found f = {0};
	unsigned up, links = 0;
	uint64_t dir;
	int r = plain_path(p->text, &plain, &up);

	if (r == -ENOMEM)
		return r;
	if (r >= 0 && !plain.len)
		r = -EISDIR;
	if (r >= 0)
		r = start_dir(w, p->text, up, &dir);
	if (r < 0)
		return not_found(w, p, p->text, r);
	w->task->depth = MAX(w->task->depth, up);
	if (p->glob)
		return resolve_glob(w, in, p, dir, up, buf_cstr(&plain),
				    position);
	r = seen_path(p->text, up, buf_cstr(&plain), plain.len, &seen);
	if (r < 0)
		return r;
	r = follow(w, dir, buf_cstr(&plain), plain.len, &links, &f);
	if (r < 0)
		return not_found(w, p, p->text, r);
	return take(w, in, p, (*position)++, buf_cstr(&seen), seen.len, &f);
}

static int add_empty(struct walk *w, const struct recipe_input *in)
{
	static const struct addr none;
	int r = add_input(w, in, 0, "", 0, &none, 0, false);

	if (r >= 0)
		w->task->inputs[w->task->ninputs - 1].empty = true;
	return r;
}

static int resolve_inputs(struct walk *w)
{
	const struct recipe_def *def = w->task->def;
	uint32_t position;
	size_t i, k;
	int r;

	for (i = 0; i < def->ninputs; i++) {
		position = 0;
		for (k = 0; k < def->inputs[i].count; k++) {
			r = resolve_path(w, &def->inputs[i],
					 &def->inputs[i].paths[k], &position);
			if (r < 0)
				return r;
		}
		/* the command sees the name even if nothing is in it */
		r = position || !def->inputs[i].name
			    ? 0
			    : add_empty(w, &def->inputs[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the view ----------------------------------------------------------- */

/* /w and one /d for each level is where the command works; an input that
 * climbs k levels lies k levels above. */
static int view_place(struct task *j, const struct canon_input *in)
{
	CLEANUP_BUF struct buf at = BUF_INIT;
	const char *p = in->path;
	unsigned levels = j->depth, i;

	if (*p == '/')
		return view_add(j->root, p + 1, in->path_len - 1, &in->addr,
				in->size, in->executable);
	for (; !strncmp(p, "../", 3); p += 3)
		levels--;
	for (i = 0; i < levels; i++)
		buf_str(&at, "d/");
	buf_add(&at, p, in->path_len - (size_t)(p - in->path));
	if (buf_err(&at) < 0)
		return -ENOMEM;
	return view_add(j->work, buf_cstr(&at), at.len, &in->addr, in->size,
			in->executable);
}

static int build_views(struct walk *w)
{
	CLEANUP_BUF struct buf cwd = BUF_INIT;
	struct task *j = w->task;
	unsigned d;
	size_t i;
	int r;

	j->work = view_new();
	j->root = view_new();
	if (!j->work || !j->root)
		return -ENOMEM;
	for (d = 0; d < j->depth; d++)
		buf_str(&cwd, d ? "/d" : "d");
	if (buf_err(&cwd) < 0 ||
	    view_add_dir(j->work, buf_cstr(&cwd), cwd.len) < 0)
		return -ENOMEM;
	for (i = 0; i < j->ninputs; i++) {
		if (j->inputs[i].empty)
			continue;
		r = view_place(j, &j->inputs[i]);
		if (r == -EEXIST)
			return fail(w, EIO, j->def->run_line,
				    "input `%s` would lie over another input "
				    "in the command's view: a directory "
				    "called `d` is in the way; use paths from "
				    "the mount's root (/...) for one of them",
				    j->inputs[i].path);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the whole ---------------------------------------------------------- */

/* $out has the suffix of the file it becomes, for programs that go by it;
 * but only where the command can see it, so that everything else is the same
 * computation under any name. */
static void name_output(struct task *j, const char *name)
{
	const struct recipe_def *d = j->def;
	const char *dot = strrchr(name, '.');
	bool sees = false;
	size_t i, n;

	strcpy(j->out_name, "out");
	if (d->kind == RECIPE_RUN_SHELL)
		sees = strstr(d->run, "out");
	for (i = 0; d->kind == RECIPE_RUN_ARGV && i < d->argc; i++)
		sees = sees || strstr(d->argv[i], "out");
	if (!sees || !dot || dot == name)
		return;
	n = strlen(dot + 1);
	if (!n || n > 16)
		return;
	for (i = 1; i <= n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789_+-",
			    dot[i]))
			return;
	strcat(j->out_name, dot);
}

static int fill_values(struct task *j)
{
	const struct recipe_def *d = j->def;
	size_t i;

	j->params = calloc(d->nparams + 1, sizeof(*j->params));
	j->env = calloc(d->nenv + 1, sizeof(*j->env));
	if (!j->params || !j->env)
		return -ENOMEM;
	for (i = 0; i < d->nparams; i++)
		j->params[i] = (struct canon_value){d->params[i].name,
						    d->params[i].value};
	for (i = 0; i < d->nenv; i++)
		j->env[i] = (struct canon_value){d->env[i], getenv(d->env[i])};
	j->nparams = d->nparams;
	j->nenv = d->nenv;
	return 0;
}

static int encode(struct walk *w)
{
	struct task *j = w->task;
	const struct recipe_def *d = j->def;
	struct canon c = {
		.kind = d->kind,
		.text = d->kind == RECIPE_FN ? d->fn : d->run,
		.argv = (const char *const *)d->argv,
		.argc = d->argc,
		.inputs = j->inputs,
		.ninputs = j->ninputs,
		.params = j->params,
		.nparams = j->nparams,
		.env = j->env,
		.nenv = j->nenv,
		.out_name = j->out_name,
	};
	int r = canon_encode(&c, &j->canon);

	if (r == -E2BIG)
		return fail(w, E2BIG, 1,
			    "the computation (its text and list of inputs) is "
			    "longer than 16 MiB");
	if (r < 0)
		return r;
	addr_of(OBJ_RECIPE, j->canon.data, j->canon.len, &j->recipe);
	return 0;
}

static int check_function(struct walk *w)
{
	struct task *j = w->task;
	const struct function *f = function_find(j->def->fn);
	struct err err = {{0}};
	size_t count = 0, i;
	const char *near;

	if (!f) {
		near = function_near(j->def->fn);
		return fail(w, EINVAL, j->def->run_line,
			    "there is no built-in function `%s`%s%s%s; "
			    "`deriva functions` lists them",
			    j->def->fn, near ? " (did you mean `" : "",
			    near ? near : "", near ? "`?)" : "");
	}
	for (i = 0; i < j->ninputs; i++)
		count += !j->inputs[i].empty;
	if (function_check(f, j->params, j->nparams, count, &err) < 0)
		return fail(w, EINVAL, j->def->run_line, "%s", err.msg);
	return 0;
}

/* Reads and parses a recipe file. */
static int load_def(struct eval *ev, const struct ns_attr *file,
		    struct recipe_def **ret, struct err *err)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	CLEANUP_FREE char *text = NULL;
	ssize_t n;
	int r;

	if (file->size > RECIPE_FILE_MAX)
		return err_set(err, -E2BIG,
			       "line 1: a recipe of more than 1 MiB");
	r = blob_open(ev->store, &file->addr, &b);
	if (r < 0)
		return r;
	text = malloc(file->size + 1);
	if (!text)
		return -ENOMEM;
	n = blob_pread(b, text, file->size, 0);
	return n < 0 ? (int)n : recipe_parse(text, (size_t)n, ret, err);
}

static int load(struct walk *w, const struct ns_attr *file)
{
	struct err err = {{0}};
	unsigned line = 1;
	int r = load_def(w->ev, file, &w->task->def, &err), used = 0;

	if (r != -EINVAL && r != -E2BIG)
		return r;
	/* "line N: what" becomes "file:N: what" */
	if (sscanf(err.msg, "line %u: %n", &line, &used) != 1)
		used = 0;
	return fail(w, EINVAL, line, "%s", err.msg + used);
}

bool eval_is_lazy(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		  size_t len)
{
	CLEANUP(recipe_def_freep) struct recipe_def *def = NULL;
	struct ns_attr file;

	return eval_defined(ev, at, dir, name, len, &file) >= 0 &&
	       load_def(ev, &file, &def, NULL) >= 0 && def->stat_lazy;
}

static int make_label(struct walk *w, struct task *j)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *p;

	if (w->t->dir == NS_ROOT ||
	    ns_path(w->ev->ns, w->t->at, w->t->dir, &b) < 0)
		buf_reset(&b);
	if (b.len && b.data[b.len - 1] != '/')
		buf_u8(&b, '/');
	buf_add(&b, w->t->name, w->t->len);
	buf_str(&b, RECIPE_SUFFIX);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	p = buf_cstr(&b);
	j->label = strdup(*p == '/' ? p + 1 : p);
	w->label = j->label;
	return j->label ? 0 : -ENOMEM;
}

static int resolve_job(struct walk *w, const struct ns_attr *file)
{
	int r = load(w, file);

	if (r >= 0)
		r = fill_values(w->task);
	if (r >= 0)
		r = resolve_inputs(w);
	if (r < 0)
		return r;
	/* the rest makes sense only with all inputs there */
	if (w->res->nneeds || w->res->nwriting)
		return 0;
	name_output(w->task, w->t->name);
	if (w->task->def->kind == RECIPE_FN)
		r = check_function(w);
	else
		r = build_views(w);
	return r < 0 ? r : encode(w);
}

int resolve(struct eval *ev, struct target *t, bool settled,
	    struct resolved *ret)
{
	char name[NS_NAME_MAX + sizeof(RECIPE_SUFFIX)];
	CLEANUP(task_freep) struct task *task = calloc(1, sizeof(*task));
	struct ns_attr file;
	struct walk w = {
		.ev = ev,
		.t = t,
		.owner = &file,
		.settled = settled,
		.res = ret,
		.task = task,
	};
	int r;

	if (!task)
		return -ENOMEM;
	watch_drop(ev, t);
	snprintf(name, sizeof(name), "%s%s", t->name, RECIPE_SUFFIX);
	r = watch_name(ev, t, t->dir, t->name, t->len);
	if (r >= 0)
		r = watch_name(ev, t, t->dir, name, strlen(name));
	if (r >= 0)
		r = make_label(&w, task);
	if (r < 0)
		return r;
	r = eval_defined(ev, t->at, t->dir, t->name, t->len, &file);
	if (r == -ENOENT || r == -EEXIST) {
		ret->error = ENOENT;
		return err_set(&ret->err, 0, "%s: %s", task->label,
			       r == -ENOENT ? "no such recipe"
					    : "blocked by an ordinary file");
	}
	if (r >= 0)
		r = use_inode(&w, file.ino);
	if (r >= 0 && !ret->nwriting)
		r = resolve_job(&w, &file);
	if (r < 0 && r != -ECANCELED)
		return r;
	/* what is being written may mend what looks wrong now */
	if (ret->nwriting || ret->nneeds)
		ret->error = 0;
	else if (!ret->error)
		ret->task = steal(&task);
	return 0;
}

void resolved_done(struct resolved *r)
{
	task_free(r->task);
	free(r->needs);
	free(r->writing);
}

void task_free(struct task *j)
{
	size_t i;

	if (!j)
		return;
	for (i = 0; i < j->ninputs; i++)
		free((char *)(uintptr_t)j->inputs[i].path);
	free(j->inputs);
	free(j->params);
	free(j->env);
	free(j->label);
	buf_done(&j->canon);
	view_free(j->work);
	view_free(j->root);
	recipe_def_free(j->def);
	free(j);
}
