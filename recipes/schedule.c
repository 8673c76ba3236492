/* The scheduler.
 *
 * Two kinds of threads. Resolvers take targets from the ready queue: they
 * settle what is being written, resolve, and either finish the target, park
 * it until its inputs are there, or queue it for an executor. Executors are as
 * many as there may be computations at a time, and each runs one to its end.
 * A target that waits holds no thread, so one task is enough for any depth.
 */
#include "recipes/schedule.h"

#include <errno.h>

#include "cas/blob.h"
#include "cas/dir.h"
#include "core/clock.h"
#include "recipes/task.h"
#include "recipes/tools.h"
#include "recipes/upkeep.h"
#include "recipes/verify.h"

#define RESOLVERS 2
#define TRIES	  8 /* to read tools that are being replaced */

/* --- asleep and awake --------------------------------------------------- */

static void ring(struct bell *b, bool all)
{
	pthread_mutex_lock(&b->lock);
	b->rings++;
	if (all)
		pthread_cond_broadcast(&b->cond);
	else
		pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->lock);
}

static uint64_t rings(struct bell *b)
{
	uint64_t n;

	pthread_mutex_lock(&b->lock);
	n = b->rings;
	pthread_mutex_unlock(&b->lock);
	return n;
}

/* Lets go of db_lock() until the bell rings; what there is to do has been
 * looked at with it held, so a ring in between is not missed. */
static void sleep_until_rung(struct eval *ev, struct bell *b)
{
	uint64_t seen = rings(b);

	db_unlock(ev->db);
	pthread_mutex_lock(&b->lock);
	while (b->rings == seen)
		pthread_cond_wait(&b->cond, &b->lock);
	pthread_mutex_unlock(&b->lock);
	db_lock(ev->db);
}

void make_ready(struct eval *ev, struct target *t)
{
	target_phase(ev, t, PHASE_READY);
	queue_push(&ev->ready, t);
	ring(&ev->ready_bell, false);
}

void resolvers_wake(struct eval *ev)
{
	ring(&ev->ready_bell, false);
}

void start(struct eval *ev, struct target *t)
{
	if (t->phase != PHASE_IDLE)
		return;
	t->fresh = false; /* so that it is in one queue at most */
	t->gen = 0;
	make_ready(ev, t);
}

/* --- resolving ---------------------------------------------------------- */

/* Of what is there in part, fsck knows. */
static bool has_bytes(struct eval *ev, const struct result *res)
{
	struct addr empty;

	blob_empty_addr(&empty);
	return addr_eq(&res->addr, &empty) || store_has(ev->store, &res->addr);
}

/* Which output it is may have been lost, with a database that was made anew. */
static int note_output(struct eval *ev, const struct task *task)
{
	struct addr base;
	int r;

	if (!task->def->nouts)
		return 0;
	r = results_output(ev->results, &task->recipe, &base, NULL);
	return r != -ENOENT
		       ? r
		       : results_put_output(ev->results, &task->base,
					    task->def->outs[task->which].name);
}

/* 0 and the result of the task's computation; -ENOENT when it has to run.
 * *ret_dropped: there is a result, but not its bytes, which is enough unless
 * somebody wants to read them. */
static int find_result(struct eval *ev, const struct target *t,
		       const struct task *task, struct result *ret,
		       bool *ret_dropped)
{
	int r = results_get(ev->results, &task->recipe, ret);

	if (r < 0)
		return r;
	if (ret->error && t->retry)
		return -ENOENT;
	if (!ret->error) {
		*ret_dropped = ret->dropped || !has_bytes(ev, ret);
		if (*ret_dropped && t->need_bytes)
			return -ENOENT;
	}
	r = note_output(ev, task);
	if (r >= 0)
		r = results_used(ev->results, &task->recipe, clock_now_ns());
	if (r >= 0 && ret->keep != (int)task->def->keep)
		r = results_keep(ev->results, &task->recipe,
				 (int)task->def->keep);
	ev->host.wrote(ev->host.ctx);
	return r;
}

static void queue_task(struct eval *ev, struct target *t, struct task *task)
{
	int r = map_put(ev->running, &task->flight, ADDR_LEN, t, NULL);

	if (r < 0) {
		task_free(task);
		finish(ev, t, r);
		return;
	}
	task->target = t;
	task->number = ++ev->jobs_made;
	task_keep(task, ev->store);
	t->task = task;
	target_phase(ev, t, PHASE_QUEUED);
	queue_push(&ev->queued, t);
	ev->nqueued++;
	refuse_dry(ev, t);
	ring(&ev->queued_bell, false);
}

