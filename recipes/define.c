/* Which names are derived: recipe files and what they define. */
#include "recipes/define.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "recipes/file.h"
#include "recipes/output_set.h"
#include "recipes/pattern_set.h"
#include "recipes/walk.h"

#define STEPS_MAX 10000 /* chains of patterns looked into for one name */

/* --- recipe files --------------------------------------------------------- */

/* A recipe file of that name, that is a regular file. */
static int find_file(struct finder *f, uint64_t dir, const char *name,
		     size_t len, struct ns_attr *ret)
{
	struct ns_attr attr;
	uint64_t ino;
	int r = ns_lookup(f->ev->ns, f->at, dir, name, len, &ino, NULL);

	if (r >= 0)
		r = ns_getattr(f->ev->ns, f->at, ino, &attr);
	if (r < 0)
		return r;
	if (!S_ISREG(attr.mode))
		return -ENOENT;
	*ret = attr;
	return 0;
}

static int find_explicit(struct finder *f, uint64_t dir, const char *name,
			 size_t len, struct defined *ret)
{
	CLEANUP_BUF struct buf file = BUF_INIT;
	const struct asked *asked;
	int r;

	pattern_quote(name, len, &file);
	buf_str(&file, RECIPE_SUFFIX);
	if (buf_err(&file) < 0)
		return -ENOMEM;
	if (file.len > NS_NAME_MAX)
		return -ENOENT;
	r = watch_name(f->ev, f->watcher, dir, buf_cstr(&file), file.len);
	if (r >= 0)
		r = find_file(f, dir, buf_cstr(&file), file.len, &ret->recipe);
	if (r >= 0)
		r = watch_inode(f->ev, f->watcher, ret->recipe.ino);
	if (r >= 0)
		r = patterns_asked(f->ev, &ret->recipe, &asked);
	if (r < 0)
		return r;
	if (asked->nouts && !asked->stems)
		return -ENOENT; /* it makes other names */
	memcpy(ret->file, buf_cstr(&file), file.len + 1);
	return 0;
}

/* found: there is an explicit recipe for that name. */
static int find_output(struct finder *f, uint64_t dir, const char *name,
		       size_t len, bool found, struct defined *ret)
{
	const struct maker *m, *of;
	int r = outputs_find(f->ev, f->at, dir, name, len, &m);

	if (r < 0 || !m)
		return r < 0 ? r : -ENOENT;
	for (of = m; r >= 0 && of; of = of->next) {
		r = watch_name(f->ev, f->watcher, dir, of->file,
			       strlen(of->file));
		if (r >= 0)
			r = watch_inode(f->ev, f->watcher, of->ino);
	}
	if (r < 0)
		return r;
	if (found) {
		strcpy(ret->rival, m->file);
		return 0;
	}
	strcpy(ret->file, m->file);
	if (m->next)
		strcpy(ret->rival, m->next->file);
	return ns_getattr(f->ev->ns, f->at, m->ino, &ret->recipe);
}

static int find_plain(struct finder *f, uint64_t dir, const char *name,
		      size_t len, struct defined *ret)
{
	size_t n;
	int r;

	ret->stem_len = 0;
	ret->rival[0] = '\0';
	r = find_explicit(f, dir, name, len, ret);
	if ((r < 0 && r != -ENOENT) || recipe_name(name, len, &n))
		return r;
	n = r == -ENOENT;
	r = find_output(f, dir, name, len, !n, ret);
	return r == -ENOENT && !n ? 0 : r;
}

/* --- patterns --------------------------------------------------------------
 */

bool define_in_chain(const struct chain *c, uint64_t ino)
{
	for (; c; c = c->up)
		if (c->ino == ino)
			return true;
	return false;
}

