#include "cli/history.h"

#include <stdio.h>

#include "cas/layout.h"
#include "cas/store.h"
#include "cli/mountpoint.h"
#include "cli/output.h"

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

struct versions {
	struct events *events;
	struct ns_interval interval;
	struct ns_version first; /* what it was when the name came */
	bool has_first;
};

static int add_version(struct events *events, const struct ns_change *c,
		       const struct ns_attr *attr)
{
	struct event *e = new_event(events);

	if (!e)
		return -ENOMEM;
	e->kind = EVENT_VERSION;
	e->seq = c->seq;
	e->time_ns = c->time_ns;
	e->change = *c;
	e->attr = *attr;
	return 0;
}

/* Versions up to the moment when the name came are history of another name,
 * but for the last of them. */
static int on_version(void *ctx, const struct ns_version *v)
{
	struct versions *vs = ctx;

	if (v->change.seq <= vs->interval.born) {
		vs->first = *v;
		vs->has_first = true;
		return 0;
	}
	if (vs->interval.died && v->change.seq >= vs->interval.died)
		return 0;
	return add_version(vs->events, &v->change, &v->attr);
}

static int add_gone(struct history *h, struct events *events, uint64_t seq)
{
	struct ns_change c;
	struct event *e;
	int rc;

	rc = ns_change(h->ns, seq, &c);
	if (rc < 0)
		return rc;
	e = new_event(events);
	if (!e)
		return -ENOMEM;
	e->kind = EVENT_GONE;
	e->seq = seq;
	e->time_ns = c.time_ns;
	e->change = c;
	return 0;
}

static int add_first(struct history *h, struct versions *vs, size_t at)
{
	struct events *events = vs->events;
	struct ns_change c;
	struct event e;
	int rc;

	if (!vs->has_first)
		return 0;
	rc = ns_change(h->ns, vs->interval.born, &c);
	if (rc >= 0)
		rc = add_version(events, &c, &vs->first.attr);
	if (rc < 0)
		return rc;
	e = events->list[events->count - 1];
	memmove(&events->list[at + 1], &events->list[at],
		(events->count - 1 - at) * sizeof(e));
	events->list[at] = e;
	return 0;
}

struct intervals {
	struct ns_interval *list;
	size_t count;
};

static int on_interval(void *ctx, const struct ns_interval *i)
{
	struct intervals *is = ctx;
	struct ns_interval *list;

	list = reallocarray(is->list, is->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	is->list = list;
	is->list[is->count++] = *i;
	return 0;
}

static int add_interval(struct history *h, const struct intervals *is, size_t i,
			struct events *events)
{
	struct versions vs = {.events = events, .interval = is->list[i]};
	uint64_t died = vs.interval.died;
	size_t at = events->count, j;
	int rc;

	rc = ns_versions(h->ns, vs.interval.ino, on_version, &vs);
	if (rc >= 0)
		rc = add_first(h, &vs, at);
	if (rc < 0 || !died)
		return rc;
	for (j = 0; j < is->count; j++)
		if (is->list[j].born == died)
			return 0; /* replaced: that says it all */
	return add_gone(h, events, died);
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

int history_events(struct history *h, uint64_t dir, const char *name,
		   struct events *ret)
{
	struct intervals is = {0};
	struct events events = {0};
	size_t i, len = strlen(name);
	int rc;

	rc = ns_name_history(h->ns, dir, name, len, on_interval, &is);
	for (i = 0; rc >= 0 && i < is.count; i++)
		rc = add_interval(h, &is, i, &events);
	free(is.list);
	if (rc >= 0)
		rc = results_derived_history(h->results, dir, name, len,
					     on_result, &events);
	if (rc < 0) {
		events_done(&events);
		return rc;
	}
	if (events.count)
		qsort(events.list, events.count, sizeof(*events.list), by_seq);
	*ret = events;
	return 0;
}

void events_done(struct events *e)
{
	free(e->list);
	*e = (struct events){0};
}
