/* Three kinds of errands wait in one queue, each behind a settle time: to look
 * at a recipe file, to compute a name, and to make what it holds a second time
 * (recipes/verify.h). Looking finds out whether the file
 * says `eager`; for a pattern it lists what the pattern defines, with a watch
 * on all that would change the list. That watch, and one on the recipe file
 * itself, belong to a target with the recipe file's name, which stands for
 * nothing else (look).
 *
 * After a mount every eager recipe is looked at and its names are evaluated,
 * which runs nothing where nothing changed.
 */
#include "recipes/upkeep.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/eager.h"
#include "recipes/define.h"
#include "recipes/file.h"
#include "recipes/pattern_set.h"
#include "recipes/schedule.h"
#include "recipes/tools.h"

#define SETTLE_NS (100 * NSEC_PER_SEC / 1000)
#define BUSY_NS	  (50 * NSEC_PER_SEC / 1000)
#define TOOLS_NS  NSEC_PER_SEC

enum errand_kind {
	COMPUTE, /* the name */
	LOOK,	 /* at the recipe file */
	VERIFY,	 /* the name */
};

struct errand {
	struct errand *prev, *next;
	struct upkeep *u;
	enum errand_kind kind;
	uint64_t dir;
	int64_t due_ns;
	struct eval_wait *wait; /* being computed */
	size_t len;
	char name[];
};

struct errands {
	struct errand *first, *last;
};

struct upkeep {
	struct eval *ev;
	struct eager *eager;
	struct map *index; /* of what is due */
	struct errands due, running;
	unsigned nrunning;
	int64_t tools_ns; /* when to look at them again */

	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t rings;
};

/* --- errands ----------------------------------------------------------------
 */

static void list_add(struct errands *l, struct errand *e)
{
	e->prev = l->last;
	e->next = NULL;
	if (l->last)
		l->last->next = e;
	else
		l->first = e;
	l->last = e;
}

static void list_remove(struct errands *l, struct errand *e)
{
	if (e->prev)
		e->prev->next = e->next;
	else
		l->first = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		l->last = e->prev;
}

static size_t errand_key(uint8_t *key, enum errand_kind kind, uint64_t dir,
			 const char *name, size_t len)
{
	key[0] = (uint8_t)kind;
	memcpy(key + 1, &dir, sizeof(dir));
	memcpy(key + 1 + sizeof(dir), name, len);
	return 1 + sizeof(dir) + len;
}

#define KEY_MAX (1 + sizeof(uint64_t) + NS_NAME_MAX)

/* Nothing to do when it is due already. */
static void push(struct upkeep *u, enum errand_kind kind, uint64_t dir,
		 const char *name, size_t len, int64_t delay_ns)
{
	uint8_t key[KEY_MAX];
	struct errand *e;
	size_t n;

	if (len > NS_NAME_MAX || u->ev->closing)
		return;
	n = errand_key(key, kind, dir, name, len);
	if (map_get(u->index, key, n))
		return;
	e = calloc(1, sizeof(*e) + len + 1);
	if (!e || map_put(u->index, key, n, e, NULL) < 0) {
		free(e);
		log_error("%.*s is not computed in the background: %s",
			  (int)len, name, err_name(-ENOMEM));
		return;
	}
	e->u = u;
	e->kind = kind;
	e->dir = dir;
	e->due_ns = clock_mono_ns() + delay_ns;
	e->len = len;
	memcpy(e->name, name, len);
	list_add(&u->due, e);
	if (u->due.first == e)
		upkeep_ring(u);
}

/* Takes it out of what is due. */
static void take(struct upkeep *u, struct errand *e)
{
	uint8_t key[KEY_MAX];

	list_remove(&u->due, e);
	map_del(u->index, key,
		errand_key(key, e->kind, e->dir, e->name, e->len));
}

void upkeep_recipe(struct eval *ev, uint64_t dir, const char *file, size_t len)
{
	if (ev->upkeep)
		push(ev->upkeep, LOOK, dir, file, len, SETTLE_NS);
}