static void wait_for_same(struct eval *ev, struct target *t,
			  struct target *same)
{
	int r = need_add(t, same, true);

	if (r < 0) {
		finish(ev, t, r);
		return;
	}
	target_phase(ev, t, PHASE_WAITING);
	refuse_dry(ev, t);
}

/* They are made again before anything runs on them. */
static void want_bytes(struct eval *ev, struct resolved *inputs)
{
	size_t i;

	for (i = 0; i < inputs->ndropped; i++) {
		inputs->dropped[i]->need_bytes = true;
		target_touch(ev, inputs->dropped[i]);
	}
}

/* Nobody who wants the result may take that run for one that gives it. */
static void make_again(struct task *task, const struct result *known)
{
	task->verify = true;
	task->known = *known;
	task->known_base = task->base;
	addr_derive("deriva verify v1", task->flight.b, ADDR_LEN,
		    &task->flight);
}

/* The computation is known: find its result, wait for another name that has
 * the same one running, or queue it. */
static void find_or_queue(struct eval *ev, struct target *t, struct task *task,
			  struct resolved *inputs)
{
	struct target *same;
	struct result res;
	bool dropped = false;
	int r;

	if (task->found) {
		res = t->ran->result;
		task_free(task);
		finish_result(ev, t, &res, false, true);
		return;
	}
	r = find_result(ev, t, task, &res, &dropped);
	if (!r && t->verify && !res.error && in_earnest(t)) {
		make_again(task, &res);
		r = -ENOENT;
	}
	if (r == -ENOENT && in_earnest(t) && inputs->ndropped) {
		task_free(task);
		want_bytes(ev, inputs);
		wait_for_inputs(ev, t, inputs->dropped, inputs->ndropped);
		return;
	}
	if (r == -ENOENT && in_earnest(t)) {
		same = map_get(ev->running, &task->flight, ADDR_LEN);
		if (!same) {
			queue_task(ev, t, task);
			return;
		}
		task_free(task);
		wait_for_same(ev, t, same);
		return;
	}
	task_free(task);
	if (!r) {
		finish_result(ev, t, &res, dropped, false);
		return;
	}
	t->dropped = dropped;
	if (r == -ENOENT) {
		finish(ev, t, -EAGAIN);
		return;
	}
	log_error("%s: its result cannot be looked up: %s", t->name,
		  err_name(r));
	finish(ev, t, reader_errno(r));
}

/* --- steps -------------------------------------------------------------- */

static void settle(struct eval *ev, struct resolved *res)
{
	size_t i;
	int r;

	db_unlock(ev->db);
	if (res->unread)
		tools_read(ev->tools);
	for (i = 0; i < res->nwriting; i++) {
		r = ev->host.settle(ev->host.ctx, res->writing[i]);
		if (r < 0)
			log_warn("inode %llu, which is being written, could "
				 "not be read in: %s",
				 (unsigned long long)res->writing[i],
				 err_name(r));
	}
	db_lock(ev->db);
}

static int resolve_any(struct eval *ev, struct target *t, bool settled,
		       struct resolved *ret)
{
	return target_is_dir(t) ? resolve_dir(ev, t, settled, ret)
				: resolve(ev, t, settled, ret);
}

/* One step of a ready target; db_lock held, let go of while settling. */
static void step(struct eval *ev, struct target *t)
{
	struct resolved res = {0};
	unsigned i;
	int r;

	target_phase(ev, t, PHASE_RESOLVING);
	t->rounds = t->gen ? t->rounds + 1 : 0;
	if (!t->gen) {
		t->gen = ++ev->gen;
		t->runs = 0;
		t->pinned = 0;
		task_free(t->ran);
		t->ran = NULL;
	}
	t->changed = t->blind = false;
	r = resolve_any(ev, t, false, &res);
	for (i = 0; r >= 0 && (res.nwriting || res.unread); i++) {
		bool written = i || res.nwriting;

		if (i == TRIES) {
			res.error = EIO;
			err_set(&res.err, 0,
				"%s: its `tools` change all the time", t->name);
			break;
		}
		settle(ev, &res);
		resolved_done(&res);
		res = (struct resolved){0};
		t->changed = false;
		r = resolve_any(ev, t, written, &res);
	}
	t->shaky = res.shaky;
	if (!wanted(t)) {
		t->verify = false;
		target_phase(ev, t, PHASE_IDLE); /* all have left meanwhile */
	} else if (r < 0) {
		log_error("%s: cannot be resolved: %s", t->name, err_name(r));
		finish(ev, t, reader_errno(r));
	} else if (res.nneeds) {
		wait_for_inputs(ev, t, res.needs, res.nneeds);
	} else if (res.error) {
		finish_failed(ev, t, res.error, res.err.msg, NULL, false, NULL);
	} else if (target_is_dir(t)) {
		finish_dir(ev, t, &res.dir_addr, res.dir_count);
	} else {
		find_or_queue(ev, t, steal(&res.task), &res);
	}
	resolved_done(&res);
}

