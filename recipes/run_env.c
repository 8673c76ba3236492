#include "recipes/run_env.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "recipes/tools.h"

void strings_done(struct strings *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		free(s->v[i]);
	free(s->v);
}

/* Takes the string; NULL-terminates the array. */
static int strings_take(struct strings *s, char *text)
{
	char **v;

	if (!text)
		return -ENOMEM;
	if (s->count + 2 > s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		v = realloc(s->v, s->cap * sizeof(*v));
		if (!v) {
			free(text);
			return -ENOMEM;
		}
		s->v = v;
	}
	s->v[s->count++] = text;
	s->v[s->count] = NULL;
	return 0;
}

static int strings_pair(struct strings *s, const char *name, const char *value)
{
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		text = NULL; /* what it holds then is not said */
	return strings_take(s, text);
}

/* How the command writes an input's path. */
static int add_input_path(struct buf *b, const struct places *at,
			  const struct canon_input *in)
{
	if (in->path_len && in->path[0] == '/')
		buf_str(b, at->root);
	buf_add(b, in->path, in->path_len);
	return buf_err(b);
}

/* A variable for each named input; those of one name follow each other. */
/* The kernel takes no longer string (MAX_ARG_STRLEN). */
#define VARIABLE_MAX KIB(128)

static int add_inputs(const struct task *j, const struct places *at,
		      struct strings *env)
{
	CLEANUP_BUF struct buf paths = BUF_INIT;
	const char *name;
	size_t i, k;
	int r = 0;

	for (i = 0; r >= 0 && i < j->ninputs; i = k) {
		name = j->inputs[i].name;
		buf_reset(&paths);
		for (k = i; k < j->ninputs && j->inputs[k].name == name; k++) {
			if (!name)
				continue;
			if (k > i)
				buf_u8(&paths, '\n');
			r = add_input_path(&paths, at, &j->inputs[k]);
			if (r < 0)
				return r;
		}
		/* an argument list has its own way to name them */
		if (name && !(j->def->kind == RECIPE_RUN_ARGV &&
			      paths.len + strlen(name) + 2 > VARIABLE_MAX))
			r = strings_pair(env, name, buf_cstr(&paths));
	}
	return r;
}

/* $out, or a variable for each of several. */
static int add_outputs(const struct task *j, const struct places *at,
		       struct strings *env)
{
	const struct recipe_def *d = j->def;
	CLEANUP_BUF struct buf path = BUF_INIT;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < MAX(d->nouts, (size_t)1); i++) {
		buf_reset(&path);
		buf_fmt(&path, "%s/%s", at->out,
			d->nouts ? j->outs[i].file : j->out_name);
		r = buf_err(&path);
		if (r >= 0)
			r = strings_pair(env,
					 d->nouts ? d->outs[i].name : "out",
					 buf_cstr(&path));
	}
	return r;
}

int run_environment(const struct task *j, const struct places *at,
		    struct strings *env)
{
	static const char *const fixed[] = {
		"LC_ALL=C.UTF-8",
		"TZ=UTC",
		"HOME=/tmp",
		"SOURCE_DATE_EPOCH=315532800", /* 1980, the zip epoch */
		"PATH=" TOOLS_PATH,
	};
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < ARRAY_LEN(fixed); i++)
		r = strings_take(env, strdup(fixed[i]));
	if (r >= 0)
		r = add_outputs(j, at, env);
	if (r >= 0)
		r = strings_pair(env, "root", at->root);
	for (i = 0; r >= 0 && i < j->nenv; i++)
		if (j->env[i].value)
			r = strings_pair(env, j->env[i].name, j->env[i].value);
	for (i = 0; r >= 0 && i < j->nparams; i++)
		r = strings_pair(env, j->params[i].name, j->params[i].value);
	return r < 0 ? r : add_inputs(j, at, env);
}

/* An element `$name` of an argument list becomes the input's paths, each an
 * argument of its own; `$out`, `$root` and params their values. */
static int add_argument(const struct task *j, const struct places *at,
			const struct strings *env, const char *text,
			struct strings *argv)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *name = text + 1;
	bool any = false;
	size_t i, n;
	int r = 0;

	if (text[0] != '$' || !text[1])
		return strings_take(argv, strdup(text));
	for (i = 0; r >= 0 && i < j->ninputs; i++) {
		if (!j->inputs[i].name || strcmp(j->inputs[i].name, name))
			continue;
		any = true;
		if (j->inputs[i].empty)
			continue;
		buf_reset(&b);
		r = add_input_path(&b, at, &j->inputs[i]);
		if (r >= 0)
			r = strings_take(argv, strdup(buf_cstr(&b)));
	}
	if (any)
		return r;
	n = strlen(name);
	for (i = 0; i < env->count; i++)
		if (!strncmp(env->v[i], name, n) && env->v[i][n] == '=')
			return strings_take(argv, strdup(env->v[i] + n + 1));
	return strings_take(argv, strdup(text));
}

int run_arguments(const struct task *j, const struct places *at,
		  const struct strings *env, struct strings *argv)
{
	static const char *const shell[] = {"/bin/sh", "-euc"};
	size_t i;
	int r = 0;

	if (j->def->kind == RECIPE_RUN_SHELL) {
		for (i = 0; r >= 0 && i < ARRAY_LEN(shell); i++)
			r = strings_take(argv, strdup(shell[i]));
		return r < 0 ? r : strings_take(argv, strdup(j->def->run));
	}
	for (i = 0; r >= 0 && i < j->def->argc; i++)
		r = add_argument(j, at, env, j->def->argv[i], argv);
	return r;
}
