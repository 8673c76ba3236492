/* Explanations, from the rows: what a name holds, what made it, from which
 * inputs, what that cost, and in what it differs from the time before.
 */
#include "recipes/eval.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/verified.h"
#include "recipes/canon.h"
#include "recipes/observe_why.h"
#include "recipes/task.h"

struct why {
	struct eval *ev;
	struct derived d;
	struct canon_decoded *now, *before;
	struct trace *saw, *saw_before; /* of observed inputs */
	struct buf *out;
	const char *word; /* that differences begin with */
	bool stale;
	bool was_failed; /* the time before it did not get as far as running */
};

static void why_done(struct why *w)
{
	canon_decoded_freep(&w->now);
	canon_decoded_freep(&w->before);
	trace_freep(&w->saw);
	trace_freep(&w->saw_before);
}

static void add_addr(struct buf *b, const struct addr *a)
{
	char hex[ADDR_HEX];

	addr_hex(a, hex);
	buf_add(b, hex, 16); /* enough to tell them apart by eye */
}

static void add_duration(struct buf *b, int64_t ns)
{
	char text[32];

	duration_format(ns, text, sizeof(text));
	buf_str(b, text);
}

static void add_time(struct buf *b, int64_t ns)
{
	char text[48];

	time_format(ns, text, sizeof(text));
	buf_str(b, text);
}

static int load(struct eval *ev, const struct addr *recipe,
		struct canon_decoded **ret, struct trace **ret_saw)
{
	CLEANUP_BUF struct buf bytes = BUF_INIT;
	struct addr key, base;
	int r;

	if (addr_is_zero(recipe))
		return -ENOENT;
	if (results_output(ev->results, recipe, &base, NULL) < 0)
		base = *recipe;
	r = trace_load(ev, &base, &key, ret_saw);
	if (r >= 0)
		r = results_get_recipe(ev->results, &key, &bytes);
	return r < 0 ? r : canon_decode(bytes.data, bytes.len, ret);
}

/* The computation before the row's, past failures that came to none. */
static void load_before(struct why *w)
{
	struct addr before = w->d.before;
	struct derived d = w->d;

	while (addr_is_zero(&before) &&
	       results_derived(w->ev->results, d.seq - 1, d.dir, w->d.name,
			       strlen(w->d.name), &d) == 0) {
		w->was_failed = true;
		before = d.recipe;
	}
	if (load(w->ev, &before, &w->before, &w->saw_before) < 0)
		w->before = NULL;
}

static void add_input_name(struct buf *b, const struct canon_input *in)
{
	if (in->path_len)
		buf_add(b, in->path, in->path_len);
	else if (in->name)
		buf_fmt(b, "%s[%u]", in->name, in->position);
	else
		buf_fmt(b, "input %u", in->position + 1);
}

/* Of several outputs of one run: which this is, and which others there are. */
static void tell_outs(struct why *w, const struct canon *c)
{
	CLEANUP_BUF struct buf own = BUF_INIT;
	const char *before = " of one run, with ";
	struct addr base;
	size_t i;

	if (!c->nouts ||
	    results_output(w->ev->results, &w->d.recipe, &base, &own) < 0)
		return;
	buf_fmt(w->out, "output: %s", buf_cstr(&own));
	for (i = 0; i < c->nouts; i++) {
		if (!strcmp(c->outs[i].name, buf_cstr(&own)))
			continue;
		buf_fmt(w->out, "%s%s", before, c->outs[i].name);
		before = ", ";
	}
	buf_u8(w->out, '\n');
}

static void tell_made(struct why *w)
{
	const struct canon *c = canon_get(w->now);
	size_t i;

	switch (c->kind) {
	case RECIPE_RUN_SHELL:
		buf_fmt(w->out, "made by: %s%s", c->text,
			strlen(c->text) && c->text[strlen(c->text) - 1] == '\n'
				? ""
				: "\n");
		break;
	case RECIPE_RUN_ARGV:
		buf_str(w->out, "made by:");
		for (i = 0; i < c->argc; i++)
			buf_fmt(w->out, " %s", c->argv[i]);
		buf_u8(w->out, '\n');
		break;
	case RECIPE_FN:
		buf_fmt(w->out, "made by: built-in function %s\n", c->text);
		break;
	}
	tell_outs(w, c);
	for (i = 0; i < c->nparams; i++)
		buf_fmt(w->out, "param: %s=%s\n", c->params[i].name,
			c->params[i].value);
	for (i = 0; i < c->nenv; i++)
		buf_fmt(w->out, "env: %s%s%s\n", c->env[i].name,
			c->env[i].value ? "=" : " is not set",
			c->env[i].value ? c->env[i].value : "");
	for (i = 0; i < c->ninputs; i++) {
		buf_str(w->out, "input: ");
		add_input_name(w->out, &c->inputs[i]);
		buf_str(w->out, "  ");
		add_addr(w->out, &c->inputs[i].addr);
		buf_u8(w->out, '\n');
	}
	if (c->observed)
		trace_tell(w->saw, c->depth, w->out);
}

