#include "recipes/output_set.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/pattern.h"
#include "recipes/pattern_set.h"

#define SETS_MAX  100000  /* directories */
#define HOMES_MAX 1000000 /* recipe files, some 100 MB */

/* A recipe file with its outputs, each of which is in the list of its name. */
struct several {
	size_t count;
	struct made {
		struct maker maker;
		char *name;
	} * v;
	char file[]; /* NUL-terminated */
};

struct output_set {
	struct map *by_name; /* to the first struct maker */
	struct map *by_file; /* to struct several */
};

/* Where a recipe file lies. */
struct home {
	struct home *next; /* of the same inode */
	uint64_t dir;
	struct addr addr; /* the content that is known */
	size_t len;
	char file[]; /* NUL-terminated */
};

static struct output_set nothing; /* a directory without such recipes */

struct key {
	uint64_t at, dir;
};

/* --- one recipe ----------------------------------------------------------- */

static void several_free(struct several *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->count; i++)
		free(s->v[i].name);
	free(s->v);
	free(s);
}
CLEANUP_FN(struct several, several_free)

static struct several *several_new(const struct ns_attr *recipe,
				   const char *file, size_t len,
				   const struct asked *asked)
{
	struct several *s = calloc(1, sizeof(*s) + len + 1);
	size_t i;

	if (!s)
		return NULL;
	memcpy(s->file, file, len);
	s->v = calloc(asked->nouts, sizeof(*s->v));
	for (i = 0; s->v && i < asked->nouts; i++) {
		CLEANUP_BUF struct buf name = BUF_INIT;

		pattern_fill(asked->outs[i], strlen(asked->outs[i]), "", 0,
			     false, &name);
		s->v[i].maker = (struct maker){recipe->ino, s->file, NULL};
		s->v[i].name =
			buf_err(&name) < 0 ? NULL : strdup(buf_cstr(&name));
		if (!s->v[i].name)
			break;
		s->count++;
	}
	if (s->count == asked->nouts)
		return s;
	several_free(s);
	return NULL;
}

/* The list of a name stays in the order of the files' names. */
static int list_in(struct output_set *set, struct made *m)
{
	size_t len = strlen(m->name);
	struct maker *first = map_get(set->by_name, m->name, len), *before;

	if (!first || strcmp(m->maker.file, first->file) < 0) {
		m->maker.next = first;
		return map_put(set->by_name, m->name, len, &m->maker, NULL);
	}
	for (before = first;
	     before->next && strcmp(before->next->file, m->maker.file) < 0;
	     before = (struct maker *)(uintptr_t)before->next)
		;
	m->maker.next = before->next;
	before->next = &m->maker;
	return 0;
}

static void list_out(struct output_set *set, struct made *m)
{
	size_t len = strlen(m->name);
	struct maker *at = map_get(set->by_name, m->name, len);

	if (at == &m->maker) {
		map_del(set->by_name, m->name, len);
		/* the room is there: one key has just gone */
		if (at->next && map_put(set->by_name, m->name, len,
					(void *)(uintptr_t)at->next, NULL) < 0)
			log_error("%s: its recipe is forgotten: %s", m->name,
				  err_name(-ENOMEM));
		return;
	}
	while (at && at->next != &m->maker)
		at = (struct maker *)(uintptr_t)at->next;
	if (at)
		at->next = m->maker.next;
}

static int put_in(struct output_set *set, struct several *s)
{
	size_t i = 0;
	int r = map_put(set->by_file, s->file, strlen(s->file), s, NULL);

	while (r >= 0 && i < s->count)
		r = list_in(set, &s->v[i++]);
	return r;
}

static struct several *take_out(struct output_set *set, const char *file,
				size_t len)
{
	struct several *s = map_get(set->by_file, file, len);
	size_t i;

	if (!s)
		return NULL;
	for (i = 0; i < s->count; i++)
		list_out(set, &s->v[i]);
	map_del(set->by_file, file, len);
	return s;
}

/* --- a directory's -------------------------------------------------------- */

static void set_free(struct output_set *set)
{
	size_t it = 0;
	void *v;

	if (!set || set == &nothing)
		return;
	while (set->by_file && map_next(set->by_file, &it, NULL, NULL, &v))
		several_free(v);
	map_free(set->by_file);
	map_free(set->by_name);
	free(set);
}

static struct output_set *set_new(void)
{
	struct output_set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	set->by_file = map_new();
	set->by_name = map_new();
	if (set->by_file && set->by_name)
		return set;
	set_free(set);
	return NULL;
}

