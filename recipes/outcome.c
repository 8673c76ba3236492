/* The end of an evaluation: values, rows about them, answers.
 *
 * Callbacks come from here, with db_lock() held. They may ask anew; they may
 * not cancel other waiters of the same target.
 */
#include "recipes/schedule.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "recipes/upkeep.h"

int reader_errno(int rc)
{
	switch (rc) {
	case -ENOMEM:
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -ENODATA: /* of the past, let go of */
	case -EMFILE:
	case -ENFILE:
	case -ECANCELED:
		return rc;
	default:
		return -EIO;
	}
}

void target_message(struct target *t, const char *message)
{
	free(t->message);
	t->message = message && *message ? strdup(message) : NULL;
}

/* --- answers ------------------------------------------------------------ */

static void answer(struct eval_wait *w, int rc, const struct eval_value *value)
{
	struct target *t = w->target;

	if (w->prev)
		w->prev->next = w->next;
	else
		t->waits = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->fn(w->ctx, rc, value);
	free(w);
}

/* Those that wait for t go on; or, when nothing is left to wait for and t came
 * to no value, end like it: they go on the list. */
static void release(struct eval *ev, struct target *t, int rc,
		    struct queue *list)
{
	struct target *from;

	while (t->needed_by) {
		from = t->needed_by->from;
		need_remove(t->needed_by);
		if (from->pending)
			continue;
		if (rc >= 0) {
			make_ready(ev, from);
			continue;
		}
		from->rc = rc;
		queue_push(list, from);
	}
}

static void finish_one(struct eval *ev, struct target *t, int rc,
		       struct queue *list)
{
	struct eval_wait *w, *next;

	target_phase(ev, t, PHASE_IDLE);
	if (rc == -EAGAIN)
		t->refused = ev->news;
	if (rc >= 0) {
		t->known = true;
		t->retry = false;
		t->value_gen = t->gen;
		t->fresh = !t->changed;
		if (t->eager && t->changed)
			upkeep_target(ev, t);
	}
	for (w = t->waits; w; w = next) {
		next = w->next;
		if (rc == -EAGAIN && !w->dry)
			continue; /* it came while others only asked */
		if (rc < 0 || w->gen <= t->gen || (t->fresh && !t->shaky))
			answer(w, rc, &t->value);
	}
	release(ev, t, rc, list);
	if (t->waits && !ev->closing)
		start(ev, t);
}

void finish(struct eval *ev, struct target *t, int rc)
{
	struct queue list = {NULL, NULL};

	finish_one(ev, t, rc, &list);
	while ((t = list.first)) {
		queue_remove(&list, t);
		finish_one(ev, t, t->rc, &list);
	}
}

/* Who waited for it as an input, or because it computed the same, looks again:
 * what it needs may be another by now. */
void finish_stopped(struct eval *ev, struct target *t)
{
	target_phase(ev, t, PHASE_IDLE);
	release(ev, t, 0, NULL);
	if (t->waits)
		start(ev, t);
}

static struct target *dry_needer(const struct target *t)
{
	const struct need *n;

	for (n = t->needed_by; n; n = n->next_of_to)
		if (n->dry && !in_earnest(n->from))
			return n->from;
	return NULL;
}

void refuse_dry(struct eval *ev, struct target *t)
{
	struct eval_wait *w, *next;
	struct target *from;

	for (w = t->waits; w; w = next) {
		next = w->next;
		if (w->dry)
			answer(w, -EAGAIN, &t->value);
	}
	while ((from = dry_needer(t))) {
		needs_drop(ev, from);
		finish(ev, from, -EAGAIN);
	}
}

/* --- bytes --------------------------------------------------------------- */

void target_look_dropped(struct eval *ev, struct target *t)
{
	struct result res;

	if (!t->dropped && t->known && !t->value.error &&
	    !results_get(ev->results, &t->value.recipe, &res))
		t->dropped = res.dropped && addr_eq(&res.addr, &t->value.addr);
}

/* --- values ------------------------------------------------------------- */

/* The past is not written again; what is computed only now is as old as its
 * moment. old: its row, or NULL. */