void upkeep_target(struct eval *ev, const struct target *t)
{
	if (ev->upkeep)
		push(ev->upkeep, t->look ? LOOK : COMPUTE, t->dir, t->name,
		     t->len, SETTLE_NS);
}

void upkeep_verify(struct eval *ev, const struct target *t)
{
	if (ev->upkeep)
		push(ev->upkeep, VERIFY, t->dir, t->name, t->len, SETTLE_NS);
}

/* --- looking ----------------------------------------------------------------
 */

static bool is_eager(struct eval *ev, uint64_t dir, const char *name,
		     size_t len, uint64_t *ret_recipe)
{
	CLEANUP(recipe_def_freep) struct recipe_def *def = NULL;
	struct ns_attr file;

	if (eval_defined(ev, NS_NOW, dir, name, len, &file) < 0 ||
	    define_load(ev, &file, &def, NULL) < 0)
		return false;
	*ret_recipe = file.ino;
	return def->eager;
}

struct listing {
	struct upkeep *u;
	uint64_t dir, recipe;
	struct buf names; /* each ended by a NUL */
};

static int gather(void *ctx, const char *name, size_t len, bool dir)
{
	struct listing *l = ctx;
	struct target *t =
		target_get(l->u->ev, NS_NOW, l->dir, name, len, false);

	if (t && t->known && t->fresh && t->eager)
		return 0;
	buf_add(&l->names, name, len);
	buf_u8(&l->names, '\0');
	return 0;
}

/* All names that the pattern defines and that are not known to hold. */
static int push_pattern(struct upkeep *u, struct target *watcher,
			const struct errand *e, uint64_t recipe)
{
	struct finder f = {.ev = u->ev, .watcher = watcher, .at = NS_NOW};
	struct listing l = {.u = u, .dir = e->dir, .recipe = recipe};
	const char *p, *end;
	uint64_t by;
	int r;

	patterns_trim(u->ev);
	r = define_list(&f, e->dir, NULL, NULL, 0, gather, &l);
	if (r >= 0)
		r = buf_err(&l.names);
	p = buf_cstr(&l.names);
	for (end = p + l.names.len; r >= 0 && p < end; p += strlen(p) + 1)
		if (is_eager(u->ev, e->dir, p, strlen(p), &by) && by == recipe)
			push(u, COMPUTE, e->dir, p, strlen(p), 0);
	buf_done(&l.names);
	return r;
}

static int push_plain(struct upkeep *u, uint64_t dir, const char *text,
		      size_t len)
{
	CLEANUP_BUF struct buf name = BUF_INIT;

	pattern_fill(text, len, "", 0, false, &name);
	if (buf_err(&name) < 0)
		return -ENOMEM;
	push(u, COMPUTE, dir, buf_cstr(&name), name.len, 0);
	return 0;
}

static int push_defined(struct upkeep *u, struct target *watcher,
			const struct errand *e, size_t stem, uint64_t recipe,
			const struct recipe_def *def)
{
	size_t i;
	int r = 0;

	if (pattern_stems(e->name, stem, NULL))
		return push_pattern(u, watcher, e, recipe);
	if (!def->nouts)
		return push_plain(u, e->dir, e->name, stem);
	for (i = 0; r >= 0 && i < def->nouts; i++)
		r = push_plain(u, e->dir, def->outs[i].file,
			       strlen(def->outs[i].file));
	return r;
}

static int watch_file(struct upkeep *u, const struct errand *e, uint64_t ino,
		      struct target **ret)
{
	struct target *t =
		target_get(u->ev, NS_NOW, e->dir, e->name, e->len, true);
	int r;

	if (!t)
		return -ENOMEM;
	if (t->phase != PHASE_IDLE)
		return -EBUSY; /* a recipe makes this recipe */
	watch_drop(u->ev, t);
	t->look = true;
	t->changed = false;
	r = watch_inode(u->ev, t, ino);
	*ret = t;
	return r;
}