static int tell_unread(void *ctx, const char *path, size_t len)
{
	struct buf *out = ctx;

	buf_str(out, "never read: ");
	buf_add(out, path, len);
	buf_str(out, " (an input that the command did not look at)\n");
	return buf_err(out);
}

/* Inputs by what a person would call the same one: name and path, or position
 * where there is no path. */
static void input_key(const struct canon_input *in, struct buf *ret)
{
	buf_reset(ret);
	buf_str(ret, in->name ? in->name : "");
	buf_u8(ret, '\0');
	if (in->path_len)
		buf_add(ret, in->path, in->path_len);
	else
		buf_u32(ret, in->position);
}

static int index_inputs(const struct canon *c, struct map **ret)
{
	CLEANUP(map_freep) struct map *m = map_new();
	CLEANUP_BUF struct buf key = BUF_INIT;
	size_t i;
	int r;

	if (!m)
		return -ENOMEM;
	for (i = c->ninputs; i-- > 0;) {
		input_key(&c->inputs[i], &key);
		r = buf_err(&key);
		if (r >= 0)
			r = map_put(m, key.data, key.len,
				    (void *)(uintptr_t)&c->inputs[i], NULL);
		if (r < 0)
			return r;
	}
	*ret = steal(&m);
	return 0;
}

static const struct canon_input *find_input(const struct map *m,
					    const struct canon_input *in,
					    struct buf *key)
{
	input_key(in, key);
	return map_get(m, key->data, key->len);
}

static void tell_input(struct why *w, const struct canon_input *in,
		       const struct canon_input *old)
{
	buf_fmt(w->out, "%s: ", w->word);
	add_input_name(w->out, in);
	if (!old) {
		buf_str(w->out, " is a new input\n");
		return;
	}
	buf_str(w->out, " changed from ");
	add_addr(w->out, &old->addr);
	buf_str(w->out, " to ");
	add_addr(w->out, &in->addr);
	buf_u8(w->out, '\n');
}

static int tell_inputs(struct why *w, const struct canon *now,
		       const struct canon *then, unsigned *told)
{
	CLEANUP(map_freep) struct map *news = NULL, *olds = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT;
	const struct canon_input *in, *old;
	size_t i;
	int r = index_inputs(now, &news);

	if (r >= 0)
		r = index_inputs(then, &olds);
	if (r < 0)
		return r;
	for (i = 0; i < now->ninputs; i++) {
		in = &now->inputs[i];
		old = find_input(olds, in, &key);
		if (old && addr_eq(&old->addr, &in->addr) &&
		    old->executable == in->executable)
			continue;
		tell_input(w, in, old);
		++*told;
	}
	for (i = 0; i < then->ninputs; i++) {
		if (find_input(news, &then->inputs[i], &key))
			continue;
		buf_fmt(w->out, "%s: ", w->word);
		add_input_name(w->out, &then->inputs[i]);
		buf_str(w->out, " is an input no more\n");
		++*told;
	}
	return buf_err(&key);
}

static bool same_values(const struct canon_value *a, size_t na,
			const struct canon_value *b, size_t nb)
{
	size_t i;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		if (strcmp(a[i].name, b[i].name) ||
		    !a[i].value != !b[i].value ||
		    (a[i].value && strcmp(a[i].value, b[i].value)))
			return false;
	return true;
}

static bool same_outs(const struct canon *a, const struct canon *b)
{
	size_t i;

	if (a->shape != b->shape || a->nouts != b->nouts ||
	    (a->out_name && strcmp(a->out_name, b->out_name)))
		return false;
	for (i = 0; i < a->nouts; i++)
		if (strcmp(a->outs[i].name, b->outs[i].name) ||
		    strcmp(a->outs[i].file, b->outs[i].file))
			return false;
	return true;
}

static bool same_command(const struct canon *a, const struct canon *b)
{
	size_t i;

	if (a->kind != b->kind || a->argc != b->argc || !same_outs(a, b))
		return false;
	if (a->kind != RECIPE_RUN_ARGV)
		return !strcmp(a->text, b->text);
	for (i = 0; i < a->argc; i++)
		if (strcmp(a->argv[i], b->argv[i]))
			return false;
	return true;
}

