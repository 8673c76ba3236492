/* Evaluation from outside: life, questions, news.
 *
 * What goes on between a question and its answer is in schedule.c, need.c and
 * outcome.c.
 */
#include "recipes/eval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/verified.h"
#include "recipes/define.h"
#include "recipes/output_set.h"
#include "recipes/place.h"
#include "recipes/schedule.h"
#include "recipes/scratch_pool.h"
#include "recipes/task.h"
#include "recipes/tools.h"
#include "recipes/upkeep.h"

/* --- life --------------------------------------------------------------- */

int eval_open(struct store *store, struct ns *ns, struct results *results,
	      struct sandbox *sandbox, const struct eval_host *host,
	      const struct eval_options *options, struct eval **ret)
{
	CLEANUP(eval_closep) struct eval *ev = calloc(1, sizeof(*ev));
	int r;

	if (!ev)
		return -ENOMEM;
	ev->store = store;
	ev->db = store_db(store);
	ev->ns = ns;
	ev->results = results;
	ev->sandbox = sandbox;
	ev->host = *host;
	ev->options = *options;
	ev->news = 1;
	pthread_mutex_init(&ev->ready_bell.lock, NULL);
	pthread_cond_init(&ev->ready_bell.cond, NULL);
	pthread_mutex_init(&ev->queued_bell.lock, NULL);
	pthread_cond_init(&ev->queued_bell.cond, NULL);
	ev->targets = map_new();
	ev->watches = map_new();
	ev->running = map_new();
	ev->patterns = map_new();
	ev->asked = map_new();
	ev->outputs = map_new();
	ev->homes = map_new();
	if (!ev->targets || !ev->watches || !ev->running || !ev->patterns ||
	    !ev->asked || !ev->outputs || !ev->homes)
		return -ENOMEM;
	r = observed_open(ev->db, &ev->observed);
	if (r >= 0)
		r = tools_new(ev->options.no_sandbox, &ev->tools);
	if (r >= 0)
		r = upkeep_new(ev, &ev->upkeep);
	if (r >= 0)
		r = places_new(&ev->places);
	if (r >= 0)
		r = scratch_pool_new(store, &ev->scratches);
	if (r >= 0)
		r = threads_start(ev);
	if (r < 0)
		return r;
	*ret = steal(&ev);
	return 0;
}

/* No thread is left: whatever a target still holds goes. */
static void let_go_all(struct eval *ev)
{
	struct eval_wait *w;
	struct target *t;
	size_t it = 0;
	void *v;

	while (ev->targets && map_next(ev->targets, &it, NULL, NULL, &v)) {
		t = v;
		while ((w = t->waits)) {
			t->waits = w->next;
			w->fn(w->ctx, -ECANCELED, &t->value);
			free(w);
		}
		while (t->needs)
			need_remove(t->needs);
		task_free(t->task);
		t->task = NULL;
	}
}

void eval_close(struct eval *ev)
{
	if (!ev)
		return;
	threads_stop(ev);
	db_lock(ev->db);
	let_go_all(ev);
	targets_free(ev);
	patterns_free(ev);
	outputs_free(ev);
	db_unlock(ev->db);
	places_free(ev->places);
	scratch_pool_free(ev->scratches);
	upkeep_free(ev->upkeep);
	tools_free(ev->tools);
	observed_close(ev->observed);
	map_free(ev->watches);
	map_free(ev->running);
	pthread_mutex_destroy(&ev->ready_bell.lock);
	pthread_cond_destroy(&ev->ready_bell.cond);
	pthread_mutex_destroy(&ev->queued_bell.lock);
	pthread_cond_destroy(&ev->queued_bell.cond);
	free(ev);
}

/* --- questions ---------------------------------------------------------- */

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
		.is_dir = d.is_dir,
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
	if (!t || !t->known || t->value.error == ENOENT) {
		/* not asked for yet, or not since there is a recipe again */
		peek_rows(ev, at, dir, name, len, &state, &value);
	} else {
		value = t->value;
		state = !t->fresh	 ? EVAL_STALE
			: t->value.error ? EVAL_FAILED
					 : EVAL_FRESH;
	}
	if (t)
		target_look_dropped(ev, t);
	if (t && t->dropped && state != EVAL_FAILED)
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

	/* one that runs, or waits for what may run, would keep us waiting */
	if (t && t->phase >= PHASE_WAITING && in_earnest(t))
		return -EAGAIN;
	return want(ev, at, dir, name, len, true, fn, ctx, ret, ret_wait);
}