static void *resolver(void *arg)
{
	struct eval *ev = arg;
	struct target *t;

	db_lock(ev->db);
	while (!ev->closing) {
		t = ev->ready.first;
		if (!t && builds_step(ev)) {
			db_unlock(ev->db);
			db_lock(ev->db);
			continue;
		}
		if (!t) {
			targets_forget_past(ev);
			sleep_until_rung(ev, &ev->ready_bell);
			continue;
		}
		queue_remove(&ev->ready, t);
		step(ev, t);
		/* others want the lock, too */
		db_unlock(ev->db);
		db_lock(ev->db);
	}
	db_unlock(ev->db);
	return NULL;
}

/* --- executing ---------------------------------------------------------- */

/* The computation is a row, to be found, and an object, so that the packs alone
 * say what made a result. */
/* What was computed before is what it ought to be again. */
static void compare(struct eval *ev, const struct task *j, struct result *res)
{
	struct result old;

	if (res->error || results_get(ev->results, &res->recipe, &old) < 0 ||
	    old.error)
		return;
	res->uses = old.uses;
	res->last_use_ns = old.last_use_ns;
	if (addr_eq(&old.addr, &res->addr)) {
		/* what came over the network may be another tomorrow */
		res->reproducible = !j->def->network;
		return;
	}
	res->reproducible = false;
	if (old.dropped)
		log_warn("%s: computed again after it was dropped, it is "
			 "another content than before: the command is not "
			 "reproducible",
			 j->label);
}

struct unread {
	struct observed *rows;
	const struct addr *recipe;
	unsigned count;
};

#define UNREAD_MAX 100 /* that are told of one result */

static int put_unread(void *ctx, const struct canon_input *in)
{
	struct unread *u = ctx;

	if (++u->count > UNREAD_MAX)
		return 0;
	return observed_put_unread(u->rows, u->recipe, in->path, in->path_len);
}

/* The audit of a recipe that lists its inputs. */
static int keep_unread(struct eval *ev, const struct task *j,
		       const struct addr *recipe)
{
	struct unread u = {ev->observed, recipe, 0};
	int r = observed_clear_unread(ev->observed, recipe);

	return r < 0 ? r : task_unread(j, put_unread, &u);
}

static int keep_row(struct eval *ev, const struct task *j, struct result *res)
{
	int r = 0;

	compare(ev, j, res);
	if (j->work)
		r = keep_unread(ev, j, &res->recipe);
	if (r >= 0)
		r = results_put(ev->results, res);
	if (r >= 0 && j->machine.len)
		r = results_put_machine(ev->results, &res->recipe,
					buf_cstr(&j->machine), j->machine.len);
	return r;
}

/* One run made several: whoever holds another outcome of one looks again. */
static void tell_other(struct eval *ev, const struct target *t,
		       const char *name, const struct result *res)
{
	struct target *other =
		target_get(ev, NS_NOW, t->dir, name, strlen(name), false);

	if (other && other != t && other->known &&
	    addr_eq(&other->value.recipe, &res->recipe) &&
	    (other->value.error != res->error ||
	     !addr_eq(&other->value.addr, &res->addr)))
		target_touch(ev, other);
}

/* *res is of the run, and becomes the one of the target. */
static int keep_several(struct eval *ev, const struct task *j,
			struct result *res)
{
	const struct recipe_def *d = j->def;
	struct result one, own = *res;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < d->nouts; i++) {
		one = *res;
		task_output_addr(j, i, &one.recipe);
		if (!one.error) {
			one.addr = j->outs[i].addr;
			one.size = j->outs[i].size;
			one.executable = j->outs[i].executable;
		}
		r = results_put_output(ev->results, &j->base, d->outs[i].name);
		if (r >= 0)
			r = keep_row(ev, j, &one);
		if (r >= 0)
			tell_other(ev, j->target, d->outs[i].file, &one);
		if (i == j->which)
			own = one;
	}
	*res = own;
	return r;
}