/* Both are sorted by name. */
static void tell_tools(struct why *w, const struct canon *now,
		       const struct canon *then, unsigned *told)
{
	size_t i = 0, k = 0;
	bool same;
	int c;

	while (i < now->ntools || k < then->ntools) {
		same = false;
		c = i == now->ntools ? 1
		    : k == then->ntools
			    ? -1
			    : strcmp(now->tools[i].name, then->tools[k].name);
		if (c < 0)
			buf_fmt(w->out, "%s: %s is a new tool\n", w->word,
				now->tools[i].name);
		else if (c > 0)
			buf_fmt(w->out, "%s: %s is a tool no more\n", w->word,
				then->tools[k].name);
		else if (!addr_eq(&now->tools[i].addr, &then->tools[k].addr))
			buf_fmt(w->out, "%s: tool %s is another program now\n",
				w->word, now->tools[i].name);
		else
			same = true;
		*told += !same;
		i += c <= 0;
		k += c >= 0;
	}
}

/* In what two computations differ; *ret: how many lines that took. */
static int tell_differences(struct why *w, const struct canon *now,
			    const struct canon *then, unsigned *ret)
{
	unsigned told = 0;
	int r;

	if (!same_command(now, then) && ++told)
		buf_fmt(w->out, "%s: the %s changed\n", w->word,
			now->kind == RECIPE_FN ? "function" : "command");
	if (!same_values(now->params, now->nparams, then->params,
			 then->nparams) &&
	    ++told)
		buf_fmt(w->out, "%s: params changed\n", w->word);
	if (!same_values(now->env, now->nenv, then->env, then->nenv) && ++told)
		buf_fmt(w->out, "%s: the environment changed\n", w->word);
	tell_tools(w, now, then, &told);
	if (now->network != then->network && ++told)
		buf_fmt(w->out, "%s: the network is %s\n", w->word,
			now->network ? "there now" : "gone");
	r = tell_inputs(w, now, then, &told);
	*ret = told;
	return r;
}

static int tell_reason(struct why *w)
{
	const struct canon *now = canon_get(w->now), *then;
	unsigned told = 0;
	int r;

	if (w->was_failed)
		buf_str(w->out, "because: what it failed for is mended\n");
	else if (!w->before)
		buf_str(w->out, "because: it had never been computed\n");
	if (!w->before)
		return 0;
	then = canon_get(w->before);
	r = tell_differences(w, now, then, &told);
	if (r >= 0 && now->observed && then->observed)
		r = trace_compare(w->saw, w->saw_before, now->depth, w->out,
				  &told);
	if (r >= 0 && !told && !w->was_failed)
		buf_str(w->out, "because: it was asked to run again\n");
	return r;
}

/* What the next evaluation would find, as far as that is known without
 * computing any input; in the past that has just begun, where nothing is
 * watched. */
static int tell_since(struct why *w, const char *name, size_t len)
{
	CLEANUP(canon_decoded_freep) struct canon_decoded *next = NULL;
	CLEANUP(resolved_done) struct resolved res = {0};
	struct eval *ev = w->ev;
	struct target *t = target_get(ev, ns_last_change(ev->ns), w->d.dir,
				      name, len, true);
	unsigned told = 0;
	size_t i;
	int r;

	if (!t || t->phase != PHASE_IDLE)
		return t ? 0 : -ENOMEM;
	r = resolve(ev, t, true, &res);
	if (r < 0)
		return r;
	for (i = 0; i < res.nneeds; i++)
		buf_fmt(w->out,
			"since then: its input %s has to be computed "
			"anew\n",
			res.needs[i]->name);
	if (res.error)
		buf_fmt(w->out, "since then: %s\n", res.err.msg);
	if (!res.task)
		return buf_err(w->out);
	r = canon_decode(res.task->canon.data, res.task->canon.len, &next);
	if (r < 0)
		return r;
	w->word = "since then";
	return tell_differences(w, canon_get(next), canon_get(w->now), &told);
}

static void tell_verified(struct why *w)
{
	char hex[ADDR_HEX];
	struct verified v;

	if (verified_get(w->ev->db, &w->d.recipe, &v) < 0)
		return;
	if (v.times)
		buf_fmt(w->out,
			"verified: made again %llu %s, with the same content\n",
			(unsigned long long)v.times,
			v.times == 1 ? "time" : "times");
	if (v.message[0])
		buf_fmt(w->out, "not reproducible: made again it failed: %s\n",
			v.message);
	if (addr_is_zero(&v.other))
		return;
	addr_hex(&v.other, hex);
	buf_fmt(w->out, "not reproducible: made again, ");
	add_time(w->out, v.other_ns);
	buf_fmt(w->out, ", it was another content, which is kept, too: %s\n",
		hex);
}

