/* Whole directories as inputs.
 *
 * A directory of sources gets the address of its content (cas/dir.h): files
 * and directories below, sources and derived names alike. That address is the
 * value of a target of its own, whose name begins with '/', which no name of a
 * file can: so it is computed once for all who want it, a change in it makes it
 * stale like any other, and what it does not change goes no further. A
 * directory in it is a target in its turn: an edit costs the directories above
 * it, not the whole tree.
 *
 * The name says with whose rights it is read, and which recipe it is without
 * the names of: what a recipe itself makes is not part of its inputs.
 *
 *	/UID.GID		the directory
 *	/UID.GID/INO		the same without what the recipe file INO makes
 */
#include "recipes/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cas/dir.h"

bool target_is_dir(const struct target *t)
{
	return t->name[0] == '/';
}

/* --- names ------------------------------------------------------------------
 */

/* Whether dir is where the recipe lies, or above it. */
static int lies_below(struct walk *w, uint64_t dir, uint64_t recipe, bool *ret)
{
	uint64_t at = recipe, up;
	int r;

	*ret = false;
	if (!recipe)
		return 0;
	while (at != NS_ROOT) {
		r = ns_parent(w->ev->ns, w->at, at, &up);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		at = up;
		r = watch_inode(w->ev, w->t, at); /* fires when it moves */
		if (r < 0)
			return r;
		if (at == dir) {
			*ret = true;
			return 0;
		}
	}
	return 0;
}

int walk_dir_target(struct walk *w, uint64_t dir, uint64_t recipe,
		    struct target **ret)
{
	char name[64];
	bool below;
	int r = lies_below(w, dir, recipe, &below), n;

	if (r < 0)
		return r;
	n = snprintf(name, sizeof(name), "/%" PRIu32 ".%" PRIu32, w->owner->uid,
		     w->owner->gid);
	if (below)
		n += snprintf(name + n, sizeof(name) - (size_t)n, "/%" PRIu64,
			      recipe);
	*ret = target_get(w->ev, w->at, dir, name, (size_t)n, true);
	if (!*ret)
		return -ENOMEM;
	return watch_name(w->ev, w->t, dir, name, (size_t)n);
}

/* --- entries ----------------------------------------------------------------
 */

struct gather {
	struct walk w;
	struct dir_writer *out;
	uint64_t recipe; /* whose names do not count; 0: nobody's */
	uint64_t count;
	struct names names; /* of derived files */
	struct found_entry {
		char *name;
		uint64_t ino;
	} * sources;
	size_t nsources, cap;
};

static void gather_done(struct gather *g)
{
	size_t i;

	for (i = 0; i < g->nsources; i++)
		free(g->sources[i].name);
	free(g->sources);
	names_done(&g->names);
	dir_writer_free(g->out);
	walk_done(&g->w);
}

