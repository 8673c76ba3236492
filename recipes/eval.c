/* The scheduler.
 *
 * Two kinds of threads. Resolvers take targets from the ready queue: they
 * settle what is being written, resolve, and either finish the target, park
 * it until its inputs are there, or queue it for an executor. Executors are as
 * many as there may be computations at a time, and each runs one to its end.
 * A target that waits holds no thread, so one task is enough for any depth.
 *
 * All state is under db_lock(). Sleeping is apart from it: db_lock() is
 * recursive and a condition cannot release it, so a counter under a small lock
 * of its own says whether there was news since a thread last looked.
 */
#include "recipes/eval.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "core/clock.h"
#include "recipes/file.h"
#include "recipes/target.h"

#define RESOLVERS 2

static void start(struct eval *ev, struct target *t);
static void finish(struct eval *ev, struct target *t, int rc);

/* --- asleep and awake --------------------------------------------------- */

void eval_wake(struct eval *ev)
{
	pthread_mutex_lock(&ev->wake_lock);
	ev->wakes++;
	pthread_cond_broadcast(&ev->wake);
	pthread_mutex_unlock(&ev->wake_lock);
}

static uint64_t wakes(struct eval *ev)
{
	uint64_t n;

	pthread_mutex_lock(&ev->wake_lock);
	n = ev->wakes;
	pthread_mutex_unlock(&ev->wake_lock);
	return n;
}

static void sleep_since(struct eval *ev, uint64_t seen)
{
	pthread_mutex_lock(&ev->wake_lock);
	while (ev->wakes == seen)
		pthread_cond_wait(&ev->wake, &ev->wake_lock);
	pthread_mutex_unlock(&ev->wake_lock);
}

/* --- needs -------------------------------------------------------------- */

static void need_remove(struct need *n)
{
	if (n->prev_of_to)
		n->prev_of_to->next_of_to = n->next_of_to;
	else
		n->to->needed_by = n->next_of_to;
	if (n->next_of_to)
		n->next_of_to->prev_of_to = n->prev_of_to;
	free(n);
}

/* Whether anybody wants the content, rather than to know whether there is
 * any. */
static bool in_earnest(const struct target *t)
{
	const struct eval_wait *w;
	const struct need *n;

	for (w = t->waits; w; w = w->next)
		if (!w->dry)
			return true;
	for (n = t->needed_by; n; n = n->next_of_to)
		if (!n->dry)
			return true;
	return false;
}

static int need_add(struct target *from, struct target *to)
{
	struct need *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->from = from;
	n->to = to;
	n->dry = !in_earnest(from);
	n->next_of_from = from->needs;
	from->needs = n;
	n->next_of_to = to->needed_by;
	if (to->needed_by)
		to->needed_by->prev_of_to = n;
	to->needed_by = n;
	from->pending++;
	return 0;
}

/* Whether `from` waits, over any number of steps, for `what`. Only targets
 * that wait have needs; each is looked at once. */
static int waits_for(struct target *from, struct target *what)
{
	CLEANUP(map_freep) struct map *seen = NULL;
	struct target **stack = NULL, **p, *t;
	size_t count = 0, cap = 0;
	struct need *n;
	int r = 0;

	if (from == what)
		return 1;
	if (!from->needs)
		return 0;
	seen = map_new();
	if (!seen)
		return -ENOMEM;
	for (t = from; t; t = count ? stack[--count] : NULL) {
		for (n = t->needs; n; n = n->next_of_from) {
			if (n->to == what) {
				r = 1;
				goto out;
			}
			if (!n->to->needs ||
			    map_get(seen, &n->to, sizeof(n->to)))
				continue;
			if (count == cap) {
				cap = cap ? cap * 2 : 16;
				p = realloc(stack, cap * sizeof(*p));
				if (!p) {
					r = -ENOMEM;
					goto out;
				}
				stack = p;
			}
			stack[count++] = n->to;
			r = map_put(seen, &n->to, sizeof(n->to), n->to, NULL);
			if (r < 0)
				goto out;
		}
	}
out:
	free(stack);
	return r;
}

/* --- giving up ---------------------------------------------------------- */

