/* What a derived name depends on, without computing anything: one line of JSON
 * for the name, then one for each of its inputs.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "recipes/observe_why.h"
#include "recipes/walk.h"

struct graph {
	struct walk *w;
	struct buf *out;
};

/* As a path from the root, of one that is relative to the recipe. */
static int from_root(const struct walk *w, const char *text, struct buf *ret)
{
	CLEANUP_BUF struct buf plain = BUF_INIT, dir = BUF_INIT;
	unsigned up;
	size_t n;
	int r = plain_path(text, &plain, &up);

	if (r < 0)
		return r;
	if (*text != '/' && w->dir != NS_ROOT) {
		r = ns_path(w->ev->ns, w->at, w->dir, &dir);
		if (r < 0)
			return r;
		for (n = dir.len; up && n; up--)
			while (n && dir.data[--n] != '/')
				;
		if (n > 1)
			buf_add(ret, dir.data + 1, n - 1);
		if (ret->len && plain.len)
			buf_u8(ret, '/');
	}
	buf_add(ret, plain.data, plain.len);
	return buf_err(ret);
}

static int add_input(struct graph *g, const char *text, const char *kind)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	int r = from_root(g->w, text, &path);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	buf_str(g->out, "{\"input\":");
	buf_json(g->out, buf_cstr(&path), path.len);
	buf_fmt(g->out, ",\"kind\":\"%s\"}\n", kind);
	return buf_err(g->out);
}

static int note(void *ctx, const char *text, const struct found *f)
{
	const char *kind = !f			   ? "missing"
			   : f->derived || f->tree ? "derived"
			   : S_ISDIR(f->attr.mode) ? "directory"
						   : "source";

	return add_input(ctx, text, kind);
}

/* What was seen the last time is all that is known. */
static int note_seen(void *ctx, const char *text, bool there)
{
	struct graph *g = ctx;
	struct found f;
	unsigned up;
	uint64_t dir;
	CLEANUP_BUF struct buf plain = BUF_INIT;
	int r = plain_path(text, &plain, &up);

	if (!there)
		return 0;
	if (r >= 0)
		r = walk_start(g->w, text, up, &dir);
	if (r >= 0)
		r = walk_follow(g->w, dir, buf_cstr(&plain), plain.len, &f);
	if (r == -ENOMEM)
		return r;
	return note(g, text, r < 0 ? NULL : &f);
}

static int seen_inputs(struct graph *g, const struct derived *d)
{
	CLEANUP(trace_freep) struct trace *saw = NULL;
	struct eval *ev = g->w->ev;
	struct addr base, key;
	int r;

	eval_computation(ev, &d->recipe, &base);
	r = trace_load(ev, &base, &key, &saw);
	return r < 0 ? r
		     : trace_files(saw, observe_depth_of(ev, &key), note_seen,
				   g);
}

static int add_name(struct graph *g, const struct target *t,
		    const struct defined *d)
{
	struct eval *ev = g->w->ev;
	enum eval_state state;
	struct eval_value v;
	bool now;
	int r = eval_peek(ev, NS_NOW, t->dir, t->name, t->len, &state, &v, &now,
			  NULL);

	if (r < 0)
		return r;
	buf_str(g->out, "{\"path\":");
	buf_json(g->out, g->w->task->path, strlen(g->w->task->path));
	buf_fmt(g->out,
		",\"state\":\"%s\",\"recipe\":", eval_state_name(state));
	buf_json(g->out, g->w->label, strlen(g->w->label));
	buf_fmt(g->out, ",\"pattern\":%s}\n", d->stem_len ? "true" : "false");
	return buf_err(g->out);
}

static int add_inputs(struct graph *g, const struct target *t,
		      const struct defined *d)
{
	struct walk *w = g->w;
	struct derived row;
	struct err err;
	int r = define_load(w->ev, &d->recipe, &w->task->def, &err);

	if (r >= 0)
		r = recipe_def_fill(w->task->def, d->stem, d->stem_len, &err);
	if (r < 0) /* reading it says what is wrong */
		return r == -ENOMEM ? r : 0;
	if (!w->task->def->observed)
		return walk_inputs(w);
	r = results_derived(w->ev->results, NS_NOW, t->dir, t->name, t->len,
			    &row);
	return r < 0 ? 0 : seen_inputs(g, &row);
}

int eval_graph(struct eval *ev, uint64_t dir, const char *name, size_t len,
	       struct buf *ret)
{
	CLEANUP(task_freep) struct task *task = calloc(1, sizeof(*task));
	CLEANUP_FREE struct target *t = calloc(1, sizeof(*t) + len + 1);
	struct finder finder = {.ev = ev, .at = NS_NOW};
	CLEANUP(resolved_done) struct resolved res = {0};
	struct defined d = {.file = ""};
	struct graph g = {.out = ret};
	CLEANUP(walk_done)
	struct walk w = {
		.ev = ev,
		.t = t,
		.at = NS_NOW,
		.dir = dir,
		.finder = &finder,
		.owner = &d.recipe,
		.settled = true,
		.res = &res,
		.task = task,
		.ngroups = -1,
		.note = note,
		.note_ctx = &g,
	};
	int r;

	if (!task || !t)
		return -ENOMEM;
	/* it is no target of the present, so that nothing is watched for it */
	t->dir = dir;
	t->len = len;
	memcpy(t->name, name, len);
	res.mark = ++ev->marks;
	g.w = &w;
	r = define_find(&finder, dir, name, len, NULL, &d);
	if (r >= 0)
		r = walk_label(&w, d.file);
	if (r >= 0)
		r = add_name(&g, t, &d);
	if (r >= 0)
		r = add_inputs(&g, t, &d);
	return r == -ECANCELED ? 0 : r;
}
