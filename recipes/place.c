#include "recipes/place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/define.h"
#include "recipes/output_set.h"
#include "recipes/pattern_set.h"

#define SELF "/below" /* no name of a file, as of resolve_dir.c */

struct places {
	struct map *map;  /* directory -> place */
	uint64_t bytes;	  /* raised when bytes may have gone */
	uint64_t version; /* of the data, when that was asked */
};

int places_new(struct places **ret)
{
	struct places *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->map = map_new();
	if (!p->map) {
		free(p);
		return -ENOMEM;
	}
	p->bytes = 1;
	*ret = p;
	return 0;
}

void places_free(struct places *ps)
{
	struct place *p;
	size_t it = 0;
	void *v;

	if (!ps)
		return;
	while (map_next(ps->map, &it, NULL, NULL, &v)) {
		p = v;
		free(p->names);
		free(p->open);
		free(p->below);
		buf_done(&p->blocked);
		free(p);
	}
	map_free(ps->map);
	free(ps);
}

struct place *place_get(struct eval *ev, uint64_t dir)
{
	struct map *map = ev->places->map;
	struct place *p = map_get_u64(map, dir);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->dir = dir;
	p->self = target_get(ev, NS_NOW, dir, SELF, strlen(SELF), true);
	if (!p->self || map_put_u64(map, dir, p) < 0) {
		free(p);
		return NULL;
	}
	p->self->place = p;
	return p;
}

/* --- news ------------------------------------------------------------------
 */

/* What is above a place that is not clean is not clean, either. */
static void soil(struct place *p)
{
	for (; p && p->clean; p = p->up)
		p->clean = false;
}

/* `open` has room for all names. */
static void open_name(struct place *p, struct target *t)
{
	if (t->open_at)
		return;
	p->open[p->nopen++] = t;
	t->open_at = p->nopen;
}

void place_close(struct target *t)
{
	struct place *p = t->place;
	struct target *last;

	if (!p || !t->open_at)
		return;
	last = p->open[--p->nopen];
	p->open[t->open_at - 1] = last;
	last->open_at = t->open_at;
	t->open_at = 0;
}

void place_news(struct target *t)
{
	struct place *p = t->place;

	if (!p)
		return;
	if (t == p->self)
		p->listed = false;
	else
		open_name(p, t);
	soil(p);
}

void places_bytes_gone(struct eval *ev)
{
	ev->places->bytes++;
}

void places_ask(struct eval *ev)
{
	struct places *ps = ev->places;
	uint64_t version;

	if (db_data_version(ev->db, &version) >= 0 && version == ps->version)
		return;
	ps->version = version;
	ps->bytes++;
}

bool place_holds(const struct target *t)
{
	return t->known && t->fresh && !t->shaky && !t->value.error &&
	       (!t->dropped || t->drop_closed);
}

/* --- the list --------------------------------------------------------------
 */

struct lister {
	struct eval *ev;
	struct place *p;
	struct target **names;
	size_t nnames, cap_names;
	struct place **below;
	size_t nbelow, cap_below;
	struct buf blocked;
};

static void lister_done(struct lister *l)
{
	free(l->names);
	free(l->below);
	buf_done(&l->blocked);
}

static int grow(void *list, size_t count, size_t *cap)
{
	void **p = list, *more;
	size_t n = MAX(2 * *cap, (size_t)16);

	if (count < *cap)
		return 0;
	more = reallocarray(*p, n, sizeof(void *));
	if (!more)
		return -ENOMEM;
	*p = more;
	*cap = n;
	return 0;
}

static int list_name(void *ctx, const char *name, size_t len, bool dir)
{
	struct lister *l = ctx;
	struct target *t =
		target_get(l->ev, NS_NOW, l->p->dir, name, len, true);

	(void)dir;
	if (!t || grow(&l->names, l->nnames, &l->cap_names) < 0)
		return -ENOMEM;
	l->names[l->nnames++] = t;
	return 0;
}

