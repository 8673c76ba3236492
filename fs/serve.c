#include "fs/serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "core/clock.h"
#include "core/err.h"

/* Why not a thread for each request, as libfuse has it: there all of them
 * sleep in read(2), and the kernel wakes the one that has slept longest. So
 * each request of a client that does one thing after the other is another
 * thread's, while the one before has yet to go back to sleep: one more switch
 * a request, and cold caches.
 *
 * The thread that called crew_serve() watches: it wakes every TICK while there
 * is traffic, and when the same request was being done at the tick before it
 * gives the turn to another thread. That two receive for a moment does no harm.
 */

/* The next request of a client that does one thing after the other comes a few
 * microseconds after its answer. To wake a thread that sleeps in read(2) on
 * another CPU takes longer, so who receives looks for a moment (LINGER) whether
 * one comes before it goes to sleep: where that has paid lately (credit), where
 * there is another CPU for the client, and where nobody else wants this one:
 * who does runs at sched_yield().
 */
#define LINGER_NS  (30 * NSEC_PER_SEC / 1000000)
#define YIELDED_NS (8 * NSEC_PER_SEC / 1000000)
#define REST_NS	   (NSEC_PER_SEC / 50) /* when somebody wanted the CPU */
#define CREDIT_MAX 16
#define TRY_EVERY  128 /* requests, without credit */

#define MAX_WORKERS 16
#define TICK_NS	    (2 * NSEC_PER_SEC / 1000)
#define QUIET_TICKS 50 /* until the watch goes to sleep */
#define LEAVE_NS    (NSEC_PER_SEC / 100)

struct worker {
	struct worker *next;
	struct crew *crew;
	pthread_t thread;
	struct fuse_buf buf;
	atomic_uint count; /* of requests that it received */
	atomic_bool busy;  /* with the last of them */
	int credit;	   /* the worker's own, as rest_ns: */
	int64_t rest_ns;   /* until then it does not linger */
	long switches;	   /* away from it, while it could have run */
	atomic_bool gone;
};

struct crew {
	struct fuse_session *se;
	pthread_key_t key; /* the worker that a thread is */
	sem_t wake;	   /* of the watch */
	atomic_bool dozing, over;
	bool alone;		       /* there is one CPU */
	_Atomic(struct worker *) turn; /* NULL: nobody's */

	pthread_mutex_t lock; /* these, and who sets turn: */
	pthread_cond_t cond;
	struct worker *all;
	unsigned count, waiting;
	int failed;
};

static void *work(void *arg);

int crew_new(struct fuse_session *se, struct crew **ret)
{
	struct crew *c = calloc(1, sizeof(*c));
	cpu_set_t cpus;
	int r;

	if (!c)
		return -ENOMEM;
	r = pthread_key_create(&c->key, NULL);
	if (r) {
		free(c);
		return -r;
	}
	c->se = se;
	c->alone = sched_getaffinity(0, sizeof(cpus), &cpus) ||
		   CPU_COUNT(&cpus) < 2;
	sem_init(&c->wake, 0, 0);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->cond, NULL);
	*ret = c;
	return 0;
}

void crew_free(struct crew *c)
{
	struct worker *w;

	if (!c)
		return;
	while ((w = c->all)) {
		c->all = w->next;
		free(w->buf.mem);
		free(w);
	}
	pthread_key_delete(c->key);
	sem_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->cond);
	free(c);
}

/* Under the lock. */
static int add_worker(struct crew *c)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->crew = c;
	r = -pthread_create(&w->thread, NULL, work, w);
	if (r < 0) {
		free(w);
		return r;
	}
	w->next = c->all;
	c->all = w;
	c->count++;
	return 0;
}

/* From who has the turn (NULL: nobody has) to whoever waits for it. */
static void pass(struct crew *c, const struct worker *w)
{
	pthread_mutex_lock(&c->lock);
	if (c->turn == w) {
		c->turn = NULL;
		if (c->waiting)
			pthread_cond_signal(&c->cond);
		/* where no more may be had, who is done takes it next */
		else if (c->count < MAX_WORKERS && add_worker(c) < 0)
			log_debug("no thread more to serve the mount");
	}
	pthread_mutex_unlock(&c->lock);
}

static void finish(struct crew *c, int failed)
{
	pthread_mutex_lock(&c->lock);
	if (failed && !c->failed)
		c->failed = failed;
	c->over = true;
	pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
	sem_post(&c->wake);
}

/* --- a worker ------------------------------------------------------------- */

static bool take_turn(struct crew *c, struct worker *w)
{
	bool over;

	pthread_mutex_lock(&c->lock);
	c->waiting++;
	while (c->turn && !c->over)
		pthread_cond_wait(&c->cond, &c->lock);
	c->waiting--;
	over = c->over;
	if (!over)
		c->turn = w;
	pthread_mutex_unlock(&c->lock);
	return !over;
}

