/* Resolving: from a recipe file to a canonical computation.
 *
 * A recipe that is wrong, or an input that is not there, is an outcome like
 * any other and lies in struct resolved; what is watched on the way says when
 * to look again.
 */
#include "recipes/walk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "recipes/function.h"
#include "recipes/pattern_set.h"
#include "recipes/tools.h"

int walk_fail(struct walk *w, int error, unsigned line, const char *fmt, ...)
{
	struct err *err = &w->res->err;
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->res->error = error;
	err_set(err, 0, "%s:%u: %s", w->label, line, text);
	return -ECANCELED; /* "the answer is in res" */
}

static int fill_values(struct task *j)
{
	const struct recipe_def *d = j->def;
	size_t i;

	j->params = calloc(d->nparams + 1, sizeof(*j->params));
	j->env = calloc(d->nenv + 1, sizeof(*j->env));
	if (!j->params || !j->env)
		return -ENOMEM;
	for (i = 0; i < d->nparams; i++)
		j->params[i] = (struct canon_value){d->params[i].name,
						    d->params[i].value};
	for (i = 0; i < d->nenv; i++)
		j->env[i] = (struct canon_value){d->env[i], getenv(d->env[i])};
	j->nparams = d->nparams;
	j->nenv = d->nenv;
	return 0;
}

static int no_tool(struct walk *w, const char *name, int r)
{
	unsigned line = w->task->def->tools_line;

	if (r == -ENOENT)
		return walk_fail(w, EIO, line,
				 "tool `%s` is not there: no program of that "
				 "name is in " TOOLS_PATH
				 "; install it, or correct `tools`",
				 name);
	return walk_fail(w, EIO, line, "tool `%s` cannot be read: %s", name,
			 err_name(r));
}

static void note_tool(struct buf *b, const char *name, const struct tool *t)
{
	char hex[ADDR_HEX];

	addr_hex(&t->addr, hex);
	buf_fmt(b, "tool: %s  %s  %.16s\n", name, t->path, hex);
}

static int take_tools(struct walk *w)
{
	struct task *j = w->task;
	const struct recipe_def *d = j->def;
	struct tool tool;
	size_t i;
	int r;

	j->tools = calloc(d->ntools + 1, sizeof(*j->tools));
	if (!j->tools)
		return -ENOMEM;
	for (i = 0; i < d->ntools; i++) {
		r = watch_tool(w->ev, w->t, d->tools[i]);
		if (r >= 0)
			r = tools_get(w->ev->tools, d->tools[i], &tool);
		if (r == -EAGAIN) {
			w->res->unread = true;
			continue;
		}
		if (r < 0)
			return r == -ENOMEM ? r : no_tool(w, d->tools[i], r);
		j->tools[j->ntools++] =
			(struct canon_tool){d->tools[i], tool.addr};
		note_tool(&j->machine, d->tools[i], &tool);
	}
	return buf_err(&j->machine);
}

/* What the recipe says about when it is computed and how it is kept. */
static void take_policy(struct walk *w)
{
	const struct recipe_def *d = w->task->def;

	w->t->eager = d->eager && w->at == NS_NOW;
	w->t->drop_closed = d->keep == RECIPE_KEEP_NEVER;
}

static struct canon_out *canon_outs(const struct task *j)
{
	size_t n = j->def->nouts, i;
	struct canon_out *v = calloc(n + 1, sizeof(*v));

	for (i = 0; v && i < n; i++)
		v[i] = (struct canon_out){j->def->outs[i].name,
					  j->outs[i].file};
	return v;
}

void task_output_addr(const struct task *j, size_t which, struct addr *ret)
{
	results_output_addr(&j->base, j->def->outs[which].name, ret);
}

void task_set_base(struct task *j, const struct addr *base)
{
	j->base = j->recipe = *base;
	if (j->def->nouts)
		task_output_addr(j, j->which, &j->recipe);
}

