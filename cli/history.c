#include "cli/history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/layout.h"
#include "cas/store.h"
#include "cli/mountpoint.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/branch.h"
#include "core/observed.h"
#include "core/trail.h"

static int open_all(const char *path, struct history *h, struct err *err)
{
	int rc;

	rc = db_open(path, DB_READONLY, &h->db, err);
	if (rc < 0)
		return rc;
	db_lock(h->db);
	rc = ns_open(h->db, 0, 0, &h->ns, err);
	if (rc >= 0)
		rc = results_open(h->db, h->ns, &h->results);
	db_unlock(h->db);
	if (rc >= 0)
		rc = observed_open(h->db, &h->observed);
	if (rc >= 0)
		rc = objects_open(h->db, path, &h->objects, err);
	return rc;
}

/* Rows are only read here, and tables of an older version are brought up to
 * date by who opens the store itself. */
static int bring_up_to_date(const char *store, const char *path,
			    struct err *err)
{
	struct store *s;
	int version, rc = layout_look(store, err);

	if (rc >= 0)
		rc = db_look(path, &version, err);
	if (rc < 0 || !version || version == DB_VERSION)
		return rc;
	rc = store_open(store, 0, &s, err);
	return rc < 0 ? rc : store_close(s);
}

int history_open_at(const struct cli *cli, const char *root, const char *store,
		    struct history *ret)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	struct results *results = NULL;
	struct ns *ns = NULL;
	struct history h;
	struct branch b;
	int rc = where_branch(cli, root, &name);

	if (rc < 0) {
		complain("%s: %s", root ? root : store, err_name(rc));
		return rc;
	}
	rc = history_open(store, &h);
	if (rc < 0)
		return rc;
	db_lock(h.db);
	rc = branch_find(h.db, buf_cstr(&name), &b);
	if (rc >= 0 && b.id != BRANCH_MAIN)
		rc = ns_open_view(h.db, b.id, &ns);
	if (rc >= 0 && ns)
		rc = results_open(h.db, ns, &results);
	db_unlock(h.db);
	if (rc < 0) {
		complain("%s: branch %s: %s", store, buf_cstr(&name),
			 rc == -ENOENT ? "there is none" : err_name(rc));
		ns_close(ns);
		history_close(&h);
		return rc;
	}
	if (ns) {
		results_close(h.results);
		ns_close(h.ns);
		h.results = results;
		h.ns = ns;
	}
	*ret = h;
	return 0;
}

int history_open(const char *store, struct history *ret)
{
	CLEANUP_FREE char *path = path_join(store, "deriva.db");
	struct history h = {0};
	struct err err = {{0}};
	int rc;

	rc = path ? bring_up_to_date(store, path, &err) : -ENOMEM;
	if (rc >= 0)
		rc = open_all(path, &h, &err);
	if (rc < 0) {
		complain("%s: %s", store, err.msg[0] ? err.msg : err_name(rc));
		history_close(&h);
		return rc;
	}
	*ret = h;
	return 0;
}

void history_close(struct history *h)
{
	objects_close(h->objects);
	observed_close(h->observed);
	results_close(h->results);
	ns_close(h->ns);
	db_close(h->db);
	*h = (struct history){0};
}

/* --- paths --------------------------------------------------------------- */

static int note_last(void *ctx, const struct ns_interval *i)
{
	struct ns_interval *last = ctx;

	if (!last->ino || i->born >= last->born)
		*last = *i;
	return 0;
}

/* What had that name last, whether it has it now or not. */
static int last_owner(struct history *h, uint64_t dir, const char *name,
		      size_t len, uint64_t *ret)
{
	struct ns_interval last = {0};
	int rc;

	rc = ns_name_history(h->ns, dir, name, len, note_last, &last);
	if (rc < 0)
		return rc;
	if (!last.ino)
		return -ENOENT;
	*ret = last.ino;
	return 0;
}

