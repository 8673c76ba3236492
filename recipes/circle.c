/* Waiting for inputs, and what stands against it: circles.
 *
 * A target that would wait for itself over any number of steps, and all those
 * on the way, fail with ELOOP together, so that all of them become fresh
 * together and a change of one marks the others. What has changed since it
 * began to wait may not need any more what it waits for: it is looked at anew
 * before anything is called a circle.
 */
#include "recipes/schedule.h"

#include <errno.h>

#include "recipes/define.h"

/* waits_for() found a way back to t. Whoever on it has changed since it began
 * to wait resolves again; false: nobody has. */
static bool loosen(struct eval *ev, struct target *t)
{
	struct target *x, *via;
	bool any = false;

	for (x = t->via; x; x = via) {
		via = x->via;
		if (!x->changed || x->phase != PHASE_WAITING)
			continue;
		needs_drop(ev, x);
		if (x->phase == PHASE_WAITING)
			make_ready(ev, x);
		any = true;
	}
	return any;
}

/* As a person knows it: a directory's target has no name of its own. */
static void add_shown(struct eval *ev, const struct target *t, struct buf *ret)
{
	size_t start = ret->len;

	if (!target_is_dir(t)) {
		buf_str(ret, t->name);
		return;
	}
	if (ns_path(ev->ns, t->at, t->dir, ret) < 0 && ret->len == start)
		buf_str(ret, "?");
	buf_u8(ret, '/');
}

static void fail_one(struct eval *ev, struct target *t, struct target *to)
{
	CLEANUP_BUF struct buf from = BUF_INIT, input = BUF_INIT;
	struct finder f = {.ev = ev, .at = t->at};
	struct defined d;
	struct err err;

	if (target_is_dir(t) ||
	    define_find(&f, t->dir, t->name, t->len, NULL, &d) < 0)
		add_shown(ev, t, &from);
	else
		buf_str(&from, d.file);
	add_shown(ev, to, &input);
	err_set(&err, 0,
		"%s: needs itself, through its input `%s`; break the circle "
		"in one of the recipes",
		buf_cstr(&from), buf_cstr(&input));
	finish_failed(ev, t, ELOOP, err.msg, NULL, false, NULL);
}

/* t needs `first`, and waits_for() found the way from there back to t. */
static void fail_circle(struct eval *ev, struct target *t, struct target *first)
{
	bool changed = t->changed || t->blind, shaky = t->shaky;
	struct target *x, *next, *via;

	for (x = t->via; x; x = x->via) {
		changed = changed || x->changed || x->blind;
		shaky = shaky || x->shaky;
	}
	needs_drop(ev, t);
	for (x = t->via; x; x = x->via)
		needs_drop(ev, x);
	next = t;
	for (x = t->via; x; next = x, x = via) {
		via = x->via;
		x->changed = changed;
		x->shaky = shaky;
		fail_one(ev, x, next);
	}
	t->changed = changed;
	t->shaky = shaky;
	fail_one(ev, t, first);
}

/* 0: it waits for that input, too; 1: t has come to its end; -errno. */
static int wait_for(struct eval *ev, struct target *t, struct target *to,
		    uint64_t *mark)
{
	int r;

	while (waits_for(to, t, *mark)) {
		if (!loosen(ev, t)) {
			fail_circle(ev, t, to);
			return 1;
		}
		*mark = ++ev->marks;
		if (!wanted(t)) { /* but by those that look anew now */
			needs_drop(ev, t);
			target_phase(ev, t, PHASE_IDLE);
			return 1;
		}
	}
	r = need_add(t, to, false);
	if (r < 0)
		return r;
	/* computing it takes time already, or would: so would this */
	if (t->needs->dry && (to->refused == ev->news ||
			      (to->phase >= PHASE_WAITING && in_earnest(to))))
		return -EAGAIN;
	start(ev, to);
	return 0;
}

void wait_for_inputs(struct eval *ev, struct target *t,
		     struct target *const *needs, size_t count)
{
	uint64_t mark = ++ev->marks;
	size_t i;
	int r;

	for (i = 0; i < count; i++) {
		r = wait_for(ev, t, needs[i], &mark);
		if (r > 0)
			return;
		if (r < 0) {
			needs_drop(ev, t);
			finish(ev, t, r);
			return;
		}
	}
	target_phase(ev, t, PHASE_WAITING);
	if (in_earnest(t))
		refuse_dry(ev, t);
}
