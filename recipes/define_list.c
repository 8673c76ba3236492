/* Listing what recipes define in a directory.
 *
 * A pattern's names follow from the stems of its first input: the names in one
 * directory that fit one component of that input's path, sources and (for the
 * last component) derived names, which are listed in the same way. Only
 * patterns that can make such names are looked into for that.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/file.h"
#include "recipes/pattern_set.h"
#include "recipes/walk.h"

#define LISTINGS_MAX 1000 /* listings within one listing */

struct lister {
	struct finder *f;
	uint64_t dir;
	const struct chain *chain;
	const char *fits;
	size_t fits_len;
	struct names names;
	struct map *seen; /* NULL until a pattern adds a name */
};

static bool wanted_name(const struct lister *l, const char *name, size_t len)
{
	const char *stem;
	size_t n;

	return !l->fits ||
	       pattern_match(l->fits, l->fits_len, name, len, &stem, &n);
}

static void lister_done(struct lister *l)
{
	names_done(&l->names);
	map_free(l->seen);
}

/* --- explicit recipes -------------------------------------------------------
 */

/* A name as a plain recipe writes it: `%%` is `%`. */
static int list_name(struct lister *l, const char *file, const char *text,
		     size_t len, bool dir)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	const struct buf none = BUF_INIT;
	uint64_t ino;
	int r;

	pattern_fill(text, len, "", 0, false, &name);
	if (buf_err(&name) < 0)
		return -ENOMEM;
	if (!wanted_name(l, buf_cstr(&name), name.len) ||
	    (l->dir == NS_ROOT && !strcmp(buf_cstr(&name), ".deriva")))
		return 0;
	r = ns_lookup(l->f->ev->ns, l->f->at, l->dir, buf_cstr(&name), name.len,
		      &ino, NULL);
	if (r >= 0 && l->f->blocked)
		l->f->blocked(l->f->blocked_ctx, l->dir, file);
	if (r != -ENOENT)
		return MIN(r, 0);
	r = names_add(&l->names, &none, buf_cstr(&name), name.len);
	if (r >= 0)
		l->names.v[l->names.count - 1].dir = dir;
	return r;
}

static int list_explicit(void *ctx, const struct ns_entry *e)
{
	struct lister *l = ctx;
	const struct asked *asked;
	size_t len, i;
	int r;

	if (!S_ISREG(e->mode) || !recipe_name(e->name, e->len, &len) ||
	    pattern_stems(e->name, len, NULL))
		return 0;
	r = patterns_recipe(l->f->ev, l->f->at, e->ino, &asked);
	if (r < 0)
		return r;
	if (!asked->nouts || asked->stems)
		return list_name(l, e->name, e->name, len, asked->out_dir);
	for (i = 0; r >= 0 && i < asked->nouts; i++)
		r = list_name(l, e->name, asked->outs[i],
			      strlen(asked->outs[i]), false);
	return r;
}

/* --- stems ------------------------------------------------------------------
 */

/* Where the stems of a path lie: a directory, and a component of the path. */
struct place {
	uint64_t dir;
	const char *text; /* of the component, as it is written */
	size_t len;
	bool last;
};

/* 1, or 0 when there is no such directory. */
static int find_place(struct walk *w, const struct recipe_known *k,
		      struct place *ret)
{
	CLEANUP_BUF struct buf before = BUF_INIT, plain = BUF_INIT;
	const char *p = k->text, *slash;
	struct found found;
	unsigned up;
	int r;