int walk_encode(struct walk *w)
{
	struct task *j = w->task;
	const struct recipe_def *d = j->def;
	struct canon c = {
		.kind = d->kind,
		.text = d->kind == RECIPE_FN ? d->fn : d->run,
		.argv = (const char *const *)d->argv,
		.argc = d->argc,
		.inputs = j->inputs,
		.ninputs = j->ninputs,
		.params = j->params,
		.nparams = j->nparams,
		.env = j->env,
		.nenv = j->nenv,
		.network = d->network,
		.tools = j->tools,
		.ntools = j->ntools,
		.shape = d->nouts     ? CANON_FILES
			 : d->out_dir ? CANON_DIR
				      : CANON_FILE,
		.out_name = d->nouts ? NULL : j->out_name,
		.nouts = d->nouts,
		.observed = d->observed,
		.depth = d->observed ? j->depth : 0,
		.paths = d->kind == RECIPE_FN && function_find(d->fn)->paths,
	};
	CLEANUP_FREE struct canon_out *outs = canon_outs(j);
	struct addr base;
	int r;

	if (!outs)
		return -ENOMEM;
	c.outs = outs;
	r = canon_encode(&c, &j->canon);
	if (r == -E2BIG)
		return walk_fail(
			w, EIO, 1,
			"the computation (its text and list of inputs) is "
			"longer than 16 MiB");
	if (r < 0)
		return r;
	addr_of(OBJ_RECIPE, j->canon.data, j->canon.len, &base);
	j->key = j->flight = base;
	task_set_base(j, &base);
	return 0;
}

static int check_function(struct walk *w)
{
	struct task *j = w->task;
	const struct function *f = function_find(j->def->fn);
	struct err err = {{0}};
	size_t count = 0, i;
	const char *near;

	if (!f) {
		near = function_near(j->def->fn);
		return walk_fail(w, EINVAL, j->def->run_line,
				 "there is no built-in function `%s`%s%s%s; "
				 "`deriva functions` lists them",
				 j->def->fn, near ? " (did you mean `" : "",
				 near ? near : "", near ? "`?)" : "");
	}
	if (f->makes_dir != j->def->out_dir)
		return walk_fail(w, EINVAL, j->def->run_line,
				 f->makes_dir ? "`%s` makes a directory: say "
						"`out: dir`"
					      : "`%s` makes a file: leave "
						"`out: dir` away",
				 f->name);
	for (i = 0; i < j->ninputs; i++) {
		if (j->inputs[i].dir && !f->dirs)
			return walk_fail(w, EINVAL, j->def->run_line,
					 "`%s` takes files, and `%s` is a "
					 "directory; name what is wanted of "
					 "it, such as `%s/*`",
					 f->name, j->inputs[i].path,
					 j->inputs[i].path);
		count += !j->inputs[i].empty;
	}
	if (function_check(f, j->params, j->nparams, count, &err) < 0)
		return walk_fail(w, EINVAL, j->def->run_line, "%s", err.msg);
	return 0;
}

static int lay_out(struct walk *w)
{
	const struct canon_input *in = NULL;
	int r = task_build_views(w->ev->store, w->task, &in);

	if (r != -EEXIST || !in)
		return r;
	return walk_fail(
		w, EIO, w->task->def->run_line,
		"input `%s` would lie over another input in the "
		"command's view: a directory called `d` is in the way; "
		"use paths from the mount's root (/...) for one of "
		"them",
		in->path);
}

static int load(struct walk *w, const struct defined *d)
{
	struct err err = {{0}};
	unsigned line = 1;
	int r = define_load(w->ev, &d->recipe, &w->task->def, &err), used = 0;

	if (r >= 0)
		r = recipe_def_fill(w->task->def, d->stem, d->stem_len, &err);

	if (r != -EINVAL && r != -E2BIG)
		return r;
	/* "line N: what" becomes "file:N: what" */
	if (sscanf(err.msg, "line %u: %n", &line, &used) != 1)
		used = 0;
	return walk_fail(w, EINVAL, line, "%s", err.msg + used);
}

static char *path_in(struct walk *w, const char *name)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *p;

	if (w->dir == NS_ROOT || ns_path(w->ev->ns, w->at, w->dir, &b) < 0)
		buf_reset(&b);
	if (b.len && b.data[b.len - 1] != '/')
		buf_u8(&b, '/');
	buf_str(&b, name);
	if (buf_err(&b) < 0)
		return NULL;
	p = buf_cstr(&b);
	return strdup(*p == '/' ? p + 1 : p);
}

int walk_label(struct walk *w, const char *file)
{
	struct task *j = w->task;

	j->path = path_in(w, w->t->name);
	j->label = path_in(w, file);
	w->label = j->label;
	return j->label && j->path ? 0 : -ENOMEM;
}

static int in_conflict(struct walk *w, const struct defined *d)
{
	return walk_fail(w, EINVAL, 1,
			 "`%s` is defined by %s as well; one file has one "
			 "recipe: take it out of one of them",
			 w->t->name, d->rival);
}