/* What a recipe file lists; *ret NULL: nothing, or nothing that a name without
 * a stem can list. */
static int read_recipe(struct eval *ev, const struct ns_attr *recipe,
		       const char *file, size_t len, struct several **ret)
{
	const struct asked *asked;
	int r = patterns_asked(ev, recipe, &asked);

	*ret = NULL;
	if (r < 0 || !asked->nouts || asked->stems)
		return r;
	*ret = several_new(recipe, file, len, asked);
	return *ret ? 0 : -ENOMEM;
}

static int remember(struct eval *ev, uint64_t dir, const char *file, size_t len,
		    const struct ns_attr *recipe)
{
	struct home *first = map_get_u64(ev->homes, recipe->ino), *h;
	int r;

	for (h = first; h; h = h->next)
		if (h->dir == dir && h->len == len &&
		    !memcmp(h->file, file, len)) {
			h->addr = recipe->addr;
			return 0;
		}
	h = calloc(1, sizeof(*h) + len + 1);
	if (!h)
		return -ENOMEM;
	h->dir = dir;
	h->addr = recipe->addr;
	h->len = len;
	memcpy(h->file, file, len);
	h->next = first;
	r = map_put_u64(ev->homes, recipe->ino, h);
	if (r < 0)
		free(h);
	return r;
}

struct gathering {
	struct eval *ev;
	struct key key;
	struct output_set *set; /* NULL: nothing yet */
};

static int gather(void *ctx, const struct ns_entry *e)
{
	CLEANUP(several_freep) struct several *s = NULL;
	struct gathering *g = ctx;
	struct ns_attr attr;
	size_t len;
	int r;

	if (!recipe_name(e->name, e->len, &len) ||
	    pattern_stems(e->name, len, NULL))
		return 0;
	r = ns_getattr(g->ev->ns, g->key.at, e->ino, &attr);
	if (r < 0 || !S_ISREG(attr.mode))
		return r;
	if (g->key.at == NS_NOW)
		r = remember(g->ev, g->key.dir, e->name, e->len, &attr);
	if (r >= 0)
		r = read_recipe(g->ev, &attr, e->name, e->len, &s);
	if (r < 0 || !s)
		return r;
	if (!g->set)
		g->set = set_new();
	return g->set ? put_in(g->set, steal(&s)) : -ENOMEM;
}

static int set_of(struct eval *ev, uint64_t at, uint64_t dir,
		  struct output_set **ret)
{
	struct gathering g = {.ev = ev, .key = {at, dir}};
	int r;

	*ret = map_get(ev->outputs, &g.key, sizeof(g.key));
	if (*ret)
		return 0;
	r = ns_list_recipes(ev->ns, at, dir, gather, &g);
	if (r >= 0)
		r = map_put(ev->outputs, &g.key, sizeof(g.key),
			    g.set ? g.set : &nothing, NULL);
	if (r < 0) {
		set_free(g.set);
		return r;
	}
	*ret = g.set ? g.set : &nothing;
	return 0;
}

int outputs_find(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len, const struct maker **ret)
{
	struct output_set *set;
	int r = set_of(ev, at, dir, &set);

	if (r >= 0)
		*ret = set->by_name ? map_get(set->by_name, name, len) : NULL;
	return r;
}

int outputs_remember(struct eval *ev, uint64_t at, uint64_t dir,
		     const struct ns_entry *e)
{
	struct ns_attr attr;
	int r;

	if (at != NS_NOW)
		return 0;
	r = ns_getattr(ev->ns, at, e->ino, &attr);
	return r < 0 ? r : remember(ev, dir, e->name, e->len, &attr);
}

/* --- news ----------------------------------------------------------------- */

/* The recipe file as it is now; *ret NULL: it is none, or lists nothing. */
static int look(struct eval *ev, uint64_t dir, const char *file, size_t len,
		struct several **ret)
{
	struct ns_attr attr;
	uint64_t ino;
	int r = ns_lookup(ev->ns, NS_NOW, dir, file, len, &ino, NULL);

	*ret = NULL;
	if (r >= 0)
		r = ns_getattr(ev->ns, NS_NOW, ino, &attr);
	if (r < 0 || !S_ISREG(attr.mode))
		return r == -ENOENT ? 0 : r;
	r = remember(ev, dir, file, len, &attr);
	return r < 0 ? r : read_recipe(ev, &attr, file, len, ret);
}

