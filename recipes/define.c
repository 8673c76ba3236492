/* Which names are derived: recipe files and what they define. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "recipes/task.h"

int eval_defined(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len, struct ns_attr *ret_recipe)
{
	char file[NS_NAME_MAX + 1];
	struct ns_attr attr;
	uint64_t ino;
	int r;

	if (!len || len + strlen(RECIPE_SUFFIX) > NS_NAME_MAX)
		return -ENOENT;
	memcpy(file, name, len);
	memcpy(file + len, RECIPE_SUFFIX, sizeof(RECIPE_SUFFIX));
	r = ns_lookup(ev->ns, at, dir, file, len + strlen(RECIPE_SUFFIX), &ino,
		      NULL);
	if (r >= 0)
		r = ns_getattr(ev->ns, at, ino, &attr);
	if (r < 0)
		return r;
	if (!S_ISREG(attr.mode) ||
	    (dir == NS_ROOT && len == 7 && !memcmp(name, ".deriva", 7)))
		return -ENOENT;
	r = ns_lookup(ev->ns, at, dir, name, len, &ino, NULL);
	if (r != -ENOENT)
		return r < 0 ? r : -EEXIST;
	*ret_recipe = attr;
	return 0;
}

struct listing {
	struct eval *ev;
	uint64_t at, dir;
	int (*fn)(void *ctx, const char *name, size_t len);
	void *ctx;
};

static int list_entry(void *ctx, const struct ns_entry *e)
{
	struct listing *l = ctx;
	struct ns_attr recipe;
	size_t len;
	int r;

	if (!S_ISREG(e->mode) || !recipe_name(e->name, e->len, &len))
		return 0;
	r = eval_defined(l->ev, l->at, l->dir, e->name, len, &recipe);
	if (r < 0)
		return r == -ENOENT || r == -EEXIST ? 0 : r;
	return l->fn(l->ctx, e->name, len);
}

int eval_list(struct eval *ev, uint64_t at, uint64_t dir,
	      int (*fn)(void *ctx, const char *name, size_t len), void *ctx)
{
	struct listing l = {ev, at, dir, fn, ctx};

	return ns_list(ev->ns, at, dir, "", 0, list_entry, &l);
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

bool eval_is_lazy(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		  size_t len)
{
	CLEANUP(recipe_def_freep) struct recipe_def *def = NULL;
	struct ns_attr file;

	return eval_defined(ev, at, dir, name, len, &file) >= 0 &&
	       define_load(ev, &file, &def, NULL) >= 0 && def->stat_lazy;
}