/* Whether one path is there once the stem is put in. */
static int path_there(struct walk *w, const struct recipe_known *k,
		      const char *stem, size_t len)
{
	CLEANUP_BUF struct buf text = BUF_INIT, plain = BUF_INIT;
	struct found found;
	unsigned up;
	uint64_t dir;
	int r;

	pattern_fill(k->text, k->len, stem, len, false, &text);
	if (buf_err(&text) < 0)
		return -ENOMEM;
	r = plain_path(buf_cstr(&text), &plain, &up);
	if (r >= 0)
		r = walk_start(w, buf_cstr(&text), up, &dir);
	if (r >= 0)
		r = walk_follow(w, dir, buf_cstr(&plain), plain.len, &found);
	switch (r) {
	case -ENOENT:
	case -ENOTDIR:
	case -EACCES:
	case -ELOOP:
	case -EXDEV:
	case -ENAMETOOLONG:
	case -EINPROGRESS:
		return 0;
	}
	return r < 0 ? r : 1;
}

int define_applies(struct finder *f, uint64_t dir, const struct ns_attr *recipe,
		   const struct asked *asked, const char *stem, size_t len,
		   const struct chain *chain)
{
	struct chain next = {recipe->ino, chain};
	struct walk w = {
		.ev = f->ev,
		.t = f->watcher,
		.at = f->at,
		.dir = dir,
		.owner = recipe,
		.finder = f,
		.chain = &next,
		.ngroups = -1,
	};
	size_t i;
	int r = 1;

	for (i = 0; r > 0 && i < asked->count; i++)
		r = path_there(&w, &asked->v[i], stem, len);
	walk_done(&w);
	return r;
}

/* A recipe that cannot be read stands for what it made before. */
static bool was_derived(struct finder *f, uint64_t dir, const char *name,
			size_t len)
{
	struct derived d;

	return results_derived(f->ev->results, f->at, dir, name, len, &d) >= 0;
}

/* 1: that pattern defines it; 0: it does not. */
static int try_pattern(struct finder *f, uint64_t dir, const struct pattern *p,
		       const char *name, size_t len, const struct chain *chain,
		       struct defined *ret)
{
	const struct asked *asked;
	const char *stem;
	size_t stem_len;
	int r;

	if (!pattern_match(p->text, p->len, name, len, &stem, &stem_len) ||
	    define_in_chain(chain, p->ino))
		return 0;
	r = watch_inode(f->ev, f->watcher, p->ino);
	if (r >= 0)
		r = ns_getattr(f->ev->ns, f->at, p->ino, &ret->recipe);
	if (r < 0)
		return r;
	if (!S_ISREG(ret->recipe.mode))
		return 0;
	r = patterns_asked(f->ev, &ret->recipe, &asked);
	if (r < 0)
		return r;
	if (!asked->count)
		r = was_derived(f, dir, name, len);
	else
		r = define_applies(f, dir, &ret->recipe, asked, stem, stem_len,
				   chain);
	if (r <= 0)
		return r;
	strcpy(ret->file, p->file);
	memcpy(ret->stem, stem, stem_len);
	ret->stem[stem_len] = '\0';
	ret->stem_len = stem_len;
	return 1;
}

static int find_pattern(struct finder *f, uint64_t dir, const char *name,
			size_t len, const struct chain *chain,
			struct defined *ret)
{
	const struct patterns *p;
	size_t i, n;
	int r;

	if (recipe_name(name, len, &n))
		return -ENOENT; /* recipes are not made by recipes */
	r = watch_patterns(f->ev, f->watcher, dir);
	if (r >= 0)
		r = patterns_of(f->ev, f->at, dir, &p);
	for (i = 0; r >= 0 && i < p->count; i++) {
		if (chain && ++f->steps > STEPS_MAX)
			return -ENOENT;
		r = try_pattern(f, dir, &p->v[i], name, len, chain, ret);
		if (r > 0)
			return 0;
	}
	return r < 0 ? r : -ENOENT;
}