/* Whether another ran in its place since it was asked last. */
static bool was_switched(struct worker *w)
{
	struct rusage u;
	long before = w->switches;

	if (getrusage(RUSAGE_THREAD, &u))
		return true;
	w->switches = u.ru_nivcsw;
	return w->switches != before;
}

/* Whether a request came. */
static bool look_out(struct crew *c, struct worker *w)
{
	struct pollfd p = {.fd = fuse_session_fd(c->se), .events = POLLIN};
	int64_t start = clock_mono_ns(), now = start, before;

	if (start < w->rest_ns)
		return false;
	do {
		if (poll(&p, 1, 0) > 0)
			return true;
		before = clock_mono_ns();
		sched_yield();
		now = clock_mono_ns();
		if (now - before > YIELDED_NS && was_switched(w)) {
			w->rest_ns = now + REST_NS;
			return false;
		}
	} while (now - start < LINGER_NS);
	return false;
}

static void linger(struct crew *c, struct worker *w)
{
	if (c->alone || (w->credit <= 0 && w->count % TRY_EVERY))
		return;
	if (look_out(c, w))
		w->credit = MIN(MAX(w->credit, 0) + 4, CREDIT_MAX);
	else if (w->credit > 0)
		w->credit -= 2;
}

static void serve_one(struct crew *c, struct worker *w)
{
	int r;

	linger(c, w);
	r = fuse_session_receive_buf(c->se, &w->buf);

	if (fuse_session_exited(c->se) || !r) {
		finish(c, 0);
		return;
	}
	if (r == -EINTR || r == -EAGAIN)
		return;
	if (r < 0) {
		finish(c, r);
		return;
	}
	w->count++;
	w->busy = true;
	if (c->dozing && atomic_exchange(&c->dozing, false))
		sem_post(&c->wake);
	fuse_session_process_buf(c->se, &w->buf);
	w->busy = false;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct crew *c = w->crew;

	if (pthread_setspecific(c->key, w))
		log_debug("a thread that serves the mount cannot be told");
	while (take_turn(c, w))
		while (c->turn == w && !c->over)
			serve_one(c, w);
	w->gone = true;
	return NULL;
}

/* --- handlers ------------------------------------------------------------- */

void serve_long(struct crew *c)
{
	const struct worker *w = c ? pthread_getspecific(c->key) : NULL;

	if (w && c->turn == w)
		pass(c, w);
}

void serve_busy(struct crew *c)
{
	const struct worker *w = c ? pthread_getspecific(c->key) : NULL;
	struct pollfd p = {.events = POLLIN};

	if (!w || c->turn != w)
		return;
	p.fd = fuse_session_fd(c->se);
	if (poll(&p, 1, 0) > 0)
		pass(c, w);
}

/* --- the watch ------------------------------------------------------------ */

static void nap(int64_t ns)
{
	const struct timespec t = {.tv_nsec = ns};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* Until a request comes, or a signal. */
static void doze(struct crew *c, const struct worker *w, unsigned seen)
{
	c->dozing = true;
	/* whoever received one meanwhile may not have seen that */
	if (c->over || c->turn != w || !w || w->count != seen)
		c->dozing = false;
	else if (sem_wait(&c->wake) < 0)
		c->dozing = false;
}

static void watch(struct crew *c)
{
	const struct worker *w = NULL, *last = NULL;
	unsigned seen = 0, quiet = 0;

	while (!c->over && !fuse_session_exited(c->se)) {
		w = c->turn;
		if (w && w == last && w->count == seen) {
			if (w->busy)
				pass(c, w);
			else if (++quiet >= QUIET_TICKS)
				doze(c, w, seen);
		} else {
			quiet = 0;
			if (!w && !last)
				pass(c, NULL);
		}
		last = w;
		seen = w ? w->count : 0;
		nap(TICK_NS);
	}
}

/* Who sleeps in a read(2) that nothing ends is woken by a signal. */
static void dismiss(struct crew *c)
{
	struct worker *w;
	bool all = false;

	finish(c, 0);
	while (!all) {
		all = true;
		pthread_mutex_lock(&c->lock);
		for (w = c->all; w; w = w->next)
			if (!w->gone && !pthread_kill(w->thread, SIGUSR1))
				all = false;
		pthread_mutex_unlock(&c->lock);
		if (!all)
			nap(LEAVE_NS);
	}
	for (w = c->all; w; w = w->next)
		pthread_join(w->thread, NULL);
}

int crew_serve(struct crew *c)
{
	int r;

	pthread_mutex_lock(&c->lock);
	r = add_worker(c);
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return r;
	watch(c);
	dismiss(c);
	return c->failed;
}