static int note_source(void *ctx, const struct ns_entry *e)
{
	struct gather *g = ctx;
	struct found_entry *p;

	if (g->nsources == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 64;
		p = realloc(g->sources, g->cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		g->sources = p;
	}
	p = &g->sources[g->nsources];
	p->name = strndup(e->name, e->len);
	p->ino = e->ino;
	if (!p->name)
		return -ENOMEM;
	g->nsources++;
	return 0;
}

static int note_derived(void *ctx, const char *name, size_t len, bool is_dir)
{
	struct gather *g = ctx;
	const struct buf none = BUF_INIT;

	(void)is_dir;
	return names_add(&g->names, &none, name, len);
}

/* Names are checked when they come to be: what does not fit is damage. */
static int put(struct gather *g, const struct dir_entry *e)
{
	int r = dir_add(g->out, e);

	g->count++;
	return r == -EINVAL ? -EUCLEAN : r;
}

/* "DIR/name" for messages. */
static int fail_at(struct gather *g, const char *name, int error,
		   const char *what)
{
	CLEANUP_BUF struct buf path = BUF_INIT;

	if (ns_path(g->w.ev->ns, g->w.at, g->w.dir, &path) < 0)
		buf_reset(&path);
	g->w.res->error = error;
	err_set(&g->w.res->err, 0, "`%s/%s`: %s",
		path.len > 1 ? buf_cstr(&path) + 1 : "", name, what);
	return -ECANCELED;
}

static int add_value(struct gather *g, const char *name, size_t len,
		     struct target *d)
{
	const struct eval_value *v = &d->value;
	struct dir_entry e = {
		.name = name,
		.name_len = len,
		.type = v->is_dir	? DIR_DIR
			: v->executable ? DIR_EXEC
					: DIR_FILE,
		.addr = v->addr,
		.size = v->size,
	};
	int r;

	target_look_dropped(g->w.ev, d);
	if (d->dropped && !d->need_bytes) {
		/* the directory is of no use without its bytes */
		d->need_bytes = true;
		target_touch(g->w.ev, d);
	}
	r = walk_await(&g->w, d);
	if (r)
		return r < 0 ? r : 0;
	if (v->error && target_is_dir(d)) {
		g->w.res->error = v->error; /* it says where */
		return err_set(&g->w.res->err, -ECANCELED, "%s",
			       d->message ? d->message : err_name(v->error));
	}
	if (v->error)
		return fail_at(g, name, v->error == ELOOP ? ELOOP : EIO,
			       d->message ? d->message : err_name(v->error));
	return put(g, &e);
}

static int add_file(struct gather *g, const char *name, const struct ns_attr *a)
{
	struct dir_entry e = {
		.name = name,
		.name_len = strlen(name),
		.type = a->mode & 0100 ? DIR_EXEC : DIR_FILE,
		.addr = a->addr,
		.size = a->size,
	};
	int r = walk_use_inode(&g->w, a->ino);

	if (r < 0)
		return r;
	if (!walk_may(&g->w, a, 4))
		return fail_at(g, name, EIO,
			       "may not be read by the recipe's owner");
	return put(g, &e);
}

static int add_link(struct gather *g, const char *name, const struct ns_attr *a)
{
	CLEANUP_BUF struct buf target = BUF_INIT;
	int r = ns_readlink(g->w.ev->ns, g->w.at, a->ino, &target);
	struct dir_entry e = {
		.name = name,
		.name_len = strlen(name),
		.type = DIR_LINK,
	};

	e.target = buf_cstr(&target);
	e.target_len = target.len;
	return r < 0 ? r : put(g, &e);
}

static int add_source(struct gather *g, const char *name, uint64_t ino)
{
	struct dir_entry e = {.name = name, .name_len = strlen(name)};
	struct target *child;
	struct ns_attr a;
	int r = ns_getattr(g->w.ev->ns, g->w.at, ino, &a);

	if (r < 0)
		return r;
	switch (a.mode & S_IFMT) {
	case S_IFREG:
		return add_file(g, name, &a);
	case S_IFLNK:
		return add_link(g, name, &a);
	case S_IFDIR:
		r = walk_dir_target(&g->w, ino, g->recipe, &child);
		return r < 0 ? r : add_value(g, name, strlen(name), child);
	case S_IFIFO:
		e.type = DIR_FIFO;
		break;
	case S_IFSOCK:
		e.type = DIR_SOCK;
		break;
	default:
		e.type = S_ISCHR(a.mode) ? DIR_CHR : DIR_BLK;
		e.rdev = (uint64_t)major(a.rdev) << 32 | minor(a.rdev);
	}
	return put(g, &e);
}

static int add_derived(struct gather *g, const struct name *n)
{
	struct walk *w = &g->w;
	struct defined d;
	struct target *t;
	int r = define_find(w->finder, w->dir, n->text, n->len, NULL, &d);

	if (r < 0)
		return r == -ENOENT || r == -EEXIST ? 0 : r;
	if (d.recipe.ino == g->recipe)
		return 0; /* what it makes itself */
	r = watch_inode(w->ev, w->t, d.recipe.ino);
	if (r < 0)
		return r;
	if (!walk_may(w, &d.recipe, 4))
		return fail_at(g, n->text, EIO,
			       "may not be read by the recipe's owner");
	t = target_get(w->ev, w->at, w->dir, n->text, n->len, true);
	return t ? add_value(g, n->text, n->len, t) : -ENOMEM;
}

/* --- all of them ------------------------------------------------------------
 */

static int gather(struct gather *g)
{
	struct walk *w = &g->w;
	struct ns_attr a;
	size_t i;
	int r = watch_inode(w->ev, w->t, w->dir);

	if (r >= 0)
		r = watch_listing(w->ev, w->t, w->dir);
	if (r >= 0)
		r = ns_getattr(w->ev->ns, w->at, w->dir, &a);
	if (r < 0)
		return r;
	if (!walk_may(w, &a, 5))
		return fail_at(g, ".", EIO,
			       "the directory may not be read by the recipe's "
			       "owner");
	r = ns_list(w->ev->ns, w->at, w->dir, "", 0, note_source, g);
	if (r >= 0)
		r = define_list(w->finder, w->dir, NULL, NULL, 0, note_derived,
				g);
	for (i = 0; r >= 0 && i < g->nsources; i++)
		r = add_source(g, g->sources[i].name, g->sources[i].ino);
	for (i = 0; r >= 0 && i < g->names.count; i++)
		r = add_derived(g, &g->names.v[i]);
	return r;
}

int resolve_dir(struct eval *ev, struct target *t, bool settled,
		struct resolved *ret)
{
	struct finder finder = {.ev = ev, .watcher = t, .at = t->at};
	struct ns_attr owner = {0};
	CLEANUP(gather_done)
	struct gather g = {
		.w =
			{
				.ev = ev,
				.t = t,
				.at = t->at,
				.dir = t->dir,
				.finder = &finder,
				.owner = &owner,
				.settled = settled,
				.res = ret,
				.ngroups = -1,
			},
		.out = dir_writer_new(ev->store),
	};
	unsigned ticket;
	int r;

	if (!g.out)
		return -ENOMEM;
	if (sscanf(t->name, "/%" SCNu32 ".%" SCNu32 "/%" SCNu64, &owner.uid,
		   &owner.gid, &g.recipe) < 2)
		return -EINVAL;
	ret->mark = ++ev->marks;
	watch_drop(ev, t);
	r = gather(&g);
	if (r == -ENOENT) {
		/* it went; who asked finds out by himself */
		ret->error = EIO;
		return err_set(&ret->err, 0, "the directory is gone");
	}
	if (r < 0 && r != -ECANCELED)
		return r;
	if (ret->nwriting || ret->nneeds)
		ret->error = 0;
	if (ret->nwriting || ret->nneeds || ret->error)
		return 0;
	ticket = store_enter(ev->store);
	r = dir_finish(g.out, &ret->dir_addr, NULL);
	if (r >= 0)
		target_hold(ev, t, &ret->dir_addr);
	store_leave(ev->store, ticket);
	ret->dir_count = g.count;
	return r;
}