static bool wanted(const struct target *t)
{
	return t->waits || t->needed_by;
}

/* Nobody waits for these any more: they leave the queues, stop running, and
 * let go of the inputs that they wait for, which may concern others. */
static void abandon(struct eval *ev, struct target *first)
{
	struct queue list = {NULL, NULL};
	struct target *t = first, *to;
	struct need *n;

	for (; t; t = list.first) {
		if (t == list.first)
			queue_remove(&list, t);
		if (wanted(t))
			continue;
		switch (t->phase) {
		case PHASE_READY:
			queue_remove(&ev->ready, t);
			t->phase = PHASE_IDLE;
			break;
		case PHASE_QUEUED:
			queue_remove(&ev->queued, t);
			ev->nqueued--;
			map_del(ev->running, &t->task->recipe, ADDR_LEN);
			task_free(t->task);
			t->task = NULL;
			t->phase = PHASE_IDLE;
			break;
		case PHASE_RUNNING:
			execute_stop(ev, t->task);
			break;
		case PHASE_WAITING:
			t->phase = PHASE_IDLE;
			t->pending = 0;
			while ((n = t->needs)) {
				to = n->to;
				t->needs = n->next_of_from;
				need_remove(n);
				/* a target in a queue has its links in use,
				 * so it is dealt with at once */
				if (wanted(to))
					continue;
				if (to->phase == PHASE_WAITING)
					queue_push(&list, to);
				else if (to->phase != PHASE_IDLE)
					abandon(ev, to);
			}
			break;
		default:
			break; /* resolving: noticed at its end */
		}
	}
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
	if (!r && old.error == t->value.error &&
	    addr_eq(&old.recipe, &t->value.recipe) &&
	    addr_eq(&old.addr, &t->value.addr) && !ran) {
		t->value.since_ns = old.since_ns;
		return 0;
	}
	if (t->at != NS_NOW) {
		/* the past is not written again; computed only now, it is as
		 * old as its moment */
		struct ns_change c;

		if (!r && addr_eq(&old.addr, &t->value.addr))
			t->value.since_ns = old.since_ns;
		else if (!ns_change(ev->ns, t->at, &c))
			t->value.since_ns = c.time_ns;
		return 0;
	}
	d.dir = t->dir;
	memcpy(d.name, t->name, t->len + 1);
	d.recipe = t->value.recipe;
	d.error = t->value.error;
	d.addr = t->value.addr;
	d.size = t->value.size;
	d.executable = t->value.executable;
	d.ran = ran;
	if (!r)
		d.before = old.recipe;
	r = results_put_derived(ev->results, &by, &d, res ? res : &none);
	t->value.since_ns = d.since_ns;
	ev->host.wrote(ev->host.ctx);
	return r;
}

static void set_message(struct target *t, const char *message)
{
	free(t->message);
	t->message = message && *message ? strdup(message) : NULL;
}

/* The evaluation is over; the value (or rc) is for all who asked in time. */
static void finish(struct eval *ev, struct target *t, int rc)
{
	struct eval_wait *w, *next;
	struct target *from;
	struct need *n;

	t->phase = PHASE_IDLE;
	if (rc >= 0) {
		t->known = true;
		t->retry = false;
		t->value_gen = t->gen;
		t->fresh = !t->changed;
	}
	for (w = t->waits; w; w = next) {
		next = w->next;
		if (rc == -EAGAIN && !w->dry)
			continue; /* it came while others only asked */
		if (rc < 0 || w->gen <= t->gen || (t->fresh && !t->shaky))
			answer(w, rc, &t->value);
	}
	while ((n = t->needed_by)) {
		from = n->from;
		/* unlink from both lists */
		struct need **p = &from->needs;

		while (*p != n)
			p = &(*p)->next_of_from;
		*p = n->next_of_from;
		need_remove(n);
		from->pending--;
		if (rc < 0 && !from->pending) {
			finish(ev, from, rc);
		} else if (!from->pending) {
			from->phase = PHASE_READY;
			queue_push(&ev->ready, from);
		}
	}
	if (t->waits && !ev->closing)
		start(ev, t);
	eval_wake(ev);
}

