/* One computation as a directory: what ran, on what, and what it gave. Inputs
 * and outputs are links to the objects, so that they cost nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cas/blob.h"
#include "core/clock.h"
#include "core/verified.h"
#include "recipes/canon.h"
#include "recipes/dir_out.h"
#include "recipes/eval.h"
#include "recipes/observe_why.h"

struct making {
	struct eval *ev;
	struct dir_out *out;
	const struct canon *c;
	struct err err;
};

static int put_text(struct making *m, const char *name, const struct buf *text)
{
	struct addr a;
	int r = buf_err(text);

	if (r >= 0)
		r = blob_put(m->ev->store, text->data, text->len, &a);
	return r < 0 ? r
		     : dir_out_file(m->out, name, &a, text->len, false,
				    &m->err);
}

/* A link from .deriva/recipes/HEX/PATH to .deriva/by-addr/HEX. */
static int put_link(struct making *m, const char *path, const struct addr *a)
{
	CLEANUP_BUF struct buf to = BUF_INIT;
	char hex[ADDR_HEX];
	const char *p;

	buf_str(&to, "../../");
	for (p = path; *p; p++)
		if (*p == '/')
			buf_str(&to, "../");
	addr_hex(a, hex);
	buf_fmt(&to, "by-addr/%s", hex);
	if (buf_err(&to) < 0)
		return -ENOMEM;
	return dir_out_link(m->out, path, buf_cstr(&to), &m->err);
}

static int put_function(struct making *m)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const struct canon *c = m->c;
	size_t i;

	if (c->kind == RECIPE_RUN_ARGV)
		for (i = 0; i < c->argc; i++)
			buf_fmt(&b, "%s\n", c->argv[i]);
	else
		buf_fmt(&b, "%s%s", c->text,
			*c->text && c->text[strlen(c->text) - 1] == '\n'
				? ""
				: "\n");
	return put_text(m, "function", &b);
}

static int put_params(struct making *m)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	const struct canon *c = m->c;
	size_t i;

	for (i = 0; i < c->nparams; i++)
		buf_fmt(&b, "%s=%s\n", c->params[i].name, c->params[i].value);
	for (i = 0; i < c->nenv; i++)
		if (c->env[i].value)
			buf_fmt(&b, "%s=%s\n", c->env[i].name, c->env[i].value);
	return put_text(m, "params", &b);
}

/* Inputs lie under their paths; what climbs, or comes from the root, in
 * directories of these names. Without paths (functions), by name or number. */
static void input_path(const struct canon_input *in, size_t i, struct buf *ret)
{
	const char *p = in->path;

	buf_str(ret, "inputs/");
	if (!in->path_len) {
		if (in->name)
			buf_fmt(ret, in->position ? "%s.%u" : "%s", in->name,
				in->position + 1);
		else
			buf_fmt(ret, "%zu", i + 1);
		return;
	}
	if (*p == '/') {
		buf_str(ret, "root/");
		p++;
	}
	for (; !strncmp(p, "../", 3); p += 3)
		buf_str(ret, "up/");
	buf_str(ret, p);
}

static int put_inputs(struct making *m, const struct trace *saw)
{
	CLEANUP_BUF struct buf seen = BUF_INIT;
	const struct canon *c = m->c;
	size_t i;
	int r = dir_out_dir(m->out, "inputs", &m->err);

	for (i = 0; r >= 0 && i < c->ninputs; i++) {
		CLEANUP_BUF struct buf path = BUF_INIT;

		if (c->inputs[i].empty)
			continue;
		input_path(&c->inputs[i], i, &path);
		if (buf_err(&path) < 0)
			return -ENOMEM;
		r = put_link(m, buf_cstr(&path), &c->inputs[i].addr);
		if (r == -EEXIST || r == -EINVAL || r == -E2BIG)
			r = 0; /* it lies in a directory that is an input */
	}
	if (r < 0 || !c->observed)
		return r;
	trace_tell(saw, c->depth, &seen);
	return put_text(m, "observed", &seen);
}

static int put_result(struct making *m, const struct addr *recipe,
		      const char *suffix)
{
	CLEANUP_BUF struct buf b = BUF_INIT, name = BUF_INIT;
	struct verified v;
	struct result res;
	int r = results_get(m->ev->results, recipe, &res);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (res.error) {
		buf_fmt(&b, "%s\n", res.message);
		return put_text(m, "error", &b);
	}
	buf_fmt(&name, "output%s%s", *suffix ? "/" : "", suffix);
	r = buf_err(&name);
	if (r >= 0)
		r = put_link(m, buf_cstr(&name), &res.addr);
	if (r < 0 || verified_get(m->ev->db, recipe, &v) < 0 ||
	    addr_is_zero(&v.other))
		return r;
	buf_reset(&name);
	buf_fmt(&name, "other%s%s", *suffix ? "/" : "", suffix);
	r = buf_err(&name);
	return r < 0 ? r : put_link(m, buf_cstr(&name), &v.other);
}

static int put_results(struct making *m, const struct addr *base)
{
	const struct canon *c = m->c;
	struct addr output;
	size_t i;
	int r = 0;

	if (!c->nouts)
		return put_result(m, base, "");
	for (i = 0; r >= 0 && i < c->nouts; i++) {
		results_output_addr(base, c->outs[i].name, &output);
		r = put_result(m, &output, c->outs[i].name);
	}
	return r;
}

static int make(struct making *m, const struct addr *base,
		const struct trace *saw, struct addr *ret)
{
	unsigned ticket = store_enter(m->ev->store);
	int r = put_function(m);

	if (r >= 0)
		r = put_params(m);
	if (r >= 0)
		r = put_inputs(m, saw);
	if (r >= 0)
		r = put_results(m, base);
	if (r >= 0)
		r = dir_out_finish(m->out, ret, NULL);
	store_leave(m->ev->store, ticket);
	m->ev->host.wrote(m->ev->host.ctx);
	return r;
}

int eval_recipe_dir(struct eval *ev, const struct addr *recipe,
		    struct addr *ret)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *canon = NULL;
	CLEANUP(dir_out_freep) struct dir_out *out = NULL;
	CLEANUP(trace_freep) struct trace *saw = NULL;
	CLEANUP_BUF struct buf bytes = BUF_INIT;
	struct making m = {.ev = ev};
	struct addr base, key;
	int r;

	eval_computation(ev, recipe, &base);
	r = trace_load(ev, &base, &key, &saw);
	if (r >= 0)
		r = results_get_recipe(ev->results, &key, &bytes);
	if (r >= 0)
		r = canon_decode(bytes.data, bytes.len, &canon);
	if (r < 0)
		return r;
	out = dir_out_new(ev->store);
	if (!out)
		return -ENOMEM;
	m.out = out;
	m.c = canon_get(canon);
	return make(&m, &base, saw, ret);
}
