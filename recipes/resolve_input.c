/* Inputs: what the paths of a recipe lead to, in order.
 *
 * A derived input that has no value yet is a need; the walk goes on, so that
 * all needs are computed side by side.
 */
#include "recipes/walk.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int walk_need(struct resolved *r, struct target *t)
{
	struct target **p;

	if (t->listed == r->mark)
		return 0;
	if (r->nneeds == r->cap_needs) {
		r->cap_needs = r->cap_needs ? r->cap_needs * 2 : 8;
		p = realloc(r->needs, r->cap_needs * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->needs = p;
	}
	t->listed = r->mark;
	r->needs[r->nneeds++] = t;
	return 0;
}

/* Its address will do to find a result; to run anything, its bytes have to be
 * made again. */
static int add_dropped(struct resolved *r, struct target *t)
{
	struct target **p;

	if (r->ndropped == r->cap_dropped) {
		r->cap_dropped = r->cap_dropped ? r->cap_dropped * 2 : 4;
		p = realloc(r->dropped, r->cap_dropped * sizeof(*p));
		if (!p)
			return -ENOMEM;
		r->dropped = p;
	}
	r->dropped[r->ndropped++] = t;
	return 0;
}

int walk_use_inode(struct walk *w, uint64_t ino)
{
	struct resolved *r = w->res;
	uint64_t *p;
	int rc = watch_inode(w->ev, w->t, ino);

	if (rc < 0 || w->at != NS_NOW ||
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

/* --- taking -------------------------------------------------------------- */

static int add_input(struct walk *w, const struct recipe_input *in,
		     uint32_t position, const struct buf *path,
		     const struct addr *addr, uint64_t size, bool executable,
		     bool is_dir)
{
	struct task *j = w->task;
	struct canon_input *p, *c;
	char *copy;

	if (j->ninputs == RECIPE_INPUTS_MAX)
		return walk_fail(w, EIO, in->line, "more than %d inputs",
				 RECIPE_INPUTS_MAX);
	if (!(j->ninputs & (j->ninputs - 1))) { /* grows at powers of two */
		p = realloc(j->inputs,
			    MAX(j->ninputs * 2, (size_t)4) * sizeof(*p));
		if (!p)
			return -ENOMEM;
		j->inputs = p;
	}
	copy = malloc(path->len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, buf_cstr(path), path->len + 1);
	c = &j->inputs[j->ninputs++];
	memset(c, 0, sizeof(*c));
	c->name = in->name;
	c->list = in->list;
	c->position = position;
	c->executable = executable;
	c->dir = is_dir;
	c->addr = *addr;
	c->size = size;
	c->path = copy;
	c->path_len = path->len;
	return 0;
}

static int not_found(struct walk *w, const struct recipe_path *p,
		     const char *path, int r)
{
	switch (r) {
	case -ENOENT:
		return walk_fail(
			w, EIO, p->line,
			"input `%s` does not exist; create it, or "
			"correct the path (it is relative to the "
			"recipe's directory, or to the mount's root when "
			"it starts with /)",
			path);
	case -ENOTDIR:
		return walk_fail(
			w, EIO, p->line,
			"input `%s`: a part of the path is no directory", path);
	case -ENAMETOOLONG:
		return walk_fail(
			w, EIO, p->line,
			"input `%s`: a part of the path is longer than %d "
			"bytes",
			path, NS_NAME_MAX);
	case -EACCES:
		return walk_fail(w, EIO, p->line,
				 "input `%s` may not be read by the recipe's "
				 "owner (uid %u)",
				 path, w->owner->uid);
	case -ELOOP:
		return walk_fail(w, EIO, p->line,
				 "input `%s`: too many symbolic links", path);
	case -EXDEV:
		return walk_fail(
			w, EIO, p->line,
			"input `%s` leads out of the mount; a recipe can "
			"use only what lies in it",
			path);
	case -EISDIR:
		return walk_fail(
			w, EIO, p->line,
			"input `%s` holds the directory that the command works "
			"in; name what is wanted of it, such as `%s*`",
			path, path);
	default:
		return r;
	}
}

static int no_dir(struct walk *w, const struct recipe_path *p, const char *text)
{
	return walk_fail(w, EIO, p->line,
			 "input `%s` is no directory: leave the slash behind "
			 "its name away",
			 text);
}

/* One path that has been followed to a file. */
static int take_source(struct walk *w, const struct recipe_input *in,
		       const struct recipe_path *p, uint32_t position,
		       const struct buf *path, const struct ns_attr *a)
{
	const char *text = buf_cstr(path);
	int r;

	if (p->dir)
		return no_dir(w, p, text);
	if (!S_ISREG(a->mode))
		return walk_fail(w, EIO, p->line,
				 "input `%s` is no regular file", text);
	if (!walk_may(w, a, 4)) {
		r = watch_inode(w->ev, w->t, a->ino);
		return r < 0 ? r : not_found(w, p, text, -EACCES);
	}
	r = walk_use_inode(w, a->ino);
	return r < 0 ? r
		     : add_input(w, in, position, path, &a->addr, a->size,
				 a->mode & 0100, false);
}

/* Or to a derived name. Its value will do when it holds, or when it was found
 * for a question that came after ours. */
static int take_derived(struct walk *w, const struct recipe_input *in,
			const struct recipe_path *p, uint32_t position,
			const struct buf *path, struct target *d)
{
	const char *text = buf_cstr(path);
	int r;

	if (d->value.error == ELOOP)
		return walk_fail(w, ELOOP, p->line,
				 "input `%s` needs itself: %s", text,
				 d->message ? d->message : "");
	if (d->value.error)
		return walk_fail(w, EIO, p->line, "input `%s` failed: %s", text,
				 d->message ? d->message
					    : err_name(d->value.error));
	if (p->dir && !d->value.is_dir)
		return no_dir(w, p, text);
	target_look_dropped(w->ev, d);
	r = d->dropped ? add_dropped(w->res, d) : 0;
	return r < 0 ? r
		     : add_input(w, in, position, path, &d->value.addr,
				 d->value.size, d->value.executable,
				 d->value.is_dir);
}

/* An input that has changed again since it was evaluated for us is evaluated
 * again, so that a result does not mix two moments; but not for ever. */
#define PATIENCE 8

static bool new_enough(const struct target *t, const struct target *input)
{
	if (!input->known || input->value_gen < t->gen)
		return false;
	return input->fresh || input->shaky || t->rounds > PATIENCE;
}

bool walk_holds(const struct target *t, const struct target *input)
{
	return (input->fresh && !input->shaky) || new_enough(t, input);
}

int walk_await(struct walk *w, struct target *d)
{
	int r;

	if (!walk_holds(w->t, d)) {
		r = walk_need(w->res, d);
		return r < 0 ? r : 1;
	}
	if (!d->fresh)
		w->t->changed = true;
	if (d->shaky)
		w->res->shaky = true;
	return 0;
}

static int take_in_tree(struct walk *w, const struct recipe_input *in,
			const struct recipe_path *p, uint32_t position,
			const struct buf *path, const struct found *f)
{
	bool dir = f->type == DIR_DIR;

	if (!dir && f->type != DIR_FILE && f->type != DIR_EXEC)
		return walk_fail(w, EIO, p->line,
				 "input `%s` is no regular file",
				 buf_cstr(path));
	if (p->dir && !dir)
		return no_dir(w, p, buf_cstr(path));
	return add_input(w, in, position, path, &f->addr, f->size,
			 f->type == DIR_EXEC, dir);
}

static int take(struct walk *w, const struct recipe_input *in,
		const struct recipe_path *p, uint32_t position,
		const struct buf *path, const struct found *f)
{
	struct target *d = f->target;
	int r;

	if (w->note)
		return w->note(w->note_ctx, buf_cstr(path), f);
	if (f->tree)
		return take_in_tree(w, in, p, position, path, f);
	if (!f->derived && S_ISDIR(f->attr.mode)) {
		r = walk_dir_target(w, f->attr.ino, w->owner->ino, &d);
		if (r < 0)
			return r;
	} else if (!f->derived)
		return take_source(w, in, p, position, path, &f->attr);
	if (d == w->t)
		return walk_fail(w, ELOOP, p->line,
				 "`%s` needs itself: it is its own input",
				 buf_cstr(path));
	r = walk_await(w, d);
	if (r)
		return MIN(r, 0);
	return take_derived(w, in, p, position, path, d);
}

/* --- paths --------------------------------------------------------------- */

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

static int take_matches(struct walk *w, const struct recipe_input *in,
			const struct recipe_path *p, uint64_t dir, unsigned up,
			const struct names *names, uint32_t *position)
{
	CLEANUP_BUF struct buf seen = BUF_INIT;
	struct found f;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < names->count; i++) {
		const struct name *n = &names->v[i];

		r = seen_path(p->text, up, n->text, n->len, &seen);
		if (r < 0)
			return r;
		r = walk_follow(w, dir, n->text, n->len, &f);
		if (r == -ENOENT || r == -ENOTDIR || r == -EINPROGRESS) {
			r = 0; /* a dangling link; or not known yet */
			continue;
		}
		if (r < 0)
			return not_found(w, p, buf_cstr(&seen), r);
		if (f.own || (!f.derived && !f.tree && !S_ISREG(f.attr.mode)) ||
		    (f.tree && f.type != DIR_FILE && f.type != DIR_EXEC))
			continue; /* what the recipe itself makes; a directory,
				   * a device */
		r = take(w, in, p, (*position)++, &seen, &f);
	}
	return r;
}

static int take_path(struct walk *w, const struct recipe_input *in,
		     const struct recipe_path *p, uint32_t *position)
{
	CLEANUP_BUF struct buf plain = BUF_INIT, seen = BUF_INIT;
	CLEANUP(names_done) struct names names = {0};
	struct found f;
	unsigned up;
	uint64_t dir;
	int r = plain_path(p->text, &plain, &up);

	if (r >= 0 && !plain.len && up)
		r = -EISDIR;
	if (r >= 0)
		r = walk_start(w, p->text, up, &dir);
	if (r < 0)
		return not_found(w, p, p->text, r);
	if (p->glob) {
		r = walk_glob(w, p, dir, buf_cstr(&plain), &names);
		return r < 0 ? r
			     : take_matches(w, in, p, dir, up, &names,
					    position);
	}
	r = plain.len
		    ? seen_path(p->text, up, buf_cstr(&plain), plain.len, &seen)
		    : seen_path(p->text, 0, ".", 1, &seen);
	if (r < 0)
		return r;
	r = walk_follow(w, dir, buf_cstr(&plain), plain.len, &f);
	if (w->note && r == -EINPROGRESS) {
		f = (struct found){.derived = true};
		r = 0;
	}
	if (r == -EINPROGRESS)
		return 0;
	if (w->note && r < 0 && r != -ENOMEM)
		return w->note(w->note_ctx, buf_cstr(&seen), NULL);
	if (r < 0)
		return not_found(w, p, p->text, r);
	return take(w, in, p, (*position)++, &seen, &f);
}

static int add_empty(struct walk *w, const struct recipe_input *in)
{
	static const struct addr none;
	const struct buf path = BUF_INIT;
	int r = add_input(w, in, 0, &path, &none, 0, false, false);

	if (r >= 0)
		w->task->inputs[w->task->ninputs - 1].empty = true;
	return r;
}

int walk_inputs(struct walk *w)
{
	const struct recipe_def *def = w->task->def;
	uint32_t position;
	size_t i, k;
	int r;

	for (i = 0; i < def->ninputs; i++) {
		position = 0;
		for (k = 0; k < def->inputs[i].count; k++) {
			r = take_path(w, &def->inputs[i],
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
