#include "recipes/function.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "recipes/fn.h"
#include "recipes/word.h"

static const struct function *const functions[] = {
	&fn_blake3, &fn_concat, &fn_gunzip, &fn_gzip, &fn_lines,
	&fn_sha256, &fn_sort,	&fn_unzstd, &fn_zstd,
};

const struct function *function_at(size_t i)
{
	return i < ARRAY_LEN(functions) ? functions[i] : NULL;
}

const struct function *function_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(functions); i++)
		if (!strcmp(functions[i]->name, name))
			return functions[i];
	return NULL;
}

const char *function_near(const char *name)
{
	static const char *const others[][2] = {
		{"cat", "concat"},	 {"wc", "lines"},
		{"gunzip2", "gunzip"},	 {"zcat", "gunzip"},
		{"b3sum", "blake3"},	 {"zstdcat", "unzstd"},
		{"sha256sum", "sha256"},
	};
	const char *names[ARRAY_LEN(functions)];
	size_t i;

	for (i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(name, others[i][0]))
			return others[i][1];
	for (i = 0; i < ARRAY_LEN(functions); i++)
		names[i] = functions[i]->name;
	return word_near(name, names, ARRAY_LEN(functions));
}

static size_t count_params(const struct function *f)
{
	size_t n = 0;

	while (f->params[n].name)
		n++;
	return n;
}

static const struct fn_param *find_param(const struct function *f,
					 const char *name)
{
	const struct fn_param *p;

	for (p = f->params; p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static int unknown_param(const struct function *f, const char *name,
			 struct err *err)
{
	size_t n = count_params(f), i;
	CLEANUP_FREE const char **names = calloc(n + 1, sizeof(*names));
	const char *near;

	if (!names)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		names[i] = f->params[i].name;
	near = word_near(name, names, n);
	if (near)
		return err_set(err, -EINVAL,
			       "`%s` takes no param `%s`: did you mean `%s`?",
			       f->name, word_show(name).s, near);
	return err_set(err, -EINVAL,
		       n ? "`%s` takes no param `%s`; `deriva functions` "
			   "lists those it takes"
			 : "`%s` takes no param `%s`, nor any other",
		       f->name, word_show(name).s);
}

static int check_value(const struct function *f, const struct fn_param *p,
		       const char *value, struct err *err)
{
	char again[24];
	long v;

	if (p->type == FN_BOOL && strcmp(value, "true") != 0 &&
	    strcmp(value, "false") != 0)
		return err_set(err, -EINVAL,
			       "`%s` of `%s` is `true` or `false`, not `%s`",
			       p->name, f->name, word_show(value).s);
	if (p->type != FN_INT)
		return 0;
	errno = 0;
	v = strtol(value, NULL, 10);
	snprintf(again, sizeof(again), "%ld", v);
	/* one way to write a number, hence one address */
	if (errno || v < p->min || v > p->max || strcmp(value, again) != 0)
		return err_set(err, -EINVAL,
			       "`%s` of `%s` is a number from %ld to %ld, not "
			       "`%s`",
			       p->name, f->name, p->min, p->max,
			       word_show(value).s);
	return 0;
}

int function_check_param(const struct function *f,
			 const struct canon_value *param, struct err *err)
{
	const struct fn_param *p = find_param(f, param->name);

	return p ? check_value(f, p, param->value, err)
		 : unknown_param(f, param->name, err);
}

int function_check_params(const struct function *f,
			  const struct canon_value *params, size_t nparams,
			  struct err *err)
{
	const struct fn_param *p;
	size_t i;
	int rc;

	for (i = 0; i < nparams; i++) {
		rc = function_check_param(f, &params[i], err);
		if (rc < 0)
			return rc;
	}
	for (p = f->params; p->name; p++) {
		if (p->value)
			continue;
		for (i = 0; i < nparams; i++)
			if (!strcmp(params[i].name, p->name))
				break;
		if (i == nparams)
			return err_set(err, -EINVAL,
				       "`%s` needs the param `%s`: %s", f->name,
				       p->name, p->help);
	}
	return 0;
}

int function_check(const struct function *f, const struct canon_value *params,
		   size_t nparams, size_t ninputs, struct err *err)
{
	bool few = ninputs < f->min_inputs;
	size_t bound = few ? f->min_inputs : f->max_inputs;

	if (few || ninputs > f->max_inputs)
		return err_set(err, -EINVAL,
			       "`%s` takes %s%zu input%s, not %zu", f->name,
			       f->max_inputs == f->min_inputs ? ""
			       : few			      ? "at least "
							      : "at most ",
			       bound, bound == 1 ? "" : "s", ninputs);
	return function_check_params(f, params, nparams, err);
}

const char *fn_arg(const struct fn_call *call, const struct function *f,
		   const char *name)
{
	const struct fn_param *p;
	size_t i;

	for (i = 0; i < call->nparams; i++)
		if (!strcmp(call->params[i].name, name))
			return call->params[i].value;
	p = find_param(f, name);
	assert(p);
	return p->value;
}
