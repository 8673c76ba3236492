#include "recipes/function.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "recipes/word.h"

#define FAMILY(x) extern const struct fn_family family_##x;
#include "recipes/families.h"
#undef FAMILY

static const struct fn_family *const families[] = {
#define FAMILY(x) &family_##x,
#include "recipes/families.h"
#undef FAMILY
};

const struct fn_family *fn_family_at(size_t i)
{
	return i < ARRAY_LEN(families) ? families[i] : NULL;
}

const struct function *function_at(size_t i)
{
	const struct fn_family *f;
	size_t k;

	for (k = 0; (f = fn_family_at(k)); i -= f->count, k++)
		if (i < f->count)
			return &f->rows[i];
	return NULL;
}

const struct function *function_find(const char *name)
{
	const struct function *f;
	size_t k, i;

	for (k = 0; k < ARRAY_LEN(families); k++)
		for (i = 0; i < families[k]->count; i++) {
			f = &families[k]->rows[i];
			if (!strcmp(f->name, name))
				return f;
		}
	return NULL;
}

/* What people write who know other tools. */
static const char *const others[][2] = {
	{"cat", "concat"},	  {"wc", "count"},
	{"gunzip2", "gunzip"},	  {"zcat", "gunzip"},
	{"b3sum", "blake3"},	  {"zstdcat", "unzstd"},
	{"sha256sum", "sha256"},  {"grep", "filter"},
	{"egrep", "filter"},	  {"match", "filter"},
	{"sed", "replace"},	  {"substitute", "replace"},
	{"subst", "replace"},	  {"awk", "columns"},
	{"fields", "cut"},	  {"xzcat", "unxz"},
	{"lzma", "xz"},		  {"jq", "json"},
	{"sqlite", "sql"},	  {"sqlite3", "sql"},
	{"query", "sql"},	  {"select", "sql"},
	{"xxd", "hex"},		  {"hexdump", "hex"},
	{"decode64", "unbase64"}, {"b64", "base64"},
	{"bsdtar", "tar"},	  {"lookup", "join"},
	{"render", "template"},	  {"envsubst", "template"},
	{"distinct", "uniq"},	  {"first", "head"},
	{"last", "tail"},	  {"range", "slice"},
};

const char *function_near(const char *name)
{
	CLEANUP_FREE const char **names = NULL;
	const struct function *f;
	size_t i, n = 0;

	for (i = 0; i < ARRAY_LEN(others); i++)
		if (!strcmp(name, others[i][0]) && function_find(others[i][1]))
			return others[i][1];
	for (i = 0; i < ARRAY_LEN(families); i++)
		n += families[i]->count;
	names = calloc(n + 1, sizeof(*names));
	if (!names)
		return NULL;
	for (i = 0; (f = function_at(i)); i++)
		names[i] = f->name;
	return word_near(name, names, n);
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

static int check_int(const struct function *f, const struct fn_param *p,
		     const char *value, struct err *err)
{
	char again[24];
	long v;

	errno = 0;
	v = strtol(value, NULL, 10);
	snprintf(again, sizeof(again), "%ld", v);
	/* one way to write a number, hence one address */
	if (!errno && v >= p->min && v <= p->max && !strcmp(value, again))
		return 0;
	if (p->max == LONG_MAX)
		return err_set(err, -EINVAL,
			       "`%s` of `%s` is a number from %ld on, not `%s`",
			       p->name, f->name, p->min, word_show(value).s);
	return err_set(err, -EINVAL,
		       "`%s` of `%s` is a number from %ld to %ld, not `%s`",
		       p->name, f->name, p->min, p->max, word_show(value).s);
}

static int check_choice(const struct function *f, const struct fn_param *p,
			const char *value, struct err *err)
{
	char list[200] = "";
	const char *c;
	size_t n, at = 0;

	for (c = p->choices; *c; c += n + (c[n] == ' ')) {
		n = strcspn(c, " ");
		if (strlen(value) == n && !memcmp(value, c, n))
			return 0;
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s`%.*s`",
				       !at    ? ""
				       : c[n] ? ", "
					      : " or ",
				       (int)n, c);
		at = MIN(at, sizeof(list) - 1);
	}
	return err_set(err, -EINVAL, "`%s` of `%s` is %s, not `%s`", p->name,
		       f->name, list, word_show(value).s);
}

static int check_value(const struct function *f, const struct fn_param *p,
		       const char *value, struct err *err)
{
	switch (p->type) {
	case FN_TEXT:
		return 0;
	case FN_BOOL:
		if (!strcmp(value, "true") || !strcmp(value, "false"))
			return 0;
		return err_set(err, -EINVAL,
			       "`%s` of `%s` is `true` or `false`, not `%s`",
			       p->name, f->name, word_show(value).s);
	case FN_INT:
		return check_int(f, p, value, err);
	case FN_CHOICE:
		return check_choice(f, p, value, err);
	case FN_BYTE:
		if (strlen(value) == 1 || !strcmp(value, "tab"))
			return 0;
		return err_set(err, -EINVAL,
			       "`%s` of `%s` is one byte, or `tab`, not `%s`",
			       p->name, f->name, word_show(value).s);
	}
	return 0;
}

int function_check_param(const struct function *f,
			 const struct canon_value *param, struct err *err)
{
	const struct fn_param *p = find_param(f, param->name);

	if (p)
		return check_value(f, p, param->value, err);
	return f->any_param ? 0 : unknown_param(f, param->name, err);
}

int function_check_params(const struct function *f,
			  const struct canon_value *params, size_t nparams,
			  struct err *err)
{
	struct fn_call call = {.fn = f, .params = params, .nparams = nparams};
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
	return f->check ? f->check(&call, err) : 0;
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
