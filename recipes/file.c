#include "recipes/file.h"

#include <errno.h>
#include <string.h>

#include "recipes/function.h"
#include "recipes/key.h"
#include "recipes/word.h"

/* YAML's tree (recipes/yaml.h) is read key by key, in the file's order, by the
 * table `keys`; what concerns several keys is checked at the end. Keys and
 * values that later versions will understand are known and refused, so that
 * a recipe is never run as something else than it says. */

static void paths_free(struct recipe_path *paths, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(paths[i].text);
	free(paths);
}

static void strings_free(char **s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(s[i]);
	free(s);
}

void recipe_def_free(struct recipe_def *d)
{
	size_t i;

	if (!d)
		return;
	for (i = 0; i < d->ninputs; i++) {
		paths_free(d->inputs[i].paths, d->inputs[i].count);
		free(d->inputs[i].name);
	}
	free(d->inputs);
	for (i = 0; i < d->nparams; i++) {
		free(d->params[i].name);
		free(d->params[i].value);
	}
	free(d->params);
	for (i = 0; i < d->nouts; i++) {
		free(d->outs[i].name);
		free(d->outs[i].file);
	}
	free(d->outs);
	strings_free(d->argv, d->argc);
	strings_free(d->env, d->nenv);
	strings_free(d->tools, d->ntools);
	free(d->run);
	free(d->fn);
	free(d);
}

static const struct key {
	const char *name;
	int (*take)(struct recipe_reader *r, const struct ynode *n);
} keys[] = {
	{"in", key_in},		  {"run", key_run},
	{"fn", key_fn},		  {"params", key_params},
	{"out", key_out},	  {"env", key_env},
	{"timeout", key_timeout}, {"memory", key_memory},
	{"network", key_network}, {"stat", key_stat},
	{"tools", key_tools},	  {"eager", key_eager},
	{"keep", key_keep},
};

/* What people write who know other tools. */
static const char *key_meant(const char *text)
{
	static const char *const others[][2] = {
		{"cmd", "run"},		  {"command", "run"},
		{"shell", "run"},	  {"script", "run"},
		{"exec", "run"},	  {"function", "fn"},
		{"func", "fn"},		  {"args", "params"},
		{"deps", "in"},		  {"inputs", "in"},
		{"depends", "in"},	  {"sources", "in"},
		{"outputs", "out"},	  {"environment", "env"},
		{"parameters", "params"},
	};
	const char *names[ARRAY_LEN(keys)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(text, others[i][0]))
			return others[i][1];
	for (i = 0; i < ARRAY_LEN(keys); i++)
		names[i] = keys[i].name;
	return word_near(text, names, ARRAY_LEN(keys));
}

static int take_key(struct recipe_reader *r, const struct ynode *key,
		    const struct ynode *value)
{
	const char *near;
	size_t i;

	for (i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(key->text, keys[i].name))
			return keys[i].take(r, value);
	near = key_meant(key->text);
	if (near)
		return err_set(r->err, -EINVAL,
			       "line %u: there is no key `%s`: did you mean "
			       "`%s`?",
			       key->line, word_show(key->text).s, near);
	return err_set(r->err, -EINVAL,
		       "line %u: there is no key `%s`; those there are: in, "
		       "run, fn, params, out, env, timeout, memory, stat, "
		       "network, tools, eager, keep",
		       key->line, word_show(key->text).s);
}

/* Inputs, outputs, params and env of a command all become its variables. */
struct variable {
	const char *name, *key;
	unsigned line;
};

static int compare_variables(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->line > y->line) - (x->line < y->line);
}

