#include "cli/history.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/trail.h"

/* The logs of a path and of a tree are put together from those of names in
 * directories (history.c): a directory that had the path for some time gives
 * what happened in it meanwhile. */

/* What came before the directory had its path goes, and what came after. */
static void cut_events(struct events *e, size_t from, uint64_t born,
		       uint64_t until)
{
	size_t i, to = from;

	for (i = from; i < e->count; i++)
		if (e->list[i].seq >= born && e->list[i].seq < until) {
			e->list[to++] = e->list[i];
		} else {
			free(e->list[i].path);
			free(e->list[i].other);
		}
	e->count = to;
}

/* --- paths and trees --------------------------------------------------------
 */

struct walk {
	struct history *h;
	struct events *events;
	const char *name; /* of a path's log */
	bool follow;
	struct buf path; /* of the directory at hand; tree */
};

static int on_dir(void *ctx, const struct trail *t)
{
	struct walk *w = ctx;
	size_t from = w->events->count;
	int rc;

	rc = events_of_name(w->h, t->ino, w->name, w->follow, w->events);
	cut_events(w->events, from, w->follow ? 0 : t->born, t->until);
	return rc;
}

/* "a/b" is "a" and "b". */
static int split(const char *rel, char **ret_dir, const char **ret_name)
{
	const char *slash = strrchr(rel, '/');

	*ret_dir = strndup(rel, slash ? (size_t)(slash - rel) : 0);
	*ret_name = slash ? slash + 1 : rel;
	return *ret_dir ? 0 : -ENOMEM;
}

static int gather_path(struct walk *w, const char *rel)
{
	CLEANUP_FREE char *dir = NULL;
	int rc;

	if (!*rel)
		return events_of_root(w->h, w->events);
	rc = split(rel, &dir, &w->name);
	return rc < 0 ? rc : trail_each(w->h->ns, dir, on_dir, w);
}

int history_of_path(struct history *h, const char *rel, bool follow,
		    struct events *ret)
{
	struct events events = {0};
	struct walk w = {.h = h, .events = &events, .follow = follow};
	int rc = gather_path(&w, rel);

	if (rc < 0) {
		events_done(&events);
		return rc;
	}
	events_sort(&events);
	*ret = events;
	return 0;
}

static int walk_dir(void *ctx, const struct trail *t);

/* Directories that had a name: what was below each while it had. */
struct children {
	struct walk *w;
	struct trail at; /* the directory above */
	struct trail *list;
	size_t n;
};

static int on_child(void *ctx, const struct ns_interval *i)
{
	struct children *c = ctx;
	const struct trail t = {
		.ino = i->ino,
		.born = MAX(i->born, c->at.born),
		.until = MIN(i->died ? i->died : TRAIL_NOW, c->at.until),
	};
	struct trail *more;
	struct ns_attr a;
	int rc;

	if (t.born >= t.until)
		return 0;
	rc = ns_getattr(c->w->h->ns, i->born, i->ino, &a);
	if (rc < 0 || !S_ISDIR(a.mode))
		return rc == -ENOENT ? 0 : rc;
	more = reallocarray(c->list, c->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	c->list = more;
	c->list[c->n++] = t;
	return 0;
}

static int set_paths(struct walk *w, size_t from)
{
	struct event *e;
	size_t i;

	for (i = from; i < w->events->count; i++) {
		e = &w->events->list[i];
		if (!e->path)
			e->path = strdup(buf_cstr(&w->path));
		if (!e->path)
			return -ENOMEM;
	}
	return 0;
}

static int walk_name(void *ctx, const char *name, size_t len)
{
	const struct children *c = ctx;
	struct children below = {.w = c->w, .at = c->at};
	struct walk *w = c->w;
	size_t from = w->events->count, was = w->path.len, i;
	int rc;

	if (was)
		buf_u8(&w->path, '/');
	buf_add(&w->path, name, len);
	rc = events_of_name(w->h, c->at.ino, name, false, w->events);
	cut_events(w->events, from, c->at.born, c->at.until);
	if (rc >= 0)
		rc = set_paths(w, from);
	if (rc >= 0)
		rc = ns_name_history(w->h->ns, c->at.ino, name, len, on_child,
				     &below);
	for (i = 0; rc >= 0 && i < below.n; i++)
		rc = walk_dir(w, &below.list[i]);
	free(below.list);
	w->path.len = was;
	return MIN(rc, 0);
}

static int ever_named(void *ctx, const struct ns_interval *i)
{
	(void)ctx;
	(void)i;
	return 1;
}

/* A name that has only ever been derived. */
static int walk_derived(void *ctx, const char *name, size_t len)
{
	struct children *c = ctx;
	int rc = ns_name_history(c->w->h->ns, c->at.ino, name, len, ever_named,
				 NULL);

	return rc ? MIN(rc, 0) : walk_name(ctx, name, len);
}

static int walk_dir(void *ctx, const struct trail *t)
{
	struct walk *w = ctx;
	struct children c = {.w = w, .at = *t};
	int rc = trail_names(w->h->ns, t->ino, t->until, walk_name, &c);

	if (rc >= 0)
		rc = results_derived_names(w->h->results, t->ino, walk_derived,
					   &c);
	return rc;
}

int history_of_tree(struct history *h, const char *rel, struct events *ret)
{
	struct events events = {0};
	struct walk w = {.h = h, .events = &events};
	int rc = gather_path(&w, rel);

	buf_str(&w.path, rel);
	if (rc >= 0)
		rc = set_paths(&w, 0);
	if (rc >= 0)
		rc = trail_each(h->ns, rel, walk_dir, &w);
	buf_done(&w.path);
	if (rc < 0) {
		events_done(&events);
		return rc;
	}
	events_sort(&events);
	*ret = events;
	return 0;
}
