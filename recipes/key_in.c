#include "recipes/key.h"

#include <errno.h>
#include <string.h>

#include "recipes/word.h"

/* A plain path is made what it means; one with a stem waits for it. */
static int path_text(const char *text, struct recipe_path *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t n = strlen(text);

	ret->stem = pattern_stems(text, n, NULL) > 0;
	if (ret->stem)
		buf_add(&b, text, n);
	else
		pattern_fill(text, n, "", 0, false, &b);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	ret->text = strdup(buf_cstr(&b));
	return ret->text ? 0 : -ENOMEM;
}

/* "a/", "/", "..", "a/.": nothing but a directory can be meant. */
static bool names_dir(const char *path)
{
	const char *last = strrchr(path, '/');

	last = last ? last + 1 : path;
	return !*last || !strcmp(last, ".") || !strcmp(last, "..");
}

static int take_path(struct recipe_reader *r, const struct ynode *n,
		     struct recipe_path *ret)
{
	if (n->type != Y_TEXT)
		return err_set(r->err, -EINVAL,
			       "line %u: an input is a path, not %s: quote a "
			       "path that holds `[`, `{` or `: `",
			       n->line, ynode_what(n));
	if (!*n->text)
		return err_set(r->err, -EINVAL,
			       "line %u: the path of an input is empty",
			       n->line);
	if (strlen(n->text) > RECIPE_PATH_MAX)
		return err_set(r->err, -E2BIG,
			       "line %u: a path of more than %d bytes", n->line,
			       RECIPE_PATH_MAX);
	if (++r->paths > RECIPE_INPUTS_MAX)
		return err_set(r->err, -E2BIG,
			       "line %u: more than %d inputs are listed; use a "
			       "glob",
			       n->line, RECIPE_INPUTS_MAX);
	ret->dir = names_dir(n->text);
	ret->line = n->line;
	ret->glob = strpbrk(n->text, "*?[") != NULL;
	return path_text(n->text, ret);
}

static int take_paths(struct recipe_reader *r, const struct ynode *n,
		      struct recipe_input *in)
{
	size_t count = n->type == Y_LIST ? n->count : 1;
	int rc;

	in->list = n->type == Y_LIST;
	in->paths = calloc(MAX(count, (size_t)1), sizeof(*in->paths));
	if (!in->paths)
		return -ENOMEM;
	while (in->count < count) {
		rc = take_path(r, in->list ? n->items[in->count] : n,
			       &in->paths[in->count]);
		if (rc < 0)
			return rc;
		in->count++;
	}
	in->list |= count == 1 && in->paths[0].glob; /* it may match many */
	return 0;
}

/* Every run sets these itself; an input or a param cannot. */
int key_check_name(struct recipe_reader *r, const char *what, const char *name,
		   unsigned line)
{
	static const char *const fixed[] = {
		"out",
		"root",
		"PATH",
		"HOME",
		"LC_ALL",
		"TZ",
		"TMPDIR",
		"PWD",
		"OLDPWD",
		"IFS",
		"SOURCE_DATE_EPOCH",
	};
	size_t i;

	if (!word_is_name(name))
		return err_set(r->err, -EINVAL,
			       "line %u: `%s`: the name of %s is letters, "
			       "digits and `_`, and begins with no digit, for "
			       "it becomes a variable of the shell",
			       line, word_show(name).s, what);
	for (i = 0; i < ARRAY_LEN(fixed); i++)
		if (!strcmp(name, fixed[i]))
			return err_set(r->err, -EINVAL,
				       "line %u: `%s` cannot be the name of "
				       "%s: deriva sets that variable itself",
				       line, name, what);
	return 0;
}

static int compare_inputs(const void *a, const void *b)
{
	const struct recipe_input *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int take_named(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;
	struct recipe_input *in;
	const struct ynode *key, *value;
	size_t i;
	int rc;

	d->inputs = calloc(MAX(n->count / 2, (size_t)1), sizeof(*d->inputs));
	if (!d->inputs)
		return -ENOMEM;
	for (i = 0; i + 1 < n->count; i += 2) {
		key = n->items[i];
		value = n->items[i + 1];
		rc = key_check_name(r, "an input", key->text, key->line);
		if (rc < 0)
			return rc;
		if (ynode_nothing(value))
			return err_set(r->err, -EINVAL,
				       "line %u: the input `%s` has no path",
				       key->line, word_show(key->text).s);
		in = &d->inputs[d->ninputs++];
		in->line = key->line;
		in->name = strdup(key->text);
		if (!in->name)
			return -ENOMEM;
		rc = take_paths(r, value, in);
		if (rc < 0)
			return rc;
	}
	qsort(d->inputs, d->ninputs, sizeof(*d->inputs), compare_inputs);
	return 0;
}

int key_in(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;

	r->in = n;
	if (n->type == Y_TEXT)
		return err_set(r->err, -EINVAL,
			       "line %u: `in` is a list of paths, `in: [%s]`, "
			       "or a map from names to paths",
			       n->line, *n->text ? word_show(n->text).s : "");
	if (n->type == Y_MAP)
		return take_named(r, n);
	if (!n->count)
		return 0; /* in: [] */
	d->inputs = calloc(1, sizeof(*d->inputs));
	if (!d->inputs)
		return -ENOMEM;
	d->ninputs = 1;
	d->inputs->line = n->line;
	return take_paths(r, n, d->inputs);
}