static int look(struct upkeep *u, const struct errand *e)
{
	CLEANUP(recipe_def_freep) struct recipe_def *def = NULL;
	struct eval *ev = u->ev;
	struct target *t;
	struct ns_attr attr;
	uint64_t ino;
	size_t stem;
	bool yes;
	int r = ns_lookup(ev->ns, NS_NOW, e->dir, e->name, e->len, &ino, NULL);

	if (r >= 0)
		r = ns_getattr(ev->ns, NS_NOW, ino, &attr);
	if (r < 0 || !S_ISREG(attr.mode) ||
	    !recipe_name(e->name, e->len, &stem)) {
		r = eager_set(u->eager, e->dir, e->name, e->len, false);
		return r < 0 ? r : 0;
	}
	r = watch_file(u, e, ino, &t);
	if (r < 0)
		return r == -EBUSY ? 0 : r;
	yes = define_load(ev, &attr, &def, NULL) >= 0 && def->eager;
	r = eager_set(u->eager, e->dir, e->name, e->len, yes);
	if (r > 0)
		ev->host.wrote(ev->host.ctx);
	return r < 0 || !yes ? r : push_defined(u, t, e, stem, ino, def);
}

/* --- computing --------------------------------------------------------------
 */

static void computed(void *ctx, int rc, const struct eval_value *value)
{
	struct errand *e = ctx;
	struct upkeep *u = e->u;

	(void)value;
	list_remove(&u->running, e);
	u->nrunning--;
	if (rc < 0 && rc != -ECANCELED)
		log_warn("%s could not be computed in the background: %s",
			 e->name, err_name(rc));
	free(e);
	upkeep_ring(u);
}

static void compute(struct upkeep *u, struct errand *e)
{
	struct eval_value value;
	uint64_t recipe;
	int r = 1;

	/* before the wait, which may end at once */
	list_add(&u->running, e);
	u->nrunning++;
	if (e->kind == VERIFY)
		r = eval_verify(u->ev, e->dir, e->name, e->len, computed, e,
				&value, &e->wait);
	else if (is_eager(u->ev, e->dir, e->name, e->len, &recipe))
		r = eval_want(u->ev, NS_NOW, e->dir, e->name, e->len, computed,
			      e, &value, &e->wait);
	if (r)
		computed(e, r < 0 ? r : 0, &value);
}

/* It is begun again later. */
static void put_off(struct upkeep *u, struct errand *e)
{
	list_remove(&u->running, e);
	u->nrunning--;
	eval_cancel(u->ev, e->wait);
	push(u, e->kind, e->dir, e->name, e->len, SETTLE_NS);
	free(e);
}

/* Readers come first: with any of their computations waiting for a slot, one
 * of ours gives up its own. */
static void give_way(struct upkeep *u)
{
	struct errand *e = u->running.first;

	if (e && e->wait && u->ev->nqueued)
		put_off(u, e);
}

/* What is being computed for nobody but us, from what has changed since, is of
 * no use. */
static void stop_outdated_errands(struct upkeep *u)
{
	struct errand *e, *next;

	for (e = u->running.first; e; e = next) {
		next = e->next;
		if (e->kind == COMPUTE && e->wait && e->wait->target->changed &&
		    e->wait->target->phase == PHASE_RUNNING)
			put_off(u, e);
	}
}

static bool slot_free(const struct upkeep *u)
{
	return !u->ev->nqueued && u->nrunning < u->ev->options.jobs &&
	       u->ev->nrunning < u->ev->options.jobs;
}

/* --- tools ------------------------------------------------------------------
 */

static void tool_changed(void *ctx, const char *name)
{
	struct buf *names = ctx;

	buf_str(names, name);
	buf_u8(names, '\0');
}

static void look_at_tools(struct upkeep *u)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	const char *p, *end;

	u->tools_ns = clock_mono_ns() + TOOLS_NS;
	tools_changed(u->ev->tools, tool_changed, &names);
	if (buf_err(&names) < 0)
		return; /* in a second */
	p = buf_cstr(&names);
	for (end = p + names.len; p < end; p += strlen(p) + 1)
		watch_fire_tool(u->ev, p);
}