int history_find(struct history *h, const char *rel, uint64_t *ret_dir,
		 const char **ret_name)
{
	uint64_t dir = NS_ROOT, next;
	const char *p = rel + strspn(rel, "/"), *slash;
	int rc;

	while ((slash = strchr(p, '/')) && slash[strspn(slash, "/")]) {
		size_t n = (size_t)(slash - p);

		rc = ns_lookup(h->ns, NS_NOW, dir, p, n, &next, NULL);
		if (rc == -ENOENT)
			rc = last_owner(h, dir, p, n, &next);
		if (rc < 0)
			return rc;
		dir = next;
		p = slash + strspn(slash, "/");
	}
	*ret_dir = dir;
	*ret_name = p;
	return 0;
}

/* --- events -------------------------------------------------------------- */

static struct event *new_event(struct events *e)
{
	struct event *list;
	size_t cap;

	if (e->count == e->cap) {
		cap = MAX(2 * e->cap, (size_t)16);
		list = reallocarray(e->list, cap, sizeof(*list));
		if (!list)
			return NULL;
		e->list = list;
		e->cap = cap;
	}
	memset(&e->list[e->count], 0, sizeof(*list));
	return &e->list[e->count++];
}

/* One name in one directory. */
struct gather {
	struct history *h;
	struct events *events;
	bool follow;
	struct ns_interval *intervals;
	size_t n;

	/* of the interval at hand */
	struct ns_interval interval;
	struct ns_version first; /* what it was when the name came */
	bool has_first;
	struct ns_attr before; /* of the version before */
	bool has_before;
};

static int path_at(struct history *h, uint64_t at, uint64_t ino, char **ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int rc = ns_path(h->ns, at, ino, &b);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	*ret = strdup(buf_cstr(&b) + 1);
	return *ret ? 0 : -ENOMEM;
}

static const char *what_was_set(const struct ns_attr *before,
				const struct ns_attr *a)
{
	if (before->mode != a->mode)
		return "mode";
	return before->uid != a->uid || before->gid != a->gid ? "owner"
							      : "time";
}

static int add_version(struct gather *g, const struct ns_change *c,
		       const struct ns_attr *attr)
{
	struct event *e = new_event(g->events);

	if (!e)
		return -ENOMEM;
	e->kind = EVENT_VERSION;
	e->seq = c->seq;
	e->time_ns = c->time_ns;
	e->change = *c;
	e->attr = *attr;
	if (c->op == NS_OP_SETATTR && g->has_before)
		e->set = what_was_set(&g->before, attr);
	if (c->op == NS_OP_RENAME || c->op == NS_OP_LINK)
		return path_at(g->h, c->seq - 1, attr->ino, &e->other);
	return 0;
}

/* Versions up to the moment when the name came are history of another name,
 * but for the last of them. */
static int on_version(void *ctx, const struct ns_version *v)
{
	struct gather *g = ctx;
	uint64_t died = g->interval.died;
	int rc = 0;

	if (v->change.seq <= g->interval.born) {
		g->first = *v;
		g->has_first = true;
	}
	if ((v->change.seq > g->interval.born ||
	     (g->follow && v->change.seq < g->interval.born)) &&
	    (!died || v->change.seq < died)) {
		rc = add_version(g, &v->change, &v->attr);
		if (rc == 0 && v->change.seq < g->interval.born)
			rc = path_at(
				g->h, v->change.seq, v->attr.ino,
				&g->events->list[g->events->count - 1].path);
	}
	g->before = v->attr;
	g->has_before = true;
	return rc;
}

/* --follow: when it moved before it came here. */
static int on_name(void *ctx, const struct trail *t)
{
	struct gather *g = ctx;
	struct ns_change c;
	struct ns_attr a;
	int rc;

	if (t->born >= g->interval.born)
		return 0;
	rc = ns_change(g->h->ns, t->born, &c);
	if (rc < 0 || (c.op != NS_OP_RENAME && c.op != NS_OP_LINK))
		return rc;
	rc = ns_getattr(g->h->ns, t->born, t->ino, &a);
	if (rc < 0)
		return rc;
	rc = add_version(g, &c, &a);
	if (rc == 0)
		rc = path_at(g->h, t->born, t->ino,
			     &g->events->list[g->events->count - 1].path);
	return rc;
}