	slash = strchrnul(p, '/');
	while (!pattern_stems(p, (size_t)(slash - p), NULL)) {
		p = slash + 1;
		slash = strchrnul(p, '/');
	}
	pattern_fill(k->text, (size_t)(p - k->text), "", 0, false, &before);
	if (buf_err(&before) < 0)
		return -ENOMEM;
	r = plain_path(buf_cstr(&before), &plain, &up);
	if (r >= 0)
		r = walk_start(w, buf_cstr(&before), up, &ret->dir);
	if (r >= 0)
		r = walk_follow(w, ret->dir, buf_cstr(&plain), plain.len,
				&found);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || found.derived || !S_ISDIR(found.attr.mode))
		return 0;
	r = watch_inode(w->ev, w->t, found.attr.ino);
	if (r < 0 || !walk_may(w, &found.attr, 5))
		return r;
	ret->dir = found.attr.ino;
	ret->text = p;
	ret->len = (size_t)(slash - p);
	ret->last = !*slash;
	return 1;
}

/* Stems, sorted later; and whether each is known to count already. */
struct stems {
	const struct place *place;
	struct names sure, maybe;
};

static void stems_done(struct stems *s)
{
	names_done(&s->sure);
	names_done(&s->maybe);
}

static int stem_of(struct stems *s, const char *name, size_t len, bool sure)
{
	const struct buf none = BUF_INIT;
	const char *stem;
	size_t n;

	if (!pattern_match(s->place->text, s->place->len, name, len, &stem, &n))
		return 0;
	return names_add(sure ? &s->sure : &s->maybe, &none, stem, n);
}

static int stem_of_source(void *ctx, const struct ns_entry *e)
{
	struct stems *s = ctx;

	if (!s->place->last && !S_ISDIR(e->mode) && !S_ISLNK(e->mode))
		return 0;
	return stem_of(s, e->name, e->len, s->place->last && !S_ISLNK(e->mode));
}

static int stem_of_derived(void *ctx, const char *name, size_t len, bool dir)
{
	(void)dir;
	return stem_of(ctx, name, len, true);
}

static int list_stems(struct lister *l, struct walk *w, struct stems *s)
{
	const struct place *p = s->place;
	int r = watch_listing(l->f->ev, l->f->watcher, p->dir);

	if (r >= 0)
		r = ns_list(l->f->ev->ns, l->f->at, p->dir, "", 0,
			    stem_of_source, s);
	if (r < 0 || !p->last)
		return r;
	if (++l->f->steps > LISTINGS_MAX) {
		log_warn("patterns: too many of them need each other; some "
			 "names are not listed");
		return 0;
	}
	return define_list(l->f, p->dir, w->chain, p->text, p->len,
			   stem_of_derived, s);
}

/* --- names of a pattern ------------------------------------------------------
 */

static int add_name(struct lister *l, const struct pattern *p,
		    const struct asked *asked, const struct name *stem)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	const struct buf none = BUF_INIT;
	const char *s;
	uint64_t ino;
	size_t n;
	int r;

	pattern_fill(p->text, p->len, stem->text, stem->len, false, &name);
	if (buf_err(&name) < 0)
		return -ENOMEM;
	/* it may be too long, or begin with the stem and a dot */
	if (name.len > NS_NAME_MAX ||
	    recipe_name(buf_cstr(&name), name.len, &n) ||
	    !pattern_match(p->text, p->len, buf_cstr(&name), name.len, &s,
			   &n) ||
	    !wanted_name(l, buf_cstr(&name), name.len) ||
	    map_get(l->seen, name.data, name.len) ||
	    (l->dir == NS_ROOT && !strcmp(buf_cstr(&name), ".deriva")))
		return 0;
	r = ns_lookup(l->f->ev->ns, l->f->at, l->dir, buf_cstr(&name), name.len,
		      &ino, NULL);
	if (r != -ENOENT)
		return MIN(r, 0); /* a source wins */
	r = map_put(l->seen, name.data, name.len, l, NULL);
	if (r >= 0)
		r = names_add(&l->names, &none, buf_cstr(&name), name.len);
	if (r >= 0)
		l->names.v[l->names.count - 1].dir = asked->out_dir;
	return r;
}