int define_find(struct finder *f, uint64_t dir, const char *name, size_t len,
		const struct chain *chain, struct defined *ret)
{
	uint64_t ino;
	int r, source;

	if (!len || len > NS_NAME_MAX)
		return -ENOENT;
	if (dir == NS_ROOT && len == 7 && !memcmp(name, ".deriva", 7))
		return -ENOENT;
	r = watch_name(f->ev, f->watcher, dir, name, len);
	if (r < 0)
		return r;
	source = ns_lookup(f->ev->ns, f->at, dir, name, len, &ino, NULL);
	if (source < 0 && source != -ENOENT)
		return source;
	r = find_plain(f, dir, name, len, ret);
	if (r != -ENOENT)
		return r < 0 || source < 0 ? r : -EEXIST;
	return source < 0 ? find_pattern(f, dir, name, len, chain, ret)
			  : -ENOENT;
}

/* --- from outside -----------------------------------------------------------
 */

int eval_defined(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len, struct ns_attr *ret_recipe)
{
	struct finder f = {.ev = ev, .at = at};
	struct defined d;
	int r;

	patterns_trim(ev);
	r = define_find(&f, dir, name, len, NULL, &d);
	if (r >= 0)
		*ret_recipe = d.recipe;
	return r;
}

static bool is_blocked(struct eval *ev, uint64_t dir, const char *text,
		       size_t len)
{
	CLEANUP_BUF struct buf name = BUF_INIT;
	struct ns_attr recipe;

	pattern_fill(text, len, "", 0, false, &name);
	return !buf_err(&name) && eval_defined(ev, NS_NOW, dir, buf_cstr(&name),
					       name.len, &recipe) == -EEXIST;
}

bool eval_is_blocked(struct eval *ev, uint64_t dir, const char *file,
		     size_t len)
{
	CLEANUP(recipe_def_freep) struct recipe_def *def = NULL;
	struct finder f = {.ev = ev, .at = NS_NOW};
	struct ns_attr recipe;
	size_t n, i;

	if (!recipe_name(file, len, &n) || pattern_stems(file, n, NULL))
		return false; /* a source wins over a pattern without a word */
	if (find_file(&f, dir, file, len, &recipe) < 0)
		return false;
	if (define_load(ev, &recipe, &def, NULL) < 0 || !def->nouts)
		return is_blocked(ev, dir, file, n);
	for (i = 0; i < def->nouts; i++)
		if (is_blocked(ev, dir, def->outs[i].file,
			       strlen(def->outs[i].file)))
			return true;
	return false;
}

int eval_list(struct eval *ev, uint64_t at, uint64_t dir,
	      int (*fn)(void *ctx, const char *name, size_t len, bool is_dir),
	      void *ctx)
{
	struct finder f = {.ev = ev, .at = at};

	patterns_trim(ev);
	return define_list(&f, dir, NULL, NULL, 0, fn, ctx);
}

/* Reads and parses a recipe file. */
int define_load(struct eval *ev, const struct ns_attr *file,
		struct recipe_def **ret, struct err *err)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	CLEANUP_FREE char *text = NULL;
	ssize_t n;
	int r;

	if (file->size > RECIPE_FILE_MAX)
		return err_set(err, -E2BIG,
			       "line 1: a recipe of more than 1 MiB");
	r = blob_open(ev->store, &file->addr, &b);
	if (r < 0)
		return r;
	text = malloc(file->size + 1);
	if (!text)
		return -ENOMEM;
	n = blob_pread(b, text, file->size, 0);
	return n < 0 ? (int)n : recipe_parse(text, (size_t)n, ret, err);
}

bool eval_makes_dir(struct eval *ev, const struct ns_attr *recipe)
{
	const struct asked *asked;

	patterns_trim(ev);
	return patterns_asked(ev, recipe, &asked) >= 0 && asked->out_dir;
}

bool eval_is_lazy(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		  size_t len)
{
	CLEANUP(recipe_def_freep) struct recipe_def *def = NULL;
	struct ns_attr file;

	return eval_defined(ev, at, dir, name, len, &file) >= 0 &&
	       define_load(ev, &file, &def, NULL) >= 0 && def->stat_lazy;
}
