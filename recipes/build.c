/* A request in steps, so that none holds the lock for long: one step looks at
 * one directory. All that can be begun at once is begun when the last one was
 * looked at; from then on each value that comes begins the next.
 */
#include "recipes/build.h"

#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "recipes/place.h"
#include "recipes/schedule.h"

#define MOMENT_NS (NSEC_PER_SEC / 1000)

/* One name that is being evaluated. */
struct item {
	struct build *b;
	struct target *t;
	struct eval_wait *wait;
	uint64_t gen;
	double cost_s;
	struct item *prev, *next;
};

enum stage { LOOKING, WANTING, ENDED };

struct build {
	struct eval *ev;
	struct build *prev, *next; /* in ev->builds */
	bool queued;
	struct build_options o;
	uint64_t number;
	enum stage stage;

	uint64_t *dirs; /* that were asked for */
	size_t ndirs;
	struct place **todo; /* to be looked at; the last one next */
	size_t ntodo, cap_todo;
	struct place **seen; /* have been; what is below after what is above */
	size_t nseen, cap_seen;
	struct target **wants;
	size_t nwants, cap_wants, next_want;
	struct item *items; /* being evaluated */
	size_t nitems;
	bool blocked_told;
	bool busy; /* in want_more() */
	struct build_counts n;
};

/* --- telling ---------------------------------------------------------------
 */

static void tell(struct build *b, enum build_event event, uint64_t dir,
		 const char *name, enum eval_state state, const char *message)
{
	const struct build_news n = {
		.event = event,
		.counts = &b->n,
		.dir = dir,
		.name = name,
		.state = state,
		.message = message,
	};

	b->n.running = MIN(b->nitems, (size_t)b->ev->nrunning);
	b->o.tell(b->o.ctx, &n);
}

static void tell_failed(struct build *b, uint64_t dir, const char *name,
			const char *message)
{
	b->n.failed++;
	tell(b, BUILD_FAILED, dir, name, EVAL_FAILED, message);
}

/* --- lists -----------------------------------------------------------------
 */

static int append(void *list, size_t *count, size_t *cap, void *what)
{
	void **p = *(void ***)list;
	size_t n;

	if (*count == *cap) {
		n = MAX(2 * *cap, (size_t)16);
		p = reallocarray(p, n, sizeof(*p));
		if (!p)
			return -ENOMEM;
		*(void ***)list = p;
		*cap = n;
	}
	p[(*count)++] = what;
	return 0;
}

static void queue_build(struct build *b)
{
	struct eval *ev = b->ev;

	if (b->queued)
		return;
	b->queued = true;
	b->prev = NULL;
	b->next = ev->builds;
	if (b->next)
		b->next->prev = b;
	ev->builds = b;
	resolvers_wake(ev);
}

static void unqueue_build(struct build *b)
{
	if (!b->queued)
		return;
	b->queued = false;
	if (b->prev)
		b->prev->next = b->next;
	else
		b->ev->builds = b->next;
	if (b->next)
		b->next->prev = b->prev;
}

/* --- looking ---------------------------------------------------------------
 */

/* What it took the last time, in seconds. */
static double cost_of(struct eval *ev, const struct target *t)
{
	struct derived d;
	struct result res;

	if (t->known)
		return (double)t->value.cost_ns / 1e9;
	if (results_derived(ev->results, NS_NOW, t->dir, t->name, t->len, &d) <
		    0 ||
	    results_get(ev->results, &d.recipe, &res) < 0)
		return 0;
	return (double)res.wall_ns / 1e9;
}

static int want_one(struct build *b, struct target *t)
{
	double cost;
	int r;

	if (t->built == b->number)
		return 0; /* in an earlier round */
	r = append(&b->wants, &b->nwants, &b->cap_wants, t);
	if (r < 0)
		return r;
	t->built = b->number;
	b->n.total++;
	if (b->o.costs) {
		cost = cost_of(b->ev, t);
		b->n.rest_s += cost;
		b->n.known += cost > 0;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct target *const *)a)->name,
		      (*(struct target *const *)b)->name);
}

static void tell_blocked(struct build *b, const struct place *p)
{
	const char *s = buf_cstr(&p->blocked), *end = s + p->blocked.len;

	for (; s < end; s += strlen(s) + 1) {
		b->n.total++;
		b->n.done++;
		b->n.failed++;
		tell(b, BUILD_BLOCKED, p->dir, s, EVAL_NEW, NULL);
	}
}

/* Its open names are wanted, and what is below it is looked at next, in order
 * of the names. */
