#include "recipes/key.h"

#include <errno.h>
#include <string.h>

#include "recipes/function.h"
#include "recipes/word.h"

/* YAML ends a plain text at ` #`, without a word. */
static int check_uncut(struct recipe_reader *r, const struct ynode *n,
		       const char *what)
{
	if (!n->comment)
		return 0;
	return err_set(r->err, -EINVAL,
		       "line %u: %s ends where ` #` begins a comment: quote "
		       "it, or, for a command, write `run: |` and the command "
		       "indented on the lines below; a comment stands on a "
		       "line of its own",
		       n->line, what);
}

static bool is_blank(const char *s)
{
	return !s[strspn(s, " \t\n")];
}

static int take_shell(struct recipe_reader *r, const struct ynode *n)
{
	int rc = check_uncut(r, n, "`run`");

	if (rc < 0)
		return rc;
	if (is_blank(n->text))
		return err_set(r->err, -EINVAL,
			       n->block ? "line %u: `run` is empty: the lines "
					  "of the command have to be indented"
					: "line %u: `run` is empty",
			       n->line);
	r->def->kind = RECIPE_RUN_SHELL;
	r->def->run = strdup(n->text);
	return r->def->run ? 0 : -ENOMEM;
}

static int take_argv(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;
	size_t i;
	int rc;

	d->kind = RECIPE_RUN_ARGV;
	d->argv = calloc(n->count + 1, sizeof(*d->argv));
	if (!d->argv)
		return -ENOMEM;
	for (i = 0; i < n->count; i++) {
		const struct ynode *item = n->items[i];

		if (item->type != Y_TEXT)
			return err_set(r->err, -EINVAL,
				       "line %u: an argument of `run` is a "
				       "text, not %s: quote it",
				       item->line, ynode_what(item));
		if (ynode_nothing(item))
			return err_set(r->err, -EINVAL,
				       "line %u: an argument of `run` is "
				       "missing; an empty one is \"\"",
				       item->line);
		rc = check_uncut(r, item, "an argument of `run`");
		if (rc < 0)
			return rc;
		d->argv[i] = strdup(item->text);
		if (!d->argv[i])
			return -ENOMEM;
		d->argc++;
	}
	if (!d->argc || !*d->argv[0])
		return err_set(r->err, -EINVAL,
			       "line %u: `run` is empty: a list begins with "
			       "the program",
			       n->line);
	return 0;
}

int key_run(struct recipe_reader *r, const struct ynode *n)
{
	r->run = n;
	r->def->run_line = n->line;
	if (n->type == Y_MAP)
		return err_set(r->err, -EINVAL,
			       "line %u: `run` is a command or a list of "
			       "arguments, not a map: quote it, or write "
			       "`run: |` and the command indented on the "
			       "lines below",
			       n->line);
	return n->type == Y_TEXT ? take_shell(r, n) : take_argv(r, n);
}

/* One word of text. */
int key_check_word(struct recipe_reader *r, const char *key,
		   const struct ynode *n)
{
	if (n->type != Y_TEXT || !*n->text)
		return err_set(r->err, -EINVAL,
			       "line %u: %s is one word, not %s", n->line, key,
			       n->type == Y_TEXT ? "nothing" : ynode_what(n));
	return 0;
}

int key_fn(struct recipe_reader *r, const struct ynode *n)
{
	const char *near;
	int rc;

	rc = key_check_word(r, "`fn`", n);
	if (rc < 0)
		return rc;
	if (!function_find(n->text)) {
		near = function_near(n->text);
		if (near)
			return err_set(r->err, -EINVAL,
				       "line %u: there is no function `%s`: "
				       "did you mean `%s`?",
				       n->line, word_show(n->text).s, near);
		return err_set(r->err, -EINVAL,
			       "line %u: there is no function `%s`; `deriva "
			       "functions` lists them",
			       n->line, word_show(n->text).s);
	}
	r->fn = n;
	r->def->kind = RECIPE_FN;
	r->def->run_line = n->line;
	r->def->fn = strdup(n->text);
	return r->def->fn ? 0 : -ENOMEM;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct recipe_pair *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int key_params(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;
	const struct ynode *key, *value;
	struct recipe_pair *p;
	size_t i;
	int rc;

	r->params = n;
	if (n->type != Y_MAP)
		return err_set(r->err, -EINVAL,
			       "line %u: `params` is a map, `name: value`, not "
			       "%s",
			       n->line, ynode_what(n));
	d->params = calloc(MAX(n->count / 2, (size_t)1), sizeof(*d->params));
	if (!d->params)
		return -ENOMEM;
	for (i = 0; i + 1 < n->count; i += 2) {
		key = n->items[i];
		value = n->items[i + 1];
		if (value->type != Y_TEXT || ynode_nothing(value))
			return err_set(r->err, -EINVAL,
				       "line %u: the param `%s` is a text, not "
				       "%s; an empty one is \"\"",
				       key->line, word_show(key->text).s,
				       ynode_what(value));
		rc = check_uncut(r, value, "a value of `params`");
		if (rc < 0)
			return rc;
		p = &d->params[d->nparams++];
		p->line = key->line;
		p->name = strdup(key->text);
		p->value = strdup(value->text);
		if (!p->name || !p->value)
			return -ENOMEM;
	}
	qsort(d->params, d->nparams, sizeof(*d->params), compare_pairs);
	return 0;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int key_env(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;
	size_t i;
	int rc;

	r->env = n;
	if (n->type != Y_LIST)
		return err_set(r->err, -EINVAL,
			       "line %u: `env` is a list of names of "
			       "variables, `env: [NAME]`%s",
			       n->line,
			       n->type == Y_MAP ? "; values of your own go "
						  "into `params`"
						: "");
	d->env = calloc(MAX(n->count, (size_t)1), sizeof(*d->env));
	if (!d->env)
		return -ENOMEM;
	for (i = 0; i < n->count; i++) {
		const struct ynode *item = n->items[i];

		rc = key_check_word(r, "an element of `env`", item);
		if (rc < 0)
			return rc;
		rc = key_check_name(r, "a variable of `env`", item->text,
				    item->line);
		if (rc < 0)
			return rc;
		d->env[i] = strdup(item->text);
		if (!d->env[i])
			return -ENOMEM;
		d->nenv++;
	}
	qsort(d->env, d->nenv, sizeof(*d->env), compare_strings);
	return 0;
}