/* --- resolving ---------------------------------------------------------- */

/* Begins an evaluation, unless one is under way. */
static void start(struct eval *ev, struct target *t)
{
	if (t->phase != PHASE_IDLE)
		return;
	t->fresh = false; /* so that it is in one queue at most */
	t->gen = 0;
	t->phase = PHASE_READY;
	queue_push(&ev->ready, t);
	eval_wake(ev);
}

static void fail_target(struct eval *ev, struct target *t, int error,
			const char *message, const struct addr *recipe,
			bool ran, const struct result *res)
{
	t->value = (struct eval_value){.error = error};
	if (recipe)
		t->value.recipe = *recipe;
	if (res)
		t->value.cost_ns = res->wall_ns;
	t->dropped = false;
	set_message(t, message);
	if (error != ENOENT && note_derived(ev, t, ran, res) < 0)
		log_error("%s: cannot note the failure", t->name);
	finish(ev, t, 0);
}

static void take_result(struct eval *ev, struct target *t,
			const struct result *res, bool ran)
{
	int r;

	if (res->error) {
		fail_target(ev, t, res->error, res->message, &res->recipe, ran,
			    res);
		return;
	}
	t->value = (struct eval_value){
		.addr = res->addr,
		.size = res->size,
		.executable = res->executable,
		.recipe = res->recipe,
		.cost_ns = res->wall_ns,
		.since_ns = res->when_ns,
	};
	t->dropped = false;
	set_message(t, NULL);
	r = note_derived(ev, t, ran, res);
	finish(ev, t, r < 0 ? r : 0);
}

/* The computation is known: find its result, wait for another name that has
 * the same one running, or queue it. */
static void find_or_queue(struct eval *ev, struct target *t, struct task *task)
{
	struct target *same;
	struct result res;
	bool dropped = false;
	int r = results_get(ev->results, &task->recipe, &res);

	if (!r && res.error && t->retry)
		r = -ENOENT;
	if (!r && !res.error) {
		r = blob_complete(ev->store, &res.addr);
		dropped = !r;
		r = r < 0 ? r : r ? 0 : -ENOENT; /* to be made again */
	}
	if (!r) {
		r = results_used(ev->results, &task->recipe, clock_now_ns());
		ev->host.wrote(ev->host.ctx);
		task_free(task);
		if (r < 0)
			finish(ev, t, r);
		else
			take_result(ev, t, &res, false);
		return;
	}
	t->dropped = dropped;
	if (r == -ENOENT && !in_earnest(t)) {
		task_free(task);
		finish(ev, t, -EAGAIN);
		return;
	}
	same = map_get(ev->running, &task->recipe, ADDR_LEN);
	if (r == -ENOENT && same) {
		task_free(task);
		t->pending = 0;
		t->phase = PHASE_WAITING;
		if (need_add(t, same) < 0)
			finish(ev, t, -ENOMEM);
		return;
	}
	if (r == -ENOENT)
		r = map_put(ev->running, &task->recipe, ADDR_LEN, t, NULL);
	if (r < 0) {
		task_free(task);
		finish(ev, t, r);
		return;
	}
	task->target = t;
	task->number = ++ev->jobs_made;
	t->task = task;
	t->phase = PHASE_QUEUED;
	queue_push(&ev->queued, t);
	ev->nqueued++;
	eval_wake(ev);
}

static void wait_for_inputs(struct eval *ev, struct target *t,
			    struct resolved *res)
{
	struct err err;
	size_t i;
	int r = 0;

	t->phase = PHASE_WAITING;
	t->pending = 0;
	for (i = 0; i < res->nneeds; i++) {
		r = waits_for(res->needs[i], t);
		if (r < 0)
			break;
		if (r > 0) {
			err_set(&err, 0,
				"%s%s: needs itself, through its input `%s`; "
				"break the circle in one of the recipes",
				t->name, RECIPE_SUFFIX, res->needs[i]->name);
			break;
		}
		r = need_add(t, res->needs[i]);
		if (r < 0)
			break;
		if (t->needs->dry && res->needs[i]->phase >= PHASE_QUEUED) {
			r = -EAGAIN; /* it runs: so would this */
			break;
		}
		start(ev, res->needs[i]);
	}
	if (i == res->nneeds)
		return;
	while (t->needs) {
		struct need *n = t->needs;
		struct target *to = n->to;

		t->needs = n->next_of_from;
		need_remove(n);
		if (!wanted(to))
			abandon(ev, to);
	}
	t->pending = 0;
	if (r < 0)
		finish(ev, t, r);
	else
		fail_target(ev, t, ELOOP, err.msg, NULL, false, NULL);
}