static int resolve_job(struct walk *w, const struct defined *d)
{
	int r = d->rival[0] ? in_conflict(w, d) : load(w, d);

	if (r >= 0)
		r = fill_values(w->task);
	if (r >= 0) {
		take_policy(w);
		r = take_tools(w);
	}
	if (r >= 0)
		r = walk_inputs(w);
	if (r < 0)
		return r;
	/* the rest makes sense only with all inputs there */
	if (w->res->nneeds || w->res->nwriting || w->res->unread)
		return 0;
	r = task_name_output(w->task, w->t->name);
	if (r < 0)
		return r;
	if (w->task->def->observed)
		return observe_resolve(w);
	if (w->task->def->kind == RECIPE_FN)
		r = check_function(w);
	else
		r = lay_out(w);
	return r < 0 ? r : walk_encode(w);
}

void walk_done(struct walk *w)
{
	free(w->groups);
}

static int undefined(struct walk *w, int r)
{
	struct resolved *res = w->res;

	res->error = ENOENT;
	return err_set(&res->err, 0, "%s: %s", w->task->path,
		       r == -ENOENT ? "no recipe defines it"
				    : "blocked by an ordinary file");
}

int resolve(struct eval *ev, struct target *t, bool settled,
	    struct resolved *ret)
{
	CLEANUP(task_freep) struct task *task = calloc(1, sizeof(*task));
	struct finder finder = {.ev = ev, .watcher = t, .at = t->at};
	struct defined d = {.file = ""};
	CLEANUP(walk_done)
	struct walk w = {
		.ev = ev,
		.t = t,
		.at = t->at,
		.dir = t->dir,
		.finder = &finder,
		.owner = &d.recipe,
		.settled = settled,
		.res = ret,
		.task = task,
		.ngroups = -1,
	};
	int r, defined;

	if (!task)
		return -ENOMEM;
	ret->mark = ++ev->marks;
	watch_drop(ev, t);
	patterns_trim(ev);
	defined = define_find(&finder, t->dir, t->name, t->len, NULL, &d);
	if (defined < 0 && defined != -ENOENT && defined != -EEXIST)
		return defined;
	r = walk_label(&w, d.file);
	if (r < 0)
		return r;
	if (defined < 0)
		return undefined(&w, defined);
	if (r >= 0)
		r = walk_use_inode(&w, d.recipe.ino);
	if (r >= 0 && !ret->nwriting)
		r = resolve_job(&w, &d);
	if (r < 0 && r != -ECANCELED)
		return r;
	/* what is being written may mend what looks wrong now */
	if (ret->nwriting || ret->nneeds || ret->unread)
		ret->error = 0;
	else if (!ret->error)
		ret->task = steal(&task);
	return 0;
}

void resolved_done(struct resolved *r)
{
	task_free(r->task);
	free(r->needs);
	free(r->writing);
	free(r->dropped);
}

void addr_of_flight(struct task *j, const struct target *t)
{
	uint8_t b[ADDR_LEN + 2 * sizeof(uint64_t)];

	memcpy(b, j->key.b, ADDR_LEN);
	memcpy(b + ADDR_LEN, &t->dir, sizeof(t->dir));
	memcpy(b + ADDR_LEN + sizeof(t->dir), &t->at, sizeof(t->at));
	addr_derive("deriva flight v1", b, sizeof(b), &j->flight);
}

void task_keep(struct task *j, struct store *s)
{
	size_t i;

	for (i = 0; i < j->ninputs; i++)
		store_keep(s, &j->inputs[i].addr);
	j->kept = s;
}

void task_free(struct task *j)
{
	size_t i;

	if (!j)
		return;
	for (i = 0; j->kept && i < j->ninputs; i++)
		store_release(j->kept, &j->inputs[i].addr);
	for (i = 0; i < j->ninputs; i++)
		free((char *)(uintptr_t)j->inputs[i].path);
	for (i = 0; j->outs && i < j->def->nouts; i++)
		free(j->outs[i].file);
	free(j->outs);
	free(j->inputs);
	free(j->params);
	free(j->env);
	free(j->tools);
	buf_done(&j->machine);
	free(j->label);
	free(j->path);
	buf_done(&j->canon);
	view_free(j->work);
	view_free(j->root);
	observe_free(j->observe);
	recipe_def_free(j->def);
	free(j);
}