static void date_past(struct eval *ev, struct target *t,
		      const struct derived *old)
{
	struct ns_change c;

	if (old && addr_eq(&old->addr, &t->value.addr))
		t->value.since_ns = old->since_ns;
	else if (!ns_change(ev->ns, t->at, &c))
		t->value.since_ns = c.time_ns;
}

static bool same_outcome(const struct derived *d, const struct eval_value *v)
{
	return d->error == v->error && addr_eq(&d->recipe, &v->recipe) &&
	       addr_eq(&d->addr, &v->addr);
}

/* A row for a name whose computation or outcome is another than before. Its
 * mtime stays while the content does. */
static int note_derived(struct eval *ev, struct target *t, bool ran,
			const struct result *res)
{
	struct derived old, d = {0};
	struct result none = {
		.recipe = t->value.recipe,
		.error = t->value.error,
		.when_ns = clock_now_ns(),
	};
	struct ns_by by = {.uid = (uint32_t)getuid(),
			   .pid = (uint32_t)getpid(),
			   .program = "deriva"};
	int r = results_derived(ev->results, t->at, t->dir, t->name, t->len,
				&old);

	if (r < 0 && r != -ENOENT)
		return r;
	if (!r && !ran && same_outcome(&old, &t->value)) {
		t->value.since_ns = old.since_ns;
		return 0;
	}
	if (t->at != NS_NOW) {
		date_past(ev, t, r ? NULL : &old);
		return 0;
	}
	d.dir = t->dir;
	memcpy(d.name, t->name, t->len + 1);
	d.recipe = t->value.recipe;
	d.error = t->value.error;
	d.addr = t->value.addr;
	d.size = t->value.size;
	d.executable = t->value.executable;
	d.is_dir = t->value.is_dir;
	d.ran = ran;
	if (!r)
		d.before = old.recipe;
	r = results_put_derived(ev->results, &by, &d, res ? res : &none);
	if (r >= 0)
		t->value.since_ns = d.since_ns;
	ev->host.wrote(ev->host.ctx);
	return r;
}

static void note_run(struct eval *ev, struct target *t)
{
	t->ran_gen = ++ev->gen;
	ev->news++;
}

void finish_failed(struct eval *ev, struct target *t, int error,
		   const char *message, const struct addr *recipe, bool ran,
		   const struct result *res)
{
	int r;

	t->value = (struct eval_value){.error = error};
	if (ran)
		note_run(ev, t);
	if (recipe)
		t->value.recipe = *recipe;
	if (res)
		t->value.cost_ns = res->wall_ns;
	t->dropped = t->need_bytes = false;
	target_message(t, message);
	r = error == ENOENT || target_is_dir(t) ? 0
						: note_derived(ev, t, ran, res);
	if (r < 0)
		log_error("%s: the failure cannot be noted: %s", t->name,
			  err_name(r));
	finish(ev, t, 0);
}

/* It is nobody's result: no row tells of it. */
void finish_dir(struct eval *ev, struct target *t, const struct addr *a,
		uint64_t count)
{
	t->value = (struct eval_value){
		.addr = *a,
		.size = count,
		.is_dir = true,
	};
	t->dropped = false;
	target_message(t, NULL);
	finish(ev, t, 0);
}

void finish_result(struct eval *ev, struct target *t, const struct result *res,
		   bool dropped, bool ran)
{
	int r;

	if (res->error) {
		finish_failed(ev, t, res->error, res->message, &res->recipe,
			      ran, res);
		return;
	}
	if (ran)
		note_run(ev, t);
	t->value = (struct eval_value){
		.addr = res->addr,
		.size = res->size,
		.executable = res->executable,
		.is_dir = res->is_dir,
		.recipe = res->recipe,
		.cost_ns = res->wall_ns,
		.since_ns = res->when_ns,
	};
	t->dropped = dropped;
	if (!dropped)
		t->need_bytes = false;
	target_message(t, NULL);
	r = note_derived(ev, t, ran, res);
	if (r < 0)
		log_error("%s: the result cannot be noted: %s", t->name,
			  err_name(r));
	finish(ev, t, r < 0 ? reader_errno(r) : 0);
}