void eval_cancel(struct eval *ev, struct eval_wait *w)
{
	struct target *t = w->target;
	bool dry = w->dry;

	if (w->prev)
		w->prev->next = w->next;
	else
		t->waits = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
	/* nothing runs for those who only want to know */
	if (!dry && t->phase >= PHASE_WAITING && !in_earnest(t))
		refuse_dry(ev, t);
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

/* The recipe of a name came, went, or is another. */
static void recipe_changed(struct eval *ev, uint64_t dir, const char *name,
			   size_t len)
{
	struct target *t = target_get(ev, NS_NOW, dir, name, len, false);

	if (t)
		target_touch(ev, t);
	else
		watch_fire_name(ev, dir, name, len);
	ev->host.stale(ev->host.ctx, dir, name, len);
	ev->host.told(ev->host.ctx);
}

/* A name comes into listings, or leaves them, without being written. */
static void output_changed(struct eval *ev, uint64_t dir, const char *name,
			   size_t len)
{
	watch_fire_listing(ev, dir);
	recipe_changed(ev, dir, name, len);
}

void eval_name_changed(struct eval *ev, uint64_t dir, const char *name,
		       size_t len)
{
	CLEANUP_BUF struct buf defines = BUF_INIT;
	size_t n;

	watch_fire_name(ev, dir, name, len);
	watch_fire_listing(ev, dir);
	if (!recipe_name(name, len, &n)) {
		/* it may have come in the way of a recipe, or out of it */
		if (target_get(ev, NS_NOW, dir, name, len, false)) {
			ev->host.stale(ev->host.ctx, dir, name, len);
			ev->host.told(ev->host.ctx);
		}
		return;
	}
	upkeep_recipe(ev, dir, name, len);
	if (pattern_stems(name, n, NULL)) {
		patterns_changed(ev, dir);
		watch_fire_patterns(ev, dir);
		return;
	}
	outputs_name_changed(ev, dir, name, len, output_changed);
	pattern_fill(name, n, "", 0, false, &defines);
	recipe_changed(ev, dir, buf_cstr(&defines), defines.len);
}

void eval_inode_changed(struct eval *ev, uint64_t ino)
{
	outputs_inode_changed(ev, ino, output_changed);
	watch_fire_inode(ev, ino);
}

void eval_result_changed(struct eval *ev, uint64_t dir, const char *name,
			 size_t len, const struct addr *recipe, int error,
			 const struct addr *addr)
{
	struct target *t = target_get(ev, NS_NOW, dir, name, len, false);

	ev->news++;
	if (t && t->known && addr_eq(&t->value.recipe, recipe) &&
	    (t->value.error != error || !addr_eq(&t->value.addr, addr)))
		target_touch(ev, t);
}

void eval_all_changed(struct eval *ev)
{
	patterns_forget(ev);
	outputs_forget(ev);
	watch_fire_all(ev);
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

bool eval_is_dropped(struct eval *ev, uint64_t at, uint64_t dir,
		     const char *name, size_t len)
{
	struct target *t = target_get(ev, at, dir, name, len, false);

	if (t)
		target_look_dropped(ev, t);
	return t && t->dropped;
}

void eval_lost(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
	       size_t len)
{
	struct target *t = target_get(ev, at, dir, name, len, false);

	if (!t)
		return;
	t->dropped = true;
	place_news(t);
}

/* What depends on it looks again, too: nothing may be fresh that depends on
 * what is not. */
void eval_want_bytes(struct eval *ev, uint64_t at, uint64_t dir,
		     const char *name, size_t len)
{
	struct target *t = target_get(ev, at, dir, name, len, false);

	if (!t)
		return;
	target_look_dropped(ev, t);
	if (!t->dropped)
		return;
	t->need_bytes = true;
	if (t->phase == PHASE_IDLE && t->fresh)
		target_touch(ev, t);
}

int eval_drop(struct eval *ev, uint64_t dir, const char *name, size_t len)
{
	struct target *t = target_get(ev, NS_NOW, dir, name, len, false);
	struct ns_attr recipe;
	struct derived d;
	int r = eval_defined(ev, NS_NOW, dir, name, len, &recipe);

	if (r < 0)
		return r == -EEXIST ? -ENOENT : r;
	r = results_derived(ev->results, NS_NOW, dir, name, len, &d);
	if (r >= 0)
		r = verified_holds(ev->db, &d.recipe);
	if (r > 0)
		return -ENOTUNIQ;
	if (r >= 0)
		r = d.error ? -ENOENT
			    : results_drop_bytes(ev->results, dir, name, len,
						 &d.recipe);
	if (r < 0)
		return r == -ENOENT ? -ENODATA : r;
	ev->host.wrote(ev->host.ctx);
	if (t && addr_eq(&t->value.recipe, &d.recipe))
		t->dropped = true;
	places_bytes_gone(ev); /* other names may have the same content */
	return 0;
}

void eval_closed(struct eval *ev, uint64_t at, uint64_t dir, const char *name,
		 size_t len)
{
	struct target *t = target_get(ev, at, dir, name, len, false);

	if (!t || !t->drop_closed || !t->known || t->value.error ||
	    t->dropped || t->phase != PHASE_IDLE || t->value.is_dir)
		return;
	if (verified_holds(ev->db, &t->value.recipe) ||
	    results_drop_bytes(ev->results, dir, name, len, &t->value.recipe) <
		    0)
		return; /* it is kept: no harm */
	ev->host.wrote(ev->host.ctx);
	t->dropped = true;
	places_bytes_gone(ev);
}

void eval_counts(struct eval *ev, unsigned *ret_running, unsigned *ret_waiting,
		 unsigned *ret_jobs)
{
	*ret_running = ev->nrunning;
	*ret_waiting = ev->nqueued;
	*ret_jobs = ev->options.jobs;
}

void eval_computation(struct eval *ev, const struct addr *recipe,
		      struct addr *ret)
{
	if (results_output(ev->results, recipe, ret, NULL) < 0)
		*ret = *recipe;
}

/* What lies at a run's outputs so far. */
static uint64_t bytes_of(const struct task *j)
{
	const struct recipe_def *d = j->def;
	uint64_t sum = 0;
	struct stat st;
	size_t i;

	for (i = 0; i < MAX(d->nouts, (size_t)1); i++) {
		CLEANUP_FREE char *path = NULL;

		if (asprintf(&path, "%s/o/%s", j->scratch,
			     d->nouts ? j->outs[i].file : j->out_name) < 0) {
			path = NULL;
			continue;
		}
		if (!lstat(path, &st) && S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
		else if (!d->nouts) { /* then what it prints is the output */
			free(path);
			if (asprintf(&path, "%s/stdout", j->scratch) < 0)
				path = NULL;
			else if (!lstat(path, &st))
				sum += (uint64_t)st.st_size;
		}
	}
	return sum;
}

/* How long the name took the last time that it was computed. */
static int64_t last_time(struct eval *ev, const struct target *t)
{
	struct result res;
	struct derived d;

	if (results_derived(ev->results, NS_NOW, t->dir, t->name, t->len, &d) <
		    0 ||
	    results_get(ev->results, &d.recipe, &res) < 0)
		return 0;
	return res.wall_ns;
}

static void job_line(struct eval *ev, const struct target *t,
		     const struct task *j, const char *state, struct buf *ret)
{
	double seconds = 0, last = (double)last_time(ev, t) / 1e9;
	char hex[ADDR_HEX];

	addr_hex(&j->base, hex);
	buf_fmt(ret, "{\"state\":\"%s\",\"path\":", state);
	buf_json(ret, j->path, strlen(j->path));
	buf_fmt(ret, ",\"recipe\":\"%s\"", hex);
	if (j->verify)
		buf_str(ret, ",\"verify\":true");
	if (j->start_ns) {
		seconds = (double)(clock_now_ns() - j->start_ns) / 1e9;
		buf_fmt(ret, ",\"seconds\":%.3f", seconds);
	}
	if (j->scratch)
		buf_fmt(ret, ",\"bytes\":%llu",
			(unsigned long long)bytes_of(j));
	if (last > 0) {
		buf_fmt(ret, ",\"last_seconds\":%.3f", last);
		if (j->start_ns)
			buf_fmt(ret, ",\"progress\":%.2f",
				MIN(seconds / last, 0.99));
	}
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
			job_line(ev, t, t->task,
				 t->phase == PHASE_RUNNING ? "running"
							   : "waiting",
				 ret);
	}
	return buf_err(ret);
}