static int take_place(struct build *b, struct place *p)
{
	size_t i, first = b->nwants;
	int r = 0;

	for (i = p->nopen; r >= 0 && i; i--) {
		/* closing puts another one in its place */
		if (place_holds(p->open[i - 1]))
			place_close(p->open[i - 1]);
		else
			r = want_one(b, p->open[i - 1]);
	}
	if (r < 0)
		return r;
	if (b->nwants - first > 1)
		qsort(b->wants + first, b->nwants - first, sizeof(*b->wants),
		      by_name);
	if (!b->blocked_told) {
		b->n.current += p->nnames - p->nopen;
		tell_blocked(b, p);
	}
	for (i = p->nbelow; r >= 0 && i; i--)
		r = append(&b->todo, &b->ntodo, &b->cap_todo, p->below[i - 1]);
	return r;
}

static int look_at(struct build *b, struct place *p)
{
	int r;

	if (place_is_clean(b->ev, p)) {
		if (!b->blocked_told)
			b->n.current += p->total;
		return 0;
	}
	r = place_look(b->ev, p);
	if (r >= 0)
		r = append(&b->seen, &b->nseen, &b->cap_seen, p);
	return r < 0 ? r : take_place(b, p);
}

/* All places have been looked at. */
static void sum_up(struct build *b)
{
	while (b->nseen)
		place_sum(b->ev, b->seen[--b->nseen]);
}

/* --- wanting ---------------------------------------------------------------
 */

static void item_free(struct item *it)
{
	if (it->prev)
		it->prev->next = it->next;
	else
		it->b->items = it->next;
	if (it->next)
		it->next->prev = it->prev;
	it->b->nitems--;
	free(it);
}

static void tell_todo(struct build *b, const struct target *t, int rc)
{
	enum eval_state state;
	struct eval_value v;
	bool now;

	if (rc != -EAGAIN && !t->value.error && (!t->dropped || t->drop_closed))
		return; /* it holds, so it turns out */
	if (eval_peek(b->ev, t->at, t->dir, t->name, t->len, &state, &v, &now,
		      NULL) < 0)
		state = EVAL_NEW;
	if (rc == -EAGAIN && (state == EVAL_FRESH || state == EVAL_FAILED))
		state = EVAL_STALE;
	b->n.computed++;
	tell(b, BUILD_TODO, t->dir, t->name, state, NULL);
}

/* What came of one of them; none of its memory is needed for that. */
static void came_out(struct build *b, struct target *t, int rc, int error,
		     uint64_t gen)
{
	b->n.done++;
	if (b->o.dry && (rc >= 0 || rc == -EAGAIN)) {
		tell_todo(b, t, rc);
	} else if (rc < 0) {
		tell_failed(b, t->dir, t->name, err_name(rc));
	} else if (error == ENOENT) {
		/* its recipe went meanwhile */
	} else if (error) {
		tell_failed(b, t->dir, t->name,
			    t->message ? t->message : err_name(error));
	} else if (t->ran_gen > gen) {
		b->n.computed++;
	}
	if (rc >= 0 && !error && t->drop_closed)
		eval_closed(b->ev, t->at, t->dir, t->name, t->len);
	if (place_holds(t))
		place_close(t);
}

static int push_dirs(struct build *b)
{
	struct place *p;
	size_t i;
	int r = 0;

	for (i = b->ndirs; r >= 0 && i; i--) {
		p = place_get(b->ev, b->dirs[i - 1]);
		r = p ? append(&b->todo, &b->ntodo, &b->cap_todo, p) : -ENOMEM;
	}
	return r;
}

/* From the first directory on. */
static void look_again(struct build *b)
{
	int r = push_dirs(b);

	if (r < 0) {
		b->ntodo = 0;
		tell_failed(b, NS_ROOT, "", err_name(r));
	}
	b->stage = LOOKING;
}

static void want_more(struct build *b);

static void computed(void *ctx, int rc, const struct eval_value *value)
{
	struct item *it = ctx;
	struct build *b = it->b;

	b->n.rest_s = MAX(b->n.rest_s - it->cost_s, 0);
	came_out(b, it->t, rc, rc < 0 ? 0 : value->error, it->gen);
	item_free(it);
	tell(b, BUILD_MOVED, 0, NULL, EVAL_NEW, NULL);
	want_more(b);
}