static void tell_result(struct why *w)
{
	struct result res;
	char size[32];

	if (results_get(w->ev->results, &w->d.recipe, &res) < 0)
		return;
	buf_str(w->out, w->d.ran ? "ran: " : "found in the store, ran: ");
	add_time(w->out, res.when_ns);
	buf_str(w->out, "\ncost: ");
	add_duration(w->out, res.wall_ns);
	if (res.cpu_ns) {
		buf_str(w->out, ", processor time ");
		add_duration(w->out, res.cpu_ns);
	}
	if (res.memory) {
		size_format(res.memory, size, sizeof(size));
		buf_fmt(w->out, ", memory %s", size);
	}
	if (res.uses) {
		buf_fmt(w->out, "\nsaved: found %llu %s instead of run, ",
			(unsigned long long)res.uses,
			res.uses == 1 ? "time" : "times");
		add_duration(w->out, (int64_t)res.uses * res.wall_ns);
	}
	buf_u8(w->out, '\n');
	tell_verified(w);
	if (res.keep)
		buf_fmt(w->out, "keep: %s\n",
			res.keep == RECIPE_KEEP_ALWAYS ? "always" : "never");
	if (canon_get(w->now)->network)
		buf_str(w->out, "network: used, so it is never taken for "
				"reproducible\n");
	/* what of the machine it was made with */
	if (results_get_machine(w->ev->results, &w->d.recipe, w->out) < 0)
		return;
}

static void tell_state(struct why *w, uint64_t at, const char *name, size_t len,
		       struct buf *message)
{
	enum eval_state state;
	struct eval_value value;
	bool now;

	if (eval_peek(w->ev, at, w->d.dir, name, len, &state, &value, &now,
		      message) < 0)
		return;
	w->stale = state == EVAL_STALE && at == NS_NOW;
	buf_fmt(w->out, "state: %s%s\n", eval_state_name(state),
		state == EVAL_STALE
			? " (not asked for since something changed, or since "
			  "the mount; what follows is the last time)"
			: "");
}

int eval_why(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	     size_t len, struct buf *ret)
{
	CLEANUP_BUF struct buf message = BUF_INIT;
	CLEANUP(why_done)
	struct why w = {.ev = ev, .out = ret, .word = "because"};
	struct ns_attr recipe;
	struct addr run;
	int r = eval_defined(ev, at, dir, name, len, &recipe);

	if (r < 0)
		return r;
	w.d.dir = dir;
	buf_add(ret, name, len);
	buf_str(ret, "\n");
	tell_state(&w, at, name, len, &message);
	r = results_derived(ev->results, at, dir, name, len, &w.d);
	if (r == -ENOENT) {
		buf_fmt(ret, "never computed; `cat %.*s` computes it\n",
			(int)len, name);
		return buf_err(ret);
	}
	if (r < 0)
		return r;
	if (message.len)
		buf_fmt(ret, "error: %s\n", buf_cstr(&message));
	else if (w.d.error)
		buf_fmt(ret, "error: %s\n", err_name(w.d.error));
	if (!w.d.error) {
		buf_str(ret, "content: ");
		add_addr(ret, &w.d.addr);
		buf_fmt(ret, "  %llu bytes, since ",
			(unsigned long long)w.d.size);
		add_time(ret, w.d.since_ns);
		buf_u8(ret, '\n');
	}
	if (load(ev, &w.d.recipe, &w.now, &w.saw) < 0)
		return buf_err(ret); /* it did not get as far as running */
	load_before(&w);
	buf_str(ret, "recipe: ");
	eval_computation(ev, &w.d.recipe, &run);
	add_addr(ret, &run);
	buf_u8(ret, '\n');
	tell_made(&w);
	r = observed_each_unread(ev->observed, &w.d.recipe, tell_unread, ret);
	if (r < 0)
		return r;
	tell_result(&w);
	r = tell_reason(&w);
	if (r >= 0 && w.stale)
		r = tell_since(&w, name, len);
	return r < 0 ? r : buf_err(ret);
}

int why_because(struct results *results, struct observed *observed,
		const struct derived *d, struct buf *ret)
{
	struct eval ev = {.results = results, .observed = observed};
	CLEANUP(why_done)
	struct why w = {.ev = &ev, .d = *d, .out = ret, .word = "because"};
	int r;

	if (load(&ev, &d->recipe, &w.now, &w.saw) < 0)
		return 0; /* it did not get as far as running */
	load_before(&w);
	r = tell_reason(&w);
	return r < 0 ? r : buf_err(ret);
}
