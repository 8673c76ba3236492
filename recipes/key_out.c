/* `out`: what a run makes. */
#include "recipes/key.h"

#include <errno.h>
#include <string.h>

#include "core/ns.h"
#include "recipes/word.h"

static int check_file(struct recipe_reader *r, const struct ynode *n)
{
	const char *text = n->text;
	size_t len;

	if (n->type != Y_TEXT)
		return err_set(r->err, -EINVAL,
			       "line %u: an output is the name of a file, not "
			       "%s",
			       n->line, ynode_what(n));
	if (!*text || !strcmp(text, ".") || !strcmp(text, ".."))
		return err_set(r->err, -EINVAL,
			       "line %u: `%s` is no name for a file", n->line,
			       text);
	if (strchr(text, '/'))
		return err_set(r->err, -EINVAL,
			       "line %u: `%s`: outputs lie beside the recipe, "
			       "so they have a name and no path",
			       n->line, word_show(text).s);
	if (strlen(text) > NS_NAME_MAX)
		return err_set(r->err, -EINVAL,
			       "line %u: a name of more than %d bytes", n->line,
			       NS_NAME_MAX);
	if (recipe_name(text, strlen(text), &len))
		return err_set(r->err, -EINVAL,
			       "line %u: `%s`: a recipe is never made by a "
			       "recipe; choose another name",
			       n->line, word_show(text).s);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct recipe_out *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int compare_files(const void *a, const void *b)
{
	const struct recipe_out *x = a, *y = b;

	return strcmp(x->file, y->file);
}

static int take_out(struct recipe_reader *r, const struct ynode *key,
		    const struct ynode *value)
{
	struct recipe_def *d = r->def;
	struct recipe_out *o = &d->outs[d->nouts];
	int rc = key_check_name(r, "an output", key->text, key->line);

	if (rc >= 0 && strlen(key->text) > NS_NAME_MAX)
		rc = err_set(r->err, -EINVAL,
			     "line %u: the name of an output has more than %d "
			     "bytes",
			     key->line, NS_NAME_MAX);
	if (rc >= 0)
		rc = check_file(r, value);
	if (rc < 0)
		return rc;
	o->line = key->line;
	o->name = strdup(key->text);
	o->file = strdup(value->text);
	d->nouts++; /* so that both are freed */
	return o->name && o->file ? 0 : -ENOMEM;
}

static int take_several(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;
	size_t i;
	int rc;

	if (!n->count)
		return err_set(r->err, -EINVAL,
			       "line %u: `out` names no output: `out: {html: "
			       "x.html}`, or leave it away",
			       n->line);
	if (n->count / 2 > RECIPE_OUTS_MAX)
		return err_set(r->err, -E2BIG,
			       "line %u: more than %d outputs; make a "
			       "directory of them, `out: dir`",
			       n->line, RECIPE_OUTS_MAX);
	d->outs = calloc(n->count / 2, sizeof(*d->outs));
	if (!d->outs)
		return -ENOMEM;
	for (i = 0; i + 1 < n->count; i += 2) {
		rc = take_out(r, n->items[i], n->items[i + 1]);
		if (rc < 0)
			return rc;
	}
	qsort(d->outs, d->nouts, sizeof(*d->outs), compare_files);
	for (i = 1; i < d->nouts; i++)
		if (!strcmp(d->outs[i - 1].file, d->outs[i].file))
			return err_set(r->err, -EINVAL,
				       "line %u: the outputs `%s` and `%s` are "
				       "the same file, `%s`",
				       d->outs[i].line, d->outs[i - 1].name,
				       d->outs[i].name,
				       word_show(d->outs[i].file).s);
	qsort(d->outs, d->nouts, sizeof(*d->outs), compare_names);
	return 0;
}

int key_out(struct recipe_reader *r, const struct ynode *n)
{
	if (n->type == Y_MAP)
		return take_several(r, n);
	if (n->type == Y_TEXT && !strcmp(n->text, "dir"))
		r->def->out_dir = true;
	else if (n->type != Y_TEXT || strcmp(n->text, "file") != 0)
		return err_set(r->err, -EINVAL,
			       "line %u: `out` is `file`, `dir`, or a map of "
			       "several outputs: `out: {html: x.html, log: "
			       "x.log}`",
			       n->line);
	return 0;
}