/* --- the thread -------------------------------------------------------------
 */

void upkeep_ring(struct upkeep *u)
{
	pthread_mutex_lock(&u->lock);
	u->rings++;
	pthread_cond_signal(&u->cond);
	pthread_mutex_unlock(&u->lock);
}

/* db_lock is let go of meanwhile. until_ns: INT64_MAX: until rung. */
static void sleep_until(struct upkeep *u, int64_t until_ns)
{
	struct timespec t = {.tv_sec = until_ns / NSEC_PER_SEC,
			     .tv_nsec = until_ns % NSEC_PER_SEC};
	uint64_t seen;
	int r = 0;

	pthread_mutex_lock(&u->lock);
	seen = u->rings;
	pthread_mutex_unlock(&u->lock);
	db_unlock(u->ev->db);
	pthread_mutex_lock(&u->lock);
	while (u->rings == seen && !r)
		r = until_ns == INT64_MAX
			    ? pthread_cond_wait(&u->cond, &u->lock)
			    : pthread_cond_timedwait(&u->cond, &u->lock, &t);
	pthread_mutex_unlock(&u->lock);
	db_lock(u->ev->db);
}

/* One errand, if one can be run now; when to come back. */
static int64_t turn(struct upkeep *u)
{
	struct errand *e = u->due.first;
	int64_t now = clock_mono_ns(), next = INT64_MAX;
	int r;

	if (tools_any(u->ev->tools)) {
		if (now >= u->tools_ns)
			look_at_tools(u);
		next = u->tools_ns;
	}
	if (u->running.first) {
		stop_outdated_errands(u);
		give_way(u);
		next = MIN(next, now + SETTLE_NS);
	}
	if (!e)
		return next;
	if (e->due_ns > now)
		return MIN(next, e->due_ns);
	if (e->kind != LOOK && !slot_free(u))
		return MIN(next, now + BUSY_NS);
	take(u, e);
	if (e->kind != LOOK) {
		compute(u, e);
		return 0;
	}
	r = look(u, e);
	if (r < 0)
		log_error("%s: cannot be looked at for `eager`: %s", e->name,
			  err_name(r));
	free(e);
	return 0;
}

static int remembered(void *ctx, uint64_t dir, const char *name, size_t len)
{
	push(ctx, LOOK, dir, name, len, SETTLE_NS);
	return 0;
}

void *upkeep_main(void *arg)
{
	struct eval *ev = arg;
	struct upkeep *u = ev->upkeep;
	int64_t next;
	int r;

	db_lock(ev->db);
	r = eager_each(u->eager, remembered, u);
	if (r < 0)
		log_error("eager recipes cannot be read: %s", err_name(r));
	while (!ev->closing) {
		next = turn(u);
		if (next) {
			sleep_until(u, next);
		} else { /* others want the lock, too */
			db_unlock(ev->db);
			db_lock(ev->db);
		}
	}
	db_unlock(ev->db);
	return NULL;
}

int upkeep_new(struct eval *ev, struct upkeep **ret)
{
	struct upkeep *u = calloc(1, sizeof(*u));
	pthread_condattr_t attr;
	int r;

	if (!u)
		return -ENOMEM;
	u->ev = ev;
	u->index = map_new();
	r = u->index ? eager_open(ev->db, ns_branch(ev->ns), &u->eager)
		     : -ENOMEM;
	if (r < 0) {
		map_free(u->index);
		free(u);
		return r;
	}
	pthread_mutex_init(&u->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&u->cond, &attr);
	pthread_condattr_destroy(&attr);
	*ret = u;
	return 0;
}

/* What runs has been answered: nothing is left in the list of that. */
void upkeep_free(struct upkeep *u)
{
	struct errand *e;

	if (!u)
		return;
	while ((e = u->due.first)) {
		list_remove(&u->due, e);
		free(e);
	}
	map_free(u->index);
	eager_close(u->eager);
	pthread_mutex_destroy(&u->lock);
	pthread_cond_destroy(&u->cond);
	free(u);
}