/* 1: it came out at once. */
static int begin(struct build *b, struct target *t)
{
	struct item *it = calloc(1, sizeof(*it));
	struct eval_value v;
	int r;

	if (!it)
		return -ENOMEM;
	if (!b->o.dry)
		eval_want_bytes(b->ev, t->at, t->dir, t->name, t->len);
	it->b = b;
	it->t = t;
	it->gen = b->ev->gen;
	it->cost_s = b->o.costs ? cost_of(b->ev, t) : 0;
	it->next = b->items;
	if (it->next)
		it->next->prev = it;
	b->items = it;
	b->nitems++;
	r = (b->o.dry ? eval_check : eval_want)(b->ev, t->at, t->dir, t->name,
						t->len, computed, it, &v,
						&it->wait);
	if (!r)
		return 0;
	b->n.rest_s = MAX(b->n.rest_s - it->cost_s, 0);
	came_out(b, t, r < 0 ? r : 0, r < 0 ? 0 : v.error, it->gen);
	item_free(it);
	return 1;
}

/* As many as may be under way. When the last one has come out, the places are
 * looked at again: what was made may define more. */
static void want_more(struct build *b)
{
	struct target *t;
	int r = 1;

	if (b->busy || b->stage != WANTING)
		return;
	b->busy = true;
	while (b->next_want < b->nwants && b->nitems < b->o.at_once) {
		t = b->wants[b->next_want++];
		r = begin(b, t);
		if (r < 0)
			came_out(b, t, r, 0, 0);
	}
	b->busy = false;
	if (b->next_want < b->nwants || b->nitems)
		return;
	look_again(b);
	queue_build(b);
}

/* --- steps -----------------------------------------------------------------
 */

static void end(struct build *b)
{
	sum_up(b);
	unqueue_build(b);
	b->stage = ENDED;
	tell(b, BUILD_ENDED, 0, NULL, EVAL_NEW, NULL);
}

/* The places have been looked at. */
static void looked(struct build *b)
{
	b->blocked_told = true;
	sum_up(b);
	if (b->next_want == b->nwants) {
		end(b);
		return;
	}
	tell(b, BUILD_BEGUN, 0, NULL, EVAL_NEW, NULL);
	b->stage = WANTING;
	unqueue_build(b);
	want_more(b);
}

/* One step of a request that is looking; it may have ended then. */
static void step(struct build *b)
{
	struct place *p;
	int r;

	if (!b->ntodo) {
		looked(b);
		return;
	}
	p = b->todo[--b->ntodo];
	r = look_at(b, p);
	if (r < 0) {
		b->n.total++;
		b->n.done++;
		tell_failed(b, p->dir, "", err_name(r));
	}
	if (!b->ntodo)
		looked(b);
}

bool builds_step(struct eval *ev)
{
	if (!ev->builds)
		return false;
	step(ev->builds);
	return true;
}

/* --- from outside ----------------------------------------------------------
 */

int build_new(struct eval *ev, const struct build_options *o,
	      struct build **ret)
{
	struct build *b;

	if (ev->closing)
		return -ECANCELED;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->ev = ev;
	b->o = *o;
	if (!b->o.at_once)
		b->o.at_once = 2 * ev->options.jobs;
	b->number = ++ev->builds_made;
	*ret = b;
	return 0;
}

int build_add_dir(struct build *b, uint64_t dir)
{
	uint64_t *dirs = reallocarray(b->dirs, b->ndirs + 1, sizeof(*dirs));

	if (!dirs)
		return -ENOMEM;
	b->dirs = dirs;
	b->dirs[b->ndirs++] = dir;
	return 0;
}

int build_add_name(struct build *b, uint64_t dir, const char *name, size_t len)
{
	struct ns_attr recipe;
	struct target *t;
	int r = eval_defined(b->ev, NS_NOW, dir, name, len, &recipe);

	if (r == -ENOENT || r == -EEXIST) {
		if (!eval_is_blocked(b->ev, dir, name, len)) {
			b->n.current++;
			return 0;
		}
		b->n.total++;
		b->n.done++;
		b->n.failed++;
		tell(b, BUILD_BLOCKED, dir, name, EVAL_NEW, NULL);
		return 0;
	}
	if (r < 0)
		return r;
	t = target_get(b->ev, NS_NOW, dir, name, len, true);
	if (!t)
		return -ENOMEM;
	target_look_dropped(b->ev, t);
	if (!place_holds(t))
		return want_one(b, t);
	b->n.current++;
	return 0;
}

void build_start(struct build *b)
{
	int64_t until = clock_mono_ns() + MOMENT_NS;

	places_ask(b->ev);
	look_again(b);
	do
		step(b);
	while (b->stage == LOOKING && clock_mono_ns() < until);
	if (b->stage == LOOKING)
		queue_build(b);
}

void build_free(struct build *b)
{
	struct item *it;

	if (!b)
		return;
	b->stage = ENDED;
	unqueue_build(b);
	while ((it = b->items)) {
		eval_cancel(b->ev, it->wait);
		item_free(it);
	}
	free(b->dirs);
	free(b->todo);
	free(b->seen);
	free(b->wants);
	free(b);
}