static int add_stems(struct lister *l, const struct pattern *p,
		     const struct ns_attr *recipe, const struct asked *asked,
		     const struct stems *s)
{
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < s->sure.count; i++) {
		if (asked->count > 1)
			r = define_applies(l->f, l->dir, recipe, asked,
					   s->sure.v[i].text, s->sure.v[i].len,
					   l->chain);
		if (r > 0 || (r == 0 && asked->count == 1))
			r = add_name(l, p, asked, &s->sure.v[i]);
	}
	for (i = 0; r >= 0 && i < s->maybe.count; i++) {
		r = define_applies(l->f, l->dir, recipe, asked,
				   s->maybe.v[i].text, s->maybe.v[i].len,
				   l->chain);
		if (r > 0)
			r = add_name(l, p, asked, &s->maybe.v[i]);
	}
	return MIN(r, 0);
}

static int list_pattern(struct lister *l, const struct pattern *p)
{
	CLEANUP(stems_done) struct stems stems = {0};
	struct chain chain = {p->ino, l->chain};
	const struct asked *asked;
	struct ns_attr recipe;
	struct place place;
	struct walk w = {
		.ev = l->f->ev,
		.t = l->f->watcher,
		.at = l->f->at,
		.dir = l->dir,
		.owner = &recipe,
		.finder = l->f,
		.chain = &chain,
		.ngroups = -1,
	};
	int r;

	if (define_in_chain(l->chain, p->ino) ||
	    (l->fits && !pattern_meet(p->text, p->len, l->fits, l->fits_len)))
		return 0;
	r = watch_inode(l->f->ev, l->f->watcher, p->ino);
	if (r >= 0)
		r = ns_getattr(l->f->ev->ns, l->f->at, p->ino, &recipe);
	if (r < 0 || !S_ISREG(recipe.mode))
		return MIN(r, 0);
	r = patterns_asked(l->f->ev, &recipe, &asked);
	if (r < 0 || !asked->count)
		return r;
	r = find_place(&w, &asked->v[0], &place);
	stems.place = &place;
	if (r > 0)
		r = list_stems(l, &w, &stems);
	walk_done(&w);
	return r < 0 ? r : add_stems(l, p, &recipe, asked, &stems);
}

/* --- all
 * ---------------------------------------------------------------------- */

static int list_patterns(struct lister *l)
{
	const struct patterns *p;
	const struct name *n;
	size_t i;
	int r = watch_patterns(l->f->ev, l->f->watcher, l->dir);

	if (r >= 0)
		r = patterns_of(l->f->ev, l->f->at, l->dir, &p);
	if (r < 0 || !p->count)
		return r;
	l->seen = map_new();
	if (!l->seen)
		return -ENOMEM;
	for (i = 0; r >= 0 && i < l->names.count; i++) {
		n = &l->names.v[i];
		r = map_put(l->seen, n->text, n->len, l, NULL);
	}
	for (i = 0; r >= 0 && i < p->count; i++)
		r = list_pattern(l, &p->v[i]);
	return r;
}

static bool same_name(const struct name *a, const struct name *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

int define_list(struct finder *f, uint64_t dir, const struct chain *chain,
		const char *fits, size_t fits_len,
		int (*fn)(void *ctx, const char *name, size_t len, bool is_dir),
		void *ctx)
{
	CLEANUP(lister_done)
	struct lister l = {.f = f,
			   .dir = dir,
			   .chain = chain,
			   .fits = fits,
			   .fits_len = fits_len};
	size_t i;
	int r = watch_listing(f->ev, f->watcher, dir);

	if (r >= 0)
		r = ns_list(f->ev->ns, f->at, dir, "", 0, list_explicit, &l);
	if (r >= 0)
		r = list_patterns(&l);
	if (r < 0)
		return r;
	names_sort(&l.names);
	/* two recipes may make the same name, by mistake */
	for (i = 0; r == 0 && i < l.names.count; i++)
		if (!i || !same_name(&l.names.v[i - 1], &l.names.v[i]))
			r = fn(ctx, l.names.v[i].text, l.names.v[i].len,
			       l.names.v[i].dir);
	return r;
}