static int list_dir(void *ctx, const struct ns_entry *e)
{
	struct lister *l = ctx;
	struct place *below;

	if (!S_ISDIR(e->mode))
		return 0;
	below = place_get(l->ev, e->ino);
	if (!below || grow(&l->below, l->nbelow, &l->cap_below) < 0)
		return -ENOMEM;
	l->below[l->nbelow++] = below;
	return 0;
}

static void list_blocked(void *ctx, uint64_t dir, const char *file)
{
	struct lister *l = ctx;
	const char *p = buf_cstr(&l->blocked), *end = p + l->blocked.len;

	if (dir != l->p->dir)
		return;
	for (; p < end; p += strlen(p) + 1)
		if (!strcmp(p, file))
			return; /* for another of its outputs */
	buf_add(&l->blocked, file, strlen(file) + 1);
}

/* Takes the new list. */
static int take(struct place *p, struct lister *l)
{
	struct target **open = calloc(l->nnames + 1, sizeof(*open)), *t;
	size_t i;

	if (!open)
		return -ENOMEM;
	for (i = 0; i < p->nnames; i++) {
		p->names[i]->place = NULL;
		p->names[i]->open_at = 0;
	}
	for (i = 0; i < p->nbelow; i++)
		if (p->below[i]->up == p)
			p->below[i]->up = NULL;
	free(p->names);
	free(p->below);
	free(p->open);
	buf_done(&p->blocked);
	p->names = steal(&l->names);
	p->nnames = l->nnames;
	p->below = steal(&l->below);
	p->nbelow = l->nbelow;
	p->blocked = l->blocked;
	l->blocked = (struct buf)BUF_INIT;
	p->open = open;
	p->nopen = 0;
	for (i = 0; i < p->nnames; i++) {
		t = p->names[i];
		t->place = p;
		if (!place_holds(t))
			open_name(p, t);
	}
	for (i = 0; i < p->nbelow; i++)
		p->below[i]->up = p;
	return 0;
}

static int list(struct eval *ev, struct place *p)
{
	CLEANUP(lister_done) struct lister l = {.ev = ev, .p = p};
	struct finder f = {
		.ev = ev,
		.watcher = p->self,
		.at = NS_NOW,
		.blocked = list_blocked,
		.blocked_ctx = &l,
	};
	const struct maker *m;
	int r;

	soil(p);
	watch_drop(ev, p->self);
	p->self->changed = false;
	patterns_trim(ev);
	outputs_trim(ev);
	/* from then on its recipes are followed one by one */
	r = outputs_find(ev, NS_NOW, p->dir, SELF, strlen(SELF), &m);
	if (r >= 0)
		r = define_list(&f, p->dir, NULL, NULL, 0, list_name, &l);
	if (r >= 0)
		r = ns_list(ev->ns, NS_NOW, p->dir, "", 0, list_dir, &l);
	if (r >= 0)
		r = buf_err(&l.blocked);
	if (r >= 0)
		r = take(p, &l);
	if (r < 0)
		return r;
	p->self->fresh = true;
	p->listed = true;
	p->looked = 0;
	return 0;
}

static void look_for_bytes(struct eval *ev, struct place *p)
{
	struct target *t;
	size_t i;

	for (i = 0; i < p->nnames; i++) {
		t = p->names[i];
		if (t->open_at)
			continue;
		target_look_dropped(ev, t);
		if (!place_holds(t)) {
			open_name(p, t);
			soil(p);
		}
	}
	p->looked = ev->places->bytes;
}

int place_look(struct eval *ev, struct place *p)
{
	int r = p->listed ? 0 : list(ev, p);

	if (r >= 0 && p->looked != ev->places->bytes)
		look_for_bytes(ev, p);
	return r;
}

bool place_is_clean(struct eval *ev, const struct place *p)
{
	return p->clean && p->looked == ev->places->bytes;
}

void place_sum(struct eval *ev, struct place *p)
{
	uint64_t total = p->nnames;
	size_t i;

	if (!p->listed || p->nopen || p->blocked.len ||
	    p->looked != ev->places->bytes)
		return;
	for (i = 0; i < p->nbelow; i++) {
		if (p->below[i]->up != p || !place_is_clean(ev, p->below[i]))
			return;
		total += p->below[i]->total;
	}
	p->total = total;
	p->clean = true;
}