static void tell(struct eval *ev, uint64_t dir, const struct several *s,
		 outputs_fn fn)
{
	CLEANUP_BUF struct buf own = BUF_INIT;
	size_t i, len;

	if (!s)
		return;
	for (i = 0; i < s->count; i++)
		fn(ev, dir, s->v[i].name, strlen(s->v[i].name));
	/* which it does not define, or did not */
	if (recipe_name(s->file, strlen(s->file), &len)) {
		pattern_fill(s->file, len, "", 0, false, &own);
		fn(ev, dir, buf_cstr(&own), own.len);
	}
}

/* What cannot be looked at is looked at anew by whoever asks next. */
static void forget_set(struct eval *ev, uint64_t dir)
{
	struct key key = {NS_NOW, dir};

	set_free(map_del(ev->outputs, &key, sizeof(key)));
}

void outputs_name_changed(struct eval *ev, uint64_t dir, const char *file,
			  size_t len, outputs_fn fn)
{
	CLEANUP(several_freep) struct several *old = NULL;
	struct key key = {NS_NOW, dir};
	struct output_set *set = map_get(ev->outputs, &key, sizeof(key));
	struct several *now;
	int r;

	if (!set)
		return; /* nobody has asked */
	if (set->by_file)
		old = take_out(set, file, len);
	r = look(ev, dir, file, len, &now);
	if (r >= 0 && now && set == &nothing) {
		set = set_new();
		r = set ? map_put(ev->outputs, &key, sizeof(key), set, NULL)
			: -ENOMEM;
		if (r < 0) {
			set_free(set);
			several_free(now);
		}
	}
	if (r >= 0 && now)
		r = put_in(set, now);
	if (r < 0) {
		log_error("recipe %.*s cannot be looked at: %s", (int)len, file,
			  err_name(r));
		tell(ev, dir, old, fn);
		forget_set(ev, dir);
		return;
	}
	tell(ev, dir, old, fn);
	tell(ev, dir, now, fn);
}

static bool lists_stems(struct eval *ev, const struct ns_attr *recipe)
{
	const struct asked *asked;

	return patterns_asked(ev, recipe, &asked) >= 0 && asked->nouts;
}

static void home_changed(struct eval *ev, const struct home *h, uint64_t ino,
			 const struct addr *before, outputs_fn fn)
{
	struct ns_attr attr, old = {.addr = *before};
	size_t len;

	if (!recipe_name(h->file, h->len, &len) ||
	    ns_getattr(ev->ns, NS_NOW, ino, &attr) < 0)
		return;
	if (!pattern_stems(h->file, len, NULL)) {
		outputs_name_changed(ev, h->dir, h->file, h->len, fn);
		return;
	}
	old.size = 0; /* known by its address, or not worth a look */
	if (!map_get(ev->asked, before, ADDR_LEN) || lists_stems(ev, &old) ||
	    lists_stems(ev, &attr)) {
		patterns_changed(ev, h->dir);
		watch_fire_patterns(ev, h->dir);
	}
}

void outputs_inode_changed(struct eval *ev, uint64_t ino, outputs_fn fn)
{
	struct home *h =
		map_count(ev->homes) ? map_get_u64(ev->homes, ino) : NULL;
	struct ns_attr attr;
	struct addr before;
	uint64_t there;

	if (!h || ns_getattr(ev->ns, NS_NOW, ino, &attr) < 0)
		return;
	for (; h; h = h->next) {
		if (addr_eq(&h->addr, &attr.addr) ||
		    ns_lookup(ev->ns, NS_NOW, h->dir, h->file, h->len, &there,
			      NULL) < 0 ||
		    there != ino)
			continue;
		before = h->addr;
		h->addr = attr.addr;
		home_changed(ev, h, ino, &before, fn);
	}
}

/* --- life ----------------------------------------------------------------- */

void outputs_forget(struct eval *ev)
{
	struct home *h, *next;
	size_t it = 0;
	void *v;

	while (map_next(ev->outputs, &it, NULL, NULL, &v))
		set_free(v);
	map_clear(ev->outputs);
	for (it = 0; map_next(ev->homes, &it, NULL, NULL, &v);)
		for (h = v; h; h = next) {
			next = h->next;
			free(h);
		}
	map_clear(ev->homes);
}

void outputs_trim(struct eval *ev)
{
	if (map_count(ev->outputs) < SETS_MAX &&
	    map_count(ev->homes) < HOMES_MAX)
		return;
	outputs_forget(ev);
	patterns_forget(ev); /* which hear of changes through homes */
	watch_fire_all(ev);
}

void outputs_free(struct eval *ev)
{
	if (ev->outputs && ev->homes)
		outputs_forget(ev);
	map_free(ev->outputs);
	map_free(ev->homes);
}