static void settle(struct eval *ev, struct resolved *res)
{
	size_t i;
	int r;

	db_unlock(ev->db);
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

/* One step of a ready target; db_lock held, let go of while settling. */
static void step(struct eval *ev, struct target *t)
{
	struct resolved res = {0};
	int r;

	t->phase = PHASE_RESOLVING;
	if (!t->gen)
		t->gen = ++ev->gen;
	t->changed = false;
	r = resolve(ev, t, false, &res);
	if (r >= 0 && res.nwriting) {
		settle(ev, &res);
		resolved_done(&res);
		res = (struct resolved){0};
		t->changed = false;
		r = resolve(ev, t, true, &res);
	}
	t->shaky = res.shaky;
	if (!wanted(t)) {
		t->phase = PHASE_IDLE; /* all have left meanwhile */
	} else if (r < 0) {
		log_error("%s: cannot be resolved: %s", t->name, err_name(r));
		finish(ev, t, r);
	} else if (res.nneeds) {
		wait_for_inputs(ev, t, &res);
	} else if (res.error) {
		fail_target(ev, t, res.error, res.err.msg, NULL, false, NULL);
	} else {
		find_or_queue(ev, t, steal(&res.task));
	}
	resolved_done(&res);
}

static void *resolver(void *arg)
{
	struct eval *ev = arg;
	struct target *t;
	uint64_t seen;

	db_lock(ev->db);
	while (!ev->closing) {
		t = ev->ready.first;
		if (t) {
			queue_remove(&ev->ready, t);
			step(ev, t);
			/* others want the lock, too */
			db_unlock(ev->db);
			db_lock(ev->db);
			continue;
		}
		seen = wakes(ev);
		db_unlock(ev->db);
		sleep_since(ev, seen);
		db_lock(ev->db);
	}
	db_unlock(ev->db);
	return NULL;
}

/* --- executing ---------------------------------------------------------- */

static int keep_result(struct eval *ev, struct task *j,
		       const struct result *res)
{
	int r = results_put_recipe(ev->results, &j->recipe, j->canon.data,
				   j->canon.len);

	if (r >= 0)
		r = results_put(ev->results, res);
	ev->host.wrote(ev->host.ctx);
	return r;
}

static void run_one(struct eval *ev, struct target *t)
{
	struct task *j = t->task;
	struct err err = {{0}};
	struct result res;
	int r;

	t->phase = PHASE_RUNNING;
	ev->nrunning++;
	j->start_ns = clock_now_ns();
	db_unlock(ev->db);
	r = execute(ev, j, &res, &err);
	db_lock(ev->db);
	ev->nrunning--;
	if (r >= 0)
		r = keep_result(ev, j, &res);
	if (r < 0 && r != -ECANCELED)
		log_error("%s", err.msg[0] ? err.msg : err_name(r));
	map_del(ev->running, &j->recipe, ADDR_LEN);
	t->task = NULL;
	if (r == -ECANCELED && wanted(t) && !ev->closing) {
		/* somebody came after it had been stopped */
		t->phase = PHASE_IDLE;
		start(ev, t);
	} else if (r < 0) {
		set_message(t, err.msg);
		finish(ev, t, r);
	} else {
		take_result(ev, t, &res, true);
	}
	task_free(j);
}

static void *executor(void *arg)
{
	struct eval *ev = arg;
	struct target *t;
	uint64_t seen;

	db_lock(ev->db);
	while (!ev->closing) {
		t = ev->queued.first;
		if (t) {
			queue_remove(&ev->queued, t);
			ev->nqueued--;
			run_one(ev, t);
			continue;
		}
		seen = wakes(ev);
		db_unlock(ev->db);
		sleep_since(ev, seen);
		db_lock(ev->db);
	}
	db_unlock(ev->db);
	return NULL;
}

/* --- life --------------------------------------------------------------- */

int eval_open(struct store *store, struct ns *ns, struct results *results,
	      struct sandbox *sandbox, const struct eval_host *host,
	      const struct eval_options *options, struct eval **ret)
{
	struct eval *ev = calloc(1, sizeof(*ev));
	size_t i, n = RESOLVERS + options->jobs;
	int r = 0;

	if (!ev)
		return -ENOMEM;
	ev->store = store;
	ev->db = store_db(store);
	ev->ns = ns;
	ev->results = results;
	ev->sandbox = sandbox;
	ev->host = *host;
	ev->options = *options;
	pthread_mutex_init(&ev->wake_lock, NULL);
	pthread_cond_init(&ev->wake, NULL);
	ev->targets = map_new();
	ev->watches = map_new();
	ev->running = map_new();
	ev->threads = calloc(n, sizeof(*ev->threads));
	if (!ev->targets || !ev->watches || !ev->running || !ev->threads)
		r = -ENOMEM;
	for (i = 0; r >= 0 && i < n; i++) {
		r = -pthread_create(&ev->threads[i], NULL,
				    i < RESOLVERS ? resolver : executor, ev);
		if (!r)
			ev->nthreads++;
	}
	if (r < 0) {
		eval_close(ev);
		return r;
	}
	*ret = ev;
	return 0;
}

/* No thread is left: whatever a target still holds goes. */
static void free_targets(struct eval *ev)
{
	struct need *n;
	size_t it = 0;
	void *v;

	while (ev->targets && map_next(ev->targets, &it, NULL, NULL, &v)) {
		struct target *t = v;

		while (t->waits)
			answer(t->waits, -ECANCELED, &t->value);
		while ((n = t->needs)) {
			t->needs = n->next_of_from;
			need_remove(n);
		}
		if (t->task)
			task_free(t->task);
		t->task = NULL;
	}
	it = 0;
	while (ev->targets && map_next(ev->targets, &it, NULL, NULL, &v))
		target_free(ev, v);
}

void eval_close(struct eval *ev)
{
	struct target *t;
	size_t it = 0, i;
	void *v;

	if (!ev)
		return;
	db_lock(ev->db);
	ev->closing = true;
	while (ev->running && map_next(ev->running, &it, NULL, NULL, &v)) {
		t = v;
		if (t->phase == PHASE_RUNNING)
			execute_stop(ev, t->task);
	}
	db_unlock(ev->db);
	eval_wake(ev);
	for (i = 0; i < ev->nthreads; i++)
		pthread_join(ev->threads[i], NULL);
	db_lock(ev->db);
	free_targets(ev);
	db_unlock(ev->db);
	map_free(ev->targets);
	map_free(ev->watches);
	map_free(ev->running);
	free(ev->threads);
	pthread_mutex_destroy(&ev->wake_lock);
	pthread_cond_destroy(&ev->wake);
	free(ev);
}

/* --- questions ---------------------------------------------------------- */

int eval_defined(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len, struct ns_attr *ret_recipe)
{
	char file[NS_NAME_MAX + 1];
	struct ns_attr attr;
	uint64_t ino;
	int r;

	if (!len || len + strlen(RECIPE_SUFFIX) > NS_NAME_MAX)
		return -ENOENT;
	memcpy(file, name, len);
	memcpy(file + len, RECIPE_SUFFIX, sizeof(RECIPE_SUFFIX));
	r = ns_lookup(ev->ns, at, dir, file, len + strlen(RECIPE_SUFFIX), &ino,
		      NULL);
	if (r >= 0)
		r = ns_getattr(ev->ns, at, ino, &attr);
	if (r < 0)
		return r;
	if (!S_ISREG(attr.mode) ||
	    (dir == NS_ROOT && len == 7 && !memcmp(name, ".deriva", 7)))
		return -ENOENT;
	r = ns_lookup(ev->ns, at, dir, name, len, &ino, NULL);
	if (r != -ENOENT)
		return r < 0 ? r : -EEXIST;
	*ret_recipe = attr;
	return 0;
}

struct listing {
	struct eval *ev;
	uint64_t at, dir;
	int (*fn)(void *ctx, const char *name, size_t len);
	void *ctx;
};

static int list_entry(void *ctx, const struct ns_entry *e)
{
	struct listing *l = ctx;
	struct ns_attr recipe;
	size_t len;
	int r;

	if (!S_ISREG(e->mode) || !recipe_name(e->name, e->len, &len))
		return 0;
	r = eval_defined(l->ev, l->at, l->dir, e->name, len, &recipe);
	if (r < 0)
		return r == -ENOENT || r == -EEXIST ? 0 : r;
	return l->fn(l->ctx, e->name, len);
}

int eval_list(struct eval *ev, uint64_t at, uint64_t dir,
	      int (*fn)(void *ctx, const char *name, size_t len), void *ctx)
{
	struct listing l = {ev, at, dir, fn, ctx};

	return ns_list(ev->ns, at, dir, "", 0, list_entry, &l);
}

const char *eval_state_name(enum eval_state s)
{
	static const char *const names[] = {"new",    "stale",	 "fresh",
					    "failed", "running", "dropped"};

	return names[s];
}

/* From the rows alone, for a name not asked for since the mount. */
static void peek_rows(struct eval *ev, uint64_t at, uint64_t dir,
		      const char *name, size_t len, enum eval_state *state,
		      struct eval_value *value)
{
	struct derived d;

	*state = EVAL_NEW;
	if (results_derived(ev->results, at, dir, name, len, &d) < 0)
		return;
	*state = EVAL_STALE;
	*value = (struct eval_value){
		.error = d.error,
		.addr = d.addr,
		.size = d.size,
		.executable = d.executable,
		.since_ns = d.since_ns,
		.recipe = d.recipe,
	};
}

int eval_peek(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	      size_t len, enum eval_state *ret_state, struct eval_value *ret,
	      bool *ret_now, struct buf *ret_message)
{
	struct target *t = target_get(ev, at, dir, name, len, false);
	enum eval_state state;
	struct eval_value value = {.error = -1};
	struct ns_attr recipe;
	int r = eval_defined(ev, at, dir, name, len, &recipe);

	if (r < 0)
		return r;
	if (t && t->known)
		value = t->value;
	if (!t || !t->known)
		peek_rows(ev, at, dir, name, len, &state, &value);
	else
		state = !t->fresh	 ? EVAL_STALE
			: t->value.error ? EVAL_FAILED
					 : EVAL_FRESH;
	if (t && t->dropped && state != EVAL_FRESH)
		state = EVAL_DROPPED;
	if (t && t->phase != PHASE_IDLE && in_earnest(t))
		state = EVAL_RUNNING;
	*ret_state = state;
	*ret = value;
	*ret_now = t && t->known && t->fresh && !t->shaky;
	if (ret_message && t && t->message)
		buf_str(ret_message, t->message);
	return 0;
}

/* No look at the namespace: whatever takes the recipe away, or puts something
 * in its place, fires a watch. */
const struct eval_value *eval_current(struct eval *ev, uint64_t at,
				      uint64_t dir, const char *name,
				      size_t len)
{
	struct target *t = target_get(ev, at, dir, name, len, false);

	return t && t->known && t->fresh && !t->shaky && !t->value.error
		       ? &t->value
		       : NULL;
}

static int want(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		size_t len, bool dry, eval_fn fn, void *ctx,
		struct eval_value *ret, struct eval_wait **ret_wait)
{
	struct target *t;
	struct eval_wait *w;

	if (ev->closing)
		return -ECANCELED;
	t = target_get(ev, at, dir, name, len, true);
	if (!t)
		return -ENOMEM;
	if (t->known && t->fresh && !t->shaky) {
		*ret = t->value;
		return 1;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->target = t;
	w->fn = fn;
	w->ctx = ctx;
	w->gen = ++ev->gen;
	w->dry = dry;
	w->next = t->waits;
	if (t->waits)
		t->waits->prev = w;
	t->waits = w;
	start(ev, t);
	*ret_wait = w;
	return 0;
}

int eval_want(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	      size_t len, eval_fn fn, void *ctx, struct eval_value *ret,
	      struct eval_wait **ret_wait)
{
	return want(ev, at, dir, name, len, false, fn, ctx, ret, ret_wait);
}

int eval_check(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	       size_t len, eval_fn fn, void *ctx, struct eval_value *ret,
	       struct eval_wait **ret_wait)
{
	struct target *t = target_get(ev, at, dir, name, len, false);

	/* one that runs would keep us waiting */
	if (t && (t->phase == PHASE_QUEUED || t->phase == PHASE_RUNNING))
		return -EAGAIN;
	return want(ev, at, dir, name, len, true, fn, ctx, ret, ret_wait);
}

void eval_cancel(struct eval *ev, struct eval_wait *w)
{
	struct target *t = w->target;

	if (w->prev)
		w->prev->next = w->next;
	else
		t->waits = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
	abandon(ev, t);
}

static void nobody(void *ctx, int rc, const struct eval_value *value)
{
	(void)ctx;
	(void)rc;
	(void)value;
}

int eval_prefetch(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		  size_t len)
{
	struct eval_value value;
	struct eval_wait *w;
	int r = eval_want(ev, at, dir, name, len, nobody, NULL, &value, &w);

	return r < 0 ? r : 0;
}

/* --- news --------------------------------------------------------------- */

void eval_name_changed(struct eval *ev, uint64_t dir, const char *name,
		       size_t len)
{
	struct target *t;
	size_t n;

	watch_fire_name(ev, dir, name, len);
	watch_fire_listing(ev, dir);
	if (!recipe_name(name, len, &n)) {
		/* it may have come in the way of a recipe, or out of it */
		t = target_get(ev, NS_NOW, dir, name, len, false);
		if (t) {
			ev->host.stale(ev->host.ctx, dir, name, len);
			ev->host.told(ev->host.ctx);
		}
		return;
	}
	t = target_get(ev, NS_NOW, dir, name, n, false);
	if (t)
		target_touch(ev, t);
	else
		watch_fire_name(ev, dir, name, n);
	ev->host.stale(ev->host.ctx, dir, name, n);
	ev->host.told(ev->host.ctx);
}

void eval_inode_changed(struct eval *ev, uint64_t ino)
{
	watch_fire_inode(ev, ino);
}

int eval_retry(struct eval *ev, uint64_t dir, const char *name, size_t len)
{
	struct ns_attr recipe;
	struct target *t;
	int r = eval_defined(ev, NS_NOW, dir, name, len, &recipe);

	if (r < 0)
		return r == -EEXIST ? -ENOENT : r;
	t = target_get(ev, NS_NOW, dir, name, len, true);
	if (!t)
		return -ENOMEM;
	t->retry = true;
	target_touch(ev, t);
	return 0;
}

void eval_counts(struct eval *ev, unsigned *ret_running, unsigned *ret_waiting,
		 unsigned *ret_jobs)
{
	*ret_running = ev->nrunning;
	*ret_waiting = ev->nqueued;
	*ret_jobs = ev->options.jobs;
}

static void job_line(const struct task *j, const char *state, struct buf *ret)
{
	char hex[ADDR_HEX];
	size_t n = strlen(j->label) - strlen(RECIPE_SUFFIX);

	addr_hex(&j->recipe, hex);
	buf_fmt(ret, "{\"state\":\"%s\",\"path\":", state);
	buf_json(ret, j->label, n);
	buf_fmt(ret, ",\"recipe\":\"%s\"", hex);
	if (j->start_ns)
		buf_fmt(ret, ",\"seconds\":%.3f",
			(double)(clock_now_ns() - j->start_ns) / 1e9);
	buf_str(ret, "}\n");
}

int eval_jobs(struct eval *ev, struct buf *ret)
{
	struct target *t;
	size_t it = 0;
	void *v;

	while (map_next(ev->running, &it, NULL, NULL, &v)) {
		t = v;
		if (t->task)
			job_line(t->task,
				 t->phase == PHASE_RUNNING ? "running"
							   : "waiting",
				 ret);
	}
	return buf_err(ret);
}