static int add_gone(struct gather *g)
{
	struct ns_change c;
	struct event *e;
	int rc;

	rc = ns_change(g->h->ns, g->interval.died, &c);
	if (rc < 0)
		return rc;
	e = new_event(g->events);
	if (!e)
		return -ENOMEM;
	e->kind = EVENT_GONE;
	e->seq = c.seq;
	e->time_ns = c.time_ns;
	e->change = c;
	e->attr.ino = g->interval.ino;
	return c.op == NS_OP_RENAME
		       ? path_at(g->h, c.seq, g->interval.ino, &e->other)
		       : 0;
}

static int add_first(struct gather *g)
{
	struct ns_change c;
	int rc;

	if (!g->has_first)
		return 0;
	g->has_before = false;
	rc = ns_change(g->h->ns, g->interval.born, &c);
	return rc < 0 ? rc : add_version(g, &c, &g->first.attr);
}

static int on_interval(void *ctx, const struct ns_interval *i)
{
	struct gather *g = ctx;
	struct ns_interval *list;

	if (!(g->n & (g->n - 1))) { /* 0, 1, 2, 4, ...: full */
		list = reallocarray(g->intervals, g->n ? 2 * g->n : 1,
				    sizeof(*list));
		if (!list)
			return -ENOMEM;
		g->intervals = list;
	}
	g->intervals[g->n++] = *i;
	return 0;
}

/* Intervals of a name come in order. */
static bool is_replaced(const struct gather *g, size_t i)
{
	return i + 1 < g->n && g->intervals[i + 1].born == g->intervals[i].died;
}

static int add_interval(struct gather *g, size_t i)
{
	int rc;

	g->interval = g->intervals[i];
	g->has_first = g->has_before = false;
	rc = ns_versions(g->h->ns, g->interval.ino, on_version, g);
	if (rc >= 0)
		rc = add_first(g);
	if (rc >= 0 && g->follow)
		rc = trail_of_inode(g->h->ns, g->interval.ino, on_name, g);
	if (rc < 0 || !g->interval.died || is_replaced(g, i))
		return rc; /* replaced: that says it all */
	return add_gone(g);
}

static int on_result(void *ctx, const struct derived *d)
{
	struct event *e = new_event(ctx);

	if (!e)
		return -ENOMEM;
	e->kind = EVENT_RESULT;
	e->seq = d->seq;
	e->time_ns = d->last_ns;
	e->derived = *d;
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void events_sort(struct events *e)
{
	if (e->count)
		qsort(e->list, e->count, sizeof(*e->list), by_seq);
}

int events_of_name(struct history *h, uint64_t dir, const char *name,
		   bool follow, struct events *ret)
{
	struct gather g = {.h = h, .events = ret, .follow = follow};
	size_t i, len = strlen(name);
	int rc;

	rc = ns_name_history(h->ns, dir, name, len, on_interval, &g);
	for (i = 0; rc >= 0 && i < g.n; i++)
		rc = add_interval(&g, i);
	free(g.intervals);
	if (rc >= 0)
		rc = results_derived_history(h->results, dir, name, len,
					     on_result, ret);
	return rc;
}

/* The root has no name: its own versions. */
int events_of_root(struct history *h, struct events *ret)
{
	struct gather g = {.h = h, .events = ret};

	return ns_versions(h->ns, NS_ROOT, on_version, &g);
}

int history_events(struct history *h, uint64_t dir, const char *name,
		   struct events *ret)
{
	struct events events = {0};
	int rc = events_of_name(h, dir, name, false, &events);

	if (rc < 0) {
		events_done(&events);
		return rc;
	}
	events_sort(&events);
	*ret = events;
	return 0;
}

void events_done(struct events *e)
{
	size_t i;

	for (i = 0; i < e->count; i++) {
		free(e->list[i].path);
		free(e->list[i].other);
	}
	free(e->list);
	*e = (struct events){0};
}
