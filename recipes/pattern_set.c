#include "recipes/pattern_set.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/file.h"
#include "recipes/output_set.h"

#define REMEMBERED_MAX 100000 /* some 10 MB */

/* --- patterns of a directory ---------------------------------------------- */

struct key {
	uint64_t at, dir;
};

struct gathering {
	struct eval *ev;
	uint64_t at, dir;
	struct patterns *p;
	size_t cap;
};

static int add_pattern(struct gathering *g, const struct ns_entry *e,
		       const char *text, size_t len)
{
	struct patterns *p = g->p;
	struct pattern *v;
	size_t fixed;

	pattern_stems(text, len, &fixed);
	if (p->count == g->cap) {
		g->cap = g->cap * 2 + 4;
		p = realloc(p, sizeof(*p) + g->cap * sizeof(*p->v));
		if (!p)
			return -ENOMEM;
		g->p = p;
	}
	v = &p->v[p->count++];
	*v = (struct pattern){.ino = e->ino, .len = len, .fixed = fixed};
	memcpy(v->text, text, len);
	memcpy(v->file, e->name, e->len);
	return 0;
}

static int gather(void *ctx, const struct ns_entry *e)
{
	struct gathering *g = ctx;
	const struct asked *asked;
	struct ns_attr attr;
	size_t len, i;
	int r;

	if (!recipe_name(e->name, e->len, &len) ||
	    !pattern_stems(e->name, len, NULL))
		return 0;
	r = ns_getattr(g->ev->ns, g->at, e->ino, &attr);
	if (r < 0 || !S_ISREG(attr.mode))
		return r;
	r = outputs_remember(g->ev, g->at, g->dir, e);
	if (r >= 0)
		r = patterns_asked(g->ev, &attr, &asked);
	if (r < 0)
		return r;
	if (!asked->nouts || !asked->stems)
		return add_pattern(g, e, e->name, len);
	for (i = 0; r >= 0 && i < asked->nouts; i++)
		r = add_pattern(g, e, asked->outs[i], strlen(asked->outs[i]));
	return r;
}

static int more_fixed(const void *a, const void *b)
{
	const struct pattern *x = a, *y = b;

	if (x->fixed != y->fixed)
		return x->fixed < y->fixed ? 1 : -1;
	return strcmp(x->text, y->text) ? strcmp(x->text, y->text)
					: strcmp(x->file, y->file);
}

int patterns_of(struct eval *ev, uint64_t at, uint64_t dir,
		const struct patterns **ret)
{
	struct key key = {at, dir};
	struct gathering g = {
		.ev = ev,
		.at = at,
		.dir = dir,
		.p = map_get(ev->patterns, &key, sizeof(key)),
	};
	int r;

	if (g.p) {
		*ret = g.p;
		return 0;
	}
	g.p = calloc(1, sizeof(*g.p));
	if (!g.p)
		return -ENOMEM;
	r = ns_list_percent(ev->ns, at, dir, gather, &g);
	if (r >= 0) {
		qsort(g.p->v, g.p->count, sizeof(*g.p->v), more_fixed);
		r = map_put(ev->patterns, &key, sizeof(key), g.p, NULL);
	}
	if (r < 0) {
		free(g.p);
		return r;
	}
	*ret = g.p;
	return 0;
}

void patterns_changed(struct eval *ev, uint64_t dir)
{
	struct key key = {NS_NOW, dir};

	free(map_del(ev->patterns, &key, sizeof(key)));
}

/* --- what they ask for ---------------------------------------------------- */

static void asked_free(struct asked *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->count; i++)
		free(a->v[i].text);
	for (i = 0; i < a->nouts; i++)
		free(a->outs[i]);
	free(a->outs);
	free(a);
}
CLEANUP_FN(struct asked, asked_free)

static size_t count_paths(const struct recipe_def *d)
{
	size_t i, n = 0;

	for (i = 0; i < d->ninputs; i++)
		n += d->inputs[i].count;
	return n;
}

static int take_known(const struct recipe_def *d, struct asked *a)
{
	const struct recipe_path *p;
	struct recipe_known *k;
	size_t i, j, len;

	for (i = 0; i < d->ninputs; i++)
		for (j = 0; j < d->inputs[i].count; j++) {
			p = &d->inputs[i].paths[j];
			len = recipe_path_known(p);
			if (!len)
				continue;
			k = &a->v[a->count];
			k->text = strndup(p->text, len);
			if (!k->text)
				return -ENOMEM;
			k->len = len;
			a->count++;
		}
	return 0;
}

/* Outputs of which only some have a stem are a mistake, whatever the recipe's
 * name: it defines its own name, which says so. */
static int take_outs(const struct recipe_def *d, struct asked *a)
{
	size_t i, stems = 0;

	for (i = 0; i < d->nouts; i++)
		stems += pattern_stems(d->outs[i].file, strlen(d->outs[i].file),
				       NULL) > 0;
	if (!d->nouts || (stems && stems < d->nouts))
		return 0;
	a->stems = stems;
	a->outs = calloc(d->nouts, sizeof(*a->outs));
	if (!a->outs)
		return -ENOMEM;
	for (i = 0; i < d->nouts; i++) {
		a->outs[i] = strdup(d->outs[i].file);
		if (!a->outs[i])
			return -ENOMEM;
		a->nouts++;
	}
	return 0;
}

static int ask(struct eval *ev, const struct ns_attr *recipe,
	       struct asked **ret)
{
	CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;
	CLEANUP(asked_freep) struct asked *a = NULL;
	struct err err;
	int r = define_load(ev, recipe, &d, &err);
	size_t n = 0;

	if (r >= 0)
		n = count_paths(d);
	else if (r == -ENOMEM)
		return r;
	a = calloc(1, sizeof(*a) + n * sizeof(*a->v));
	if (!a)
		return -ENOMEM;
	if (d) {
		a->out_dir = d->out_dir;
		r = take_known(d, a);
		if (r >= 0)
			r = take_outs(d, a);
		if (r < 0)
			return r;
	}
	*ret = steal(&a);
	return 0;
}

int patterns_asked(struct eval *ev, const struct ns_attr *recipe,
		   const struct asked **ret)
{
	struct asked *a = map_get(ev->asked, &recipe->addr, ADDR_LEN);
	int r = 0;

	if (!a) {
		r = ask(ev, recipe, &a);
		if (r < 0)
			return r;
		r = map_put(ev->asked, &recipe->addr, ADDR_LEN, a, NULL);
		if (r < 0) {
			asked_free(a);
			return r;
		}
	}
	*ret = a;
	return 0;
}

int patterns_recipe(struct eval *ev, uint64_t at, uint64_t ino,
		    const struct asked **ret)
{
	struct ns_attr a;
	int r = ns_getattr(ev->ns, at, ino, &a);

	return r < 0 ? r : patterns_asked(ev, &a, ret);
}

/* --- life ------------------------------------------------------------------
 */

void patterns_forget(struct eval *ev)
{
	size_t it = 0;
	void *v;

	while (map_next(ev->patterns, &it, NULL, NULL, &v))
		free(v);
	for (it = 0; map_next(ev->asked, &it, NULL, NULL, &v);)
		asked_free(v);
	map_clear(ev->patterns);
	map_clear(ev->asked);
}

void patterns_trim(struct eval *ev)
{
	outputs_trim(ev);
	if (map_count(ev->patterns) + map_count(ev->asked) >= REMEMBERED_MAX)
		patterns_forget(ev);
}

void patterns_free(struct eval *ev)
{
	if (ev->patterns && ev->asked)
		patterns_forget(ev);
	map_free(ev->patterns);
	map_free(ev->asked);
}
