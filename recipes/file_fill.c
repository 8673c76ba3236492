/* The stem of a pattern, put into the paths and outputs of its recipe. */
#include "recipes/file.h"

#include <errno.h>
#include <string.h>

#include "recipes/word.h"

size_t recipe_path_known(const struct recipe_path *p)
{
	size_t known = 0, n = strlen(p->text), i;

	if (!p->stem)
		return 0;
	for (i = 0; i < n; i++) {
		if (strchr("*?[", p->text[i]))
			break;
		if (p->text[i] == '/')
			known = i;
	}
	if (i == n)
		known = n;
	return pattern_stems(p->text, known, NULL) ? known : 0;
}

static int fill_path(struct recipe_path *p, const char *stem, size_t len)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char *text;

	pattern_fill(p->text, strlen(p->text), stem, len, p->glob, &b);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	text = strdup(buf_cstr(&b));
	if (!text)
		return -ENOMEM;
	free(p->text);
	p->text = text;
	p->stem = false;
	return 0;
}

static int no_pattern(const char *text, unsigned line, struct err *err)
{
	return err_set(err, -EINVAL,
		       "line %u: `%s`: `%%` is a stem, which only a recipe has "
		       "whose own name has one, as in `%%.txt.recipe`; a plain "
		       "percent sign is `%%%%`",
		       line, word_show(text).s);
}

static int fill_out(struct recipe_out *o, const char *stem, size_t len,
		    struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	bool stems = pattern_stems(o->file, strlen(o->file), NULL) > 0;
	char *file;

	if (stems && !len)
		return no_pattern(o->file, o->line, err);
	if (!stems && len)
		return err_set(err, -EINVAL,
			       "line %u: `%s`: the recipe's name is a pattern, "
			       "so each of its outputs needs a `%%`, or all "
			       "stems would make the same file",
			       o->line, word_show(o->file).s);
	pattern_fill(o->file, strlen(o->file), stem, len, false, &b);
	if (buf_err(&b) < 0)
		return -ENOMEM;
	file = strdup(buf_cstr(&b));
	if (!file)
		return -ENOMEM;
	free(o->file);
	o->file = file;
	return 0;
}

int recipe_def_fill(struct recipe_def *d, const char *stem, size_t len,
		    struct err *err)
{
	struct recipe_path *p;
	bool known = false;
	size_t i, k;
	int r;

	for (i = 0; i < d->ninputs; i++)
		for (k = 0; k < d->inputs[i].count; k++) {
			p = &d->inputs[i].paths[k];
			if (!p->stem)
				continue;
			if (!len)
				return no_pattern(p->text, p->line, err);
			known = known || recipe_path_known(p);
			r = fill_path(p, stem, len);
			if (r < 0)
				return r;
		}
	if (len && !known)
		return err_set(err, -EINVAL,
			       "line %u: the recipe's name is a pattern, so an "
			       "input has to tell which files there are: one "
			       "with `%%` in it, and before any `*`, as in "
			       "\"photos/%%.png\"",
			       d->ninputs ? d->inputs[0].line : d->run_line);
	for (i = 0; i < d->nouts; i++) {
		r = fill_out(&d->outs[i], stem, len, err);
		if (r < 0)
			return r;
	}
	return 0;
}
