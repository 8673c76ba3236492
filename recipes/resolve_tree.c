/* Paths that go on inside of a derived directory. */
#include "recipes/walk.h"

#include <errno.h>
#include <string.h>

#include "cas/dir.h"

#define LINKS_MAX 40

/* The directory's value, with its bytes: 0; 1: to be waited for. */
static int await_content(struct walk *w, struct target *d)
{
	target_look_dropped(w->ev, d);
	if (d->dropped && !d->need_bytes) {
		d->need_bytes = true;
		target_touch(w->ev, d);
	}
	return walk_await(w, d);
}

int walk_tree(struct walk *w, struct target *d, struct addr *ret)
{
	int r;

	if (d == w->t)
		return walk_fail(w, ELOOP, 1,
				 "`%s` needs itself: it is its own input",
				 d->name);
	r = await_content(w, d);
	if (r)
		return r < 0 ? r : -EINPROGRESS;
	if (d->value.error)
		return walk_fail(w, d->value.error == ELOOP ? ELOOP : EIO, 1,
				 "`%s/` failed: %s", d->name,
				 d->message ? d->message
					    : err_name(d->value.error));
	if (!d->value.is_dir)
		return -ENOTDIR;
	*ret = d->value.addr;
	return 0;
}

/* The path that a link leads to: from where it lies, and then the rest. */
static int follow_link(struct buf *path, size_t at, size_t end,
		       const struct dir_entry *e)
{
	CLEANUP_BUF struct buf next = BUF_INIT, plain = BUF_INIT;
	unsigned up;
	int r;

	if (e->target_len && e->target[0] == '/')
		return -EXDEV;
	buf_add(&next, path->data, at);
	buf_add(&next, e->target, e->target_len);
	buf_add(&next, path->data + end, path->len - end);
	r = buf_err(&next);
	if (r >= 0)
		r = plain_path(buf_cstr(&next), &plain, &up);
	if (r >= 0 && up)
		r = -EXDEV;
	if (r < 0)
		return r;
	buf_reset(path);
	buf_add(path, plain.data, plain.len);
	return buf_err(path);
}

/* One pass over the path. 1: a link was followed, and the path is another. */
static int descend(struct store *s, struct buf *path, struct found *ret)
{
	CLEANUP_BUF struct buf page = BUF_INIT;
	struct dir_entry e;
	size_t at = 0, end;
	const char *slash, *p;
	int r;

	while (at < path->len) {
		p = buf_cstr(path) + at;
		slash = strchrnul(p, '/');
		end = at + (size_t)(slash - p);
		if (ret->type != DIR_DIR)
			return -ENOTDIR;
		r = dir_find(s, &ret->addr, p, end - at, &page, &e);
		if (r < 0)
			return r;
		if (e.type == DIR_LINK) {
			r = follow_link(path, at, end, &e);
			return r < 0 ? r : 1;
		}
		ret->type = e.type;
		ret->addr = e.addr;
		ret->size = e.size;
		at = end + !!*slash;
	}
	return 0;
}

int walk_in_tree(struct walk *w, const struct addr *top, const char *path,
		 size_t len, struct found *ret)
{
	CLEANUP_BUF struct buf rest = BUF_INIT;
	unsigned links = 0;
	int r;

	buf_add(&rest, path, len);
	do {
		r = buf_err(&rest);
		*ret = (struct found){
			.tree = true,
			.type = DIR_DIR,
			.addr = *top,
		};
		if (r >= 0)
			r = descend(w->ev->store, &rest, ret);
		if (r > 0 && ++links > LINKS_MAX)
			r = -ELOOP;
	} while (r > 0);
	return r;
}