static int keep_result(struct eval *ev, struct task *j, struct result *res)
{
	int r = store_put_as(ev->store, OBJ_RECIPE, &j->key, j->canon.data,
			     j->canon.len);

	if (r >= 0)
		r = results_put_recipe(ev->results, &j->key, j->canon.data,
				       j->canon.len);
	if (r >= 0 && j->observe)
		r = observe_keep(j->observe);
	if (r >= 0)
		r = j->def->nouts ? keep_several(ev, j, res)
				  : keep_row(ev, j, res);
	ev->host.wrote(ev->host.ctx);
	return r;
}

/* Whatever it came to says nothing of what it would come to. */
static int input_damaged(const struct task *j, struct err *err)
{
	return err_set(err, -EIO,
		       "its input %s is damaged in the store, or cannot be "
		       "read: `deriva fsck` says more; writing the same "
		       "content again heals it",
		       j->damaged ? j->damaged->path : "(observed)");
}

/* An input as it was in the past that the retention has let go of. */
static const struct canon_input *not_kept(struct eval *ev,
					  const struct target *t,
					  const struct task *j)
{
	size_t i;

	for (i = 0; t->at != NS_NOW && i < j->ninputs; i++)
		if (!j->inputs[i].empty && j->inputs[i].size &&
		    !store_has(ev->store, &j->inputs[i].addr))
			return &j->inputs[i];
	return NULL;
}

static int input_not_kept(const struct canon_input *in, struct err *err)
{
	const char *path = in ? in->path : "(observed)";

	return err_set(err, -ENODATA,
		       "its input %s, as it was then, is not kept any more, "
		       "and this result was never made (deriva gc lets go of "
		       "what is beyond the retention)",
		       path);
}

void eval_damaged(struct eval *ev, const struct view_node *view,
		  const struct addr *a)
{
	const struct target *t;
	const struct canon_input *in;
	struct task *j;
	size_t it = 0, i;
	bool lost;
	void *v;

	while (map_next(ev->running, &it, NULL, NULL, &v)) {
		t = v;
		j = t->task;
		if (!j || j->damaged)
			continue;
		lost = t->at != NS_NOW && !store_has(ev->store, a);
		if (j->observe && !view && observe_saw(j->observe, a)) {
			observe_damaged(j->observe);
			j->lost = lost;
		}
		for (i = 0; i < j->ninputs && !j->damaged; i++) {
			in = &j->inputs[i];
			if (view ? in->dir && !in->empty &&
					    (view == j->work || view == j->root)
				 : addr_eq(&in->addr, a))
				j->damaged = in;
		}
		if (j->damaged)
			j->lost = lost;
	}
}

/* What it sees is pinned. */
static int begin_observing(struct eval *ev, struct target *t, struct task *j)
{
	uint64_t at = t->at == NS_NOW ? ns_last_change(ev->ns) : t->at;

	/* what it comes upon is computed for that moment, and it begins again
	 * there */
	if (t->at == NS_NOW && t->runs >= OBSERVE_PATIENCE) {
		if (!t->pinned)
			t->pinned = at;
		at = t->pinned;
	}
	return j->def->observed ? observe_run(ev, t, j, at, &j->observe) : 0;
}

/* The run came upon something that has to be computed first: then it begins
 * again. */
static bool came_upon_needs(struct eval *ev, struct target *t,
			    const struct task *j)
{
	struct target **needs;
	size_t count = 0;

	if (!j->observe || ev->closing || !wanted(t))
		return false;
	needs = observe_needs(j->observe, &count);
	if (!count)
		return false;
	target_phase(ev, t, PHASE_RESOLVING);
	t->blind = true;
	wait_for_inputs(ev, t, needs, count);
	return true;
}

/* A run whose inputs were observed is asked about again: only then what it saw
 * is watched, and something may have changed since it began. What goes on
 * changing all the time is left as it was at one moment. */
static void finish_observed(struct eval *ev, struct target *t, struct task *j,
			    const struct result *res)
{
	if (t->at == NS_NOW && t->runs++ < OBSERVE_PATIENCE) {
		j->result = *res;
		task_free(t->ran);
		t->ran = j;
		make_ready(ev, t);
		return;
	}
	t->changed = t->at == NS_NOW;
	finish_result(ev, t, res, false, true);
	task_free(j);
}

static void finish_over(struct eval *ev, struct target *t, const struct task *j)
{
	struct err err = {{0}};

	err_set(&err, 0,
		"%s:%u: the command looked at more than %d names; list its "
		"inputs with `in`",
		j->label, j->def->run_line, OBSERVE_MAX);
	t->changed = true; /* what it saw is not watched */
	finish_failed(ev, t, EIO, err.msg, NULL, false, NULL);
}