static int check_variables(struct recipe_reader *r)
{
	const struct recipe_def *d = r->def;
	CLEANUP_FREE struct variable *v = NULL;
	size_t n = 0, i;

	v = calloc(d->ninputs + d->nparams + d->nenv + d->nouts + 1,
		   sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (i = 0; i < d->ninputs; i++)
		if (d->inputs[i].name)
			v[n++] = (struct variable){d->inputs[i].name, "in",
						   d->inputs[i].line};
	for (i = 0; i < d->nouts; i++)
		v[n++] = (struct variable){d->outs[i].name, "out",
					   d->outs[i].line};
	for (i = 0; i < d->nparams; i++)
		v[n++] = (struct variable){d->params[i].name, "params",
					   d->params[i].line};
	for (i = 0; i < d->nenv; i++)
		v[n++] = (struct variable){d->env[i], "env", r->env->line};
	qsort(v, n, sizeof(*v), compare_variables);
	for (i = 1; i < n; i++)
		if (!strcmp(v[i - 1].name, v[i].name))
			return err_set(r->err, -EINVAL,
				       "line %u: `%s` is named in `%s` and a "
				       "second time in `%s`",
				       v[i].line, v[i].name, v[i - 1].key,
				       v[i].key);
	return 0;
}

static int check_command(struct recipe_reader *r)
{
	const struct recipe_def *d = r->def;
	size_t i;
	int rc;

	for (i = 0; i < d->nparams; i++) {
		rc = key_check_name(r, "a param of `run`", d->params[i].name,
				    d->params[i].line);
		if (rc < 0)
			return rc;
	}
	return check_variables(r);
}

static int check_function(struct recipe_reader *r)
{
	const struct recipe_def *d = r->def;
	const struct function *f = function_find(d->fn);
	CLEANUP_FREE struct canon_value *v = NULL;
	size_t i;
	int rc;

	if (r->env)
		return err_set(r->err, -EINVAL,
			       "line %u: `env` goes with `run` only: a "
			       "function sees no variables",
			       r->env->line);
	if (r->tools)
		return err_set(r->err, -EINVAL,
			       "line %u: `tools` goes with `run` only: a "
			       "function uses no programs",
			       r->tools->line);
	if (d->nouts)
		return err_set(r->err, -EINVAL,
			       "line %u: several outputs go with `run` only: "
			       "a function makes one",
			       d->outs[0].line);
	if (r->network && d->network)
		return err_set(r->err, -EINVAL,
			       "line %u: `network` goes with `run` only: a "
			       "function has no use for it",
			       r->network->line);
	v = calloc(d->nparams + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (i = 0; i < d->nparams; i++) {
		v[i] = (struct canon_value){d->params[i].name,
					    d->params[i].value};
		rc = function_check_param(f, &v[i], r->err);
		if (rc < 0)
			return err_prefix(r->err, rc, "line %u",
					  d->params[i].line);
	}
	rc = function_check_params(f, v, d->nparams, r->err);
	return rc < 0 ? err_prefix(r->err, rc, "line %u", d->run_line) : 0;
}

static int check_all(struct recipe_reader *r, unsigned line)
{
	if (r->run && r->fn)
		return err_set(r->err, -EINVAL,
			       "line %u: `run` and `fn` exclude each other",
			       MAX(r->run->line, r->fn->line));
	if (!r->run && !r->fn)
		return err_set(r->err, -EINVAL,
			       "line %u: needs `run` (a command) or `fn` (a "
			       "function)",
			       line);
	if (!r->in && r->fn)
		return err_set(r->err, -EINVAL,
			       "line %u: has no `in`: only what `run` reads is "
			       "observed; list a function's inputs, "
			       "`in: [a.csv]`, or write `in: []` if there are "
			       "none",
			       line);
	r->def->observed = !r->in;
	return r->fn ? check_function(r) : check_command(r);
}

static int take_all(struct recipe_reader *r, const struct ynode *n)
{
	size_t i;
	int rc;

	if (!n || (n->type == Y_MAP && !n->count))
		return err_set(r->err, -EINVAL,
			       "line %u: defines nothing: needs `in` and `run` "
			       "or `fn`",
			       n ? n->line : 1);
	if (n->type != Y_MAP)
		return err_set(r->err, -EINVAL,
			       "line %u: expected `key: value` lines, not %s; "
			       "a blank stands behind the colon",
			       n->line, ynode_what(n));
	for (i = 0; i + 1 < n->count; i += 2) {
		rc = take_key(r, n->items[i], n->items[i + 1]);
		if (rc < 0)
			return rc;
	}
	return check_all(r, n->line);
}

int recipe_parse(const char *text, size_t len, struct recipe_def **ret,
		 struct err *err)
{
	CLEANUP(recipe_def_freep) struct recipe_def *d = NULL;
	CLEANUP(ynode_freep) struct ynode *n = NULL;
	struct recipe_reader r = {.err = err};
	int rc;

	if (len > RECIPE_FILE_MAX)
		return err_set(err, -E2BIG,
			       "a recipe file has at most %u MiB; this one has "
			       "%zu bytes",
			       (unsigned)(RECIPE_FILE_MAX >> 20), len);
	rc = ynode_parse(text, len, &n, err);
	if (rc < 0)
		return rc;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->timeout_ns = RECIPE_TIMEOUT_NS;
	r.def = d;
	rc = take_all(&r, n);
	if (rc < 0)
		return rc;
	*ret = steal(&d);
	return 0;
}