/* Some of what ran in the present is made again later. */
static void chose_again(struct eval *ev, const struct target *t,
			const struct task *j, const struct result *res)
{
	if (!j->verify && !res->error && t->at == NS_NOW &&
	    verify_chosen(ev, &j->base))
		upkeep_verify(ev, t);
}

static void run_one(struct eval *ev, struct target *t)
{
	CLEANUP(task_freep) struct task *j = t->task;
	const struct canon_input *gone;
	struct err err = {{0}};
	struct result res;
	int r;

	target_phase(ev, t, PHASE_RUNNING);
	ev->nrunning++;
	j->start_ns = clock_now_ns();
	gone = not_kept(ev, t, j);
	r = gone ? input_not_kept(gone, &err) : begin_observing(ev, t, j);
	db_unlock(ev->db);
	if (r >= 0)
		r = execute(ev, j, &res, &err);
	db_lock(ev->db);
	ev->nrunning--;
	if (j->observe && (j->stop || observe_is_over(j->observe)))
		r = -ECANCELED;
	if (r >= 0 && j->observe) {
		task_set_base(j, observe_state(j->observe));
		res.recipe = j->recipe;
	}
	if (r >= 0 &&
	    (j->damaged || (j->observe && observe_is_damaged(j->observe))))
		r = j->lost ? input_not_kept(j->damaged, &err)
			    : input_damaged(j, &err);
	if (r >= 0)
		r = j->verify ? verify_compare(ev, j, &res)
			      : keep_result(ev, j, &res);
	if (r >= 0)
		chose_again(ev, t, j, &res);
	if (j->taking)
		store_leave(ev->store, j->ticket);
	if (r < 0 && r != -ECANCELED) {
		if (!err.msg[0])
			err_set(&err, 0, "%s", err_name(r));
		err_prefix(&err, 0, "%s:%u", j->label, j->def->run_line);
		log_error("%s", err.msg);
	}
	map_del(ev->running, &j->flight, ADDR_LEN);
	t->task = NULL;
	if (r == -ECANCELED && came_upon_needs(ev, t, j))
		return;
	if (r == -ECANCELED && j->observe && observe_is_over(j->observe)) {
		finish_over(ev, t, j);
	} else if (r == -ECANCELED && wanted(t) && !ev->closing) {
		finish_stopped(ev, t);
	} else if (r < 0) {
		t->verify = false;
		target_message(t, err.msg);
		finish(ev, t, reader_errno(r));
	} else if (j->verify) {
		t->verify = false;
		finish_result(ev, t, &j->known, j->known.dropped, false);
	} else if (t->verify && !res.error) {
		finish_stopped(ev, t); /* made; now again */
	} else if (j->observe) {
		finish_observed(ev, t, steal(&j), &res);
	} else {
		finish_result(ev, t, &res, false, true);
	}
}

static void *executor(void *arg)
{
	struct eval *ev = arg;
	struct target *t;

	db_lock(ev->db);
	while (!ev->closing) {
		t = ev->queued.first;
		if (!t) {
			sleep_until_rung(ev, &ev->queued_bell);
			continue;
		}
		queue_remove(&ev->queued, t);
		ev->nqueued--;
		run_one(ev, t);
	}
	db_unlock(ev->db);
	return NULL;
}

/* --- threads ------------------------------------------------------------ */

int threads_start(struct eval *ev)
{
	size_t i, n = RESOLVERS + ev->options.jobs + 1;
	int r;

	ev->threads = calloc(n, sizeof(*ev->threads));
	if (!ev->threads)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		r = pthread_create(&ev->threads[i], NULL,
				   i < RESOLVERS ? resolver
				   : i < n - 1	 ? executor
						 : upkeep_main,
				   ev);
		if (r)
			return -r;
		ev->nthreads++;
	}
	return 0;
}

void threads_stop(struct eval *ev)
{
	struct target *t;
	size_t it = 0, i;
	void *v;

	db_lock(ev->db);
	ev->closing = true;
	while (ev->running && map_next(ev->running, &it, NULL, NULL, &v)) {
		t = v;
		if (t->phase == PHASE_RUNNING)
			execute_stop(ev, t->task);
	}
	db_unlock(ev->db);
	ring(&ev->ready_bell, true);
	ring(&ev->queued_bell, true);
	if (ev->upkeep)
		upkeep_ring(ev->upkeep);
	for (i = 0; i < ev->nthreads; i++)
		pthread_join(ev->threads[i], NULL);
	free(ev->threads);
	ev->threads = NULL;
	ev->nthreads = 0;
}
