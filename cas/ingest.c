/* A piece goes through a slot of its line: queued, worked on, ready, done. Who
 * makes the slot ready that is next in order appends it, and all ready ones
 * behind it, in one write; others go on working meanwhile. One lock guards all
 * lines of a store: it is held for a few assignments a piece of 64 KiB.
 *
 * The lock is never held while bytes are hashed, compressed or written, nor
 * while anything of the store is called.
 */
#include "cas/ingest.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define THREADS_MAX 32

enum state { FREE, QUEUED, WORKING, READY, DONE };

struct ingest_buffer {
	struct ingest_buffer *next; /* idle ones of the line */
	unsigned pieces;	    /* that are under way */
	bool done;		    /* no more will come */
	struct ingest *shared;	    /* where it counts, or NULL */
	uint8_t bytes[];
};

struct slot {
	struct slot *next; /* in the queue */
	struct ingest_line *line;
	struct ingest_buffer *buffer;
	enum state state;
	const void *p;
	uint64_t size;
	bool pass;
	struct store_new obj;
	void *payload; /* when it was compressed */
};

struct ingest_line {
	struct ingest *g;
	bool checked, appending;
	int rc;
	struct ingest_buffer *idle;
	pthread_cond_t moved;
	/* counted from the line's first piece: taken <= appended <= given */
	uint64_t taken, appended, given;
	struct slot slots[INGEST_SLOTS];
};

struct ingest {
	struct store *s;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct slot *first, **last; /* the queue */
	unsigned idle, threads;
	bool started, stop;
	uint64_t shared;
	pthread_t thread[THREADS_MAX];
};

/* --- working -------------------------------------------------------------- */

static struct slot *slot_at(struct ingest_line *l, uint64_t i)
{
	return &l->slots[i % INGEST_SLOTS];
}

static void line_failed(struct ingest_line *l, int rc)
{
	if (rc < 0 && !l->rc)
		l->rc = rc;
}

/* Under the lock. */
static void release(struct ingest_line *l, struct slot *sl)
{
	struct ingest_buffer *b = sl->buffer;

	sl->state = DONE;
	free(steal(&sl->payload));
	sl->buffer = NULL;
	if (b && !--b->pieces && b->done) {
		b->next = l->idle;
		l->idle = b;
	}
}

/* Under the lock, which is let go of meanwhile. */
static void append_run(struct ingest_line *l)
{
	struct store_new *run[PACK_RUN];
	struct slot *sl;
	size_t n = 0, objects = 0;
	int rc = 0;

	for (; n < PACK_RUN && l->appended + n < l->given; n++) {
		sl = slot_at(l, l->appended + n);
		if (sl->state != READY)
			break;
		if (!sl->pass)
			run[objects++] = &sl->obj;
	}
	if (objects && !l->rc) {
		pthread_mutex_unlock(&l->g->lock);
		rc = store_append(l->g->s, run, objects);
		pthread_mutex_lock(&l->g->lock);
	}
	line_failed(l, rc);
	for (; n; n--)
		release(l, slot_at(l, l->appended++));
	pthread_cond_broadcast(&l->moved);
}

/* Under the lock: appends what is ready, in order. */
static void append_ready(struct ingest_line *l)
{
	if (l->appending)
		return;
	l->appending = true;
	while (l->appended < l->given &&
	       slot_at(l, l->appended)->state == READY)
		append_run(l);
	l->appending = false;
}

/* Without the lock. What was compressed gets memory of its own, so that no
 * context of the codec is held while it waits for its turn. */
static int prepare(struct ingest_line *l, struct slot *sl)
{
	struct store_new *o = &sl->obj;
	int rc;

	*o = (struct store_new){.kind = OBJ_CHUNK,
				.raw = (uint32_t)sl->size,
				.late = true};
	addr_of(o->kind, sl->p, sl->size, &o->addr);
	rc = store_prepare(l->g->s, sl->p, l->checked, o);
	if (rc < 0 || o->present || o->payload == sl->p)
		goto out;
	sl->payload = malloc(o->stored);
	if (!sl->payload) {
		rc = -ENOMEM;
		goto out;
	}
	memcpy(sl->payload, o->payload, o->stored);
	o->payload = sl->payload;
out:
	store_prepared(l->g->s, o);
	return rc;
}

static struct slot *queue_pop(struct ingest *g)
{
	struct slot *sl = g->first;

	if (!sl)
		return NULL;
	g->first = sl->next;
	if (!g->first)
		g->last = &g->first;
	return sl;
}

/* Under the lock: works on one piece, of any line. False: there is none. */
static bool work_once(struct ingest *g)
{
	struct slot *sl = queue_pop(g);
	struct ingest_line *l;
	int rc = 0;

	if (!sl)
		return false;
	l = sl->line;
	sl->state = WORKING;
	if (!l->rc) {
		pthread_mutex_unlock(&g->lock);
		rc = prepare(l, sl);
		pthread_mutex_lock(&g->lock);
	}
	line_failed(l, rc);
	sl->state = READY;
	append_ready(l);
	return true;
}

static void *worker(void *arg)
{
	struct ingest *g = arg;

	pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		if (work_once(g))
			continue;
		g->idle++;
		pthread_cond_wait(&g->work, &g->lock);
		g->idle--;
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* Fewer threads than wanted, or none, are no failure: who waits works. Signals
 * are for the process's own threads. */
static void start(struct ingest *g)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = (unsigned)MIN(MAX(cpus, 1L), (long)THREADS_MAX);
	sigset_t all, old;

	g->started = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (g->threads < wanted &&
	       !pthread_create(&g->thread[g->threads], NULL, worker, g))
		g->threads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct ingest *ingest_new(struct store *s)
{
	struct ingest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->s = s;
	g->last = &g->first;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->work, NULL);
	return g;
}

void ingest_free(struct ingest *g)
{
	if (!g)
		return;
	assert(!g->first);
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_cond_broadcast(&g->work);
	pthread_mutex_unlock(&g->lock);
	while (g->threads)
		pthread_join(g->thread[--g->threads], NULL);
	pthread_cond_destroy(&g->work);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

/* --- a line --------------------------------------------------------------- */

struct ingest_line *ingest_line_new(struct store *s, bool checked)
{
	struct ingest_line *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->g = store_ingest(s);
	l->checked = checked;
	pthread_cond_init(&l->moved, NULL);
	return l;
}

/* Under the lock: until something of the line has moved. */
static void wait_moved(struct ingest_line *l)
{
	if (!work_once(l->g))
		pthread_cond_wait(&l->moved, &l->g->lock);
}

/* Under the lock. */
static void free_buffer(struct ingest_buffer *b)
{
	if (b->shared)
		b->shared->shared -= INGEST_BUFFER;
	free(b);
}

static void free_buffers(struct ingest_line *l)
{
	struct ingest_buffer *b;

	while ((b = l->idle)) {
		l->idle = b->next;
		free_buffer(b);
	}
}

void ingest_line_free(struct ingest_line *l)
{
	struct ingest *g;

	if (!l)
		return;
	g = l->g;
	pthread_mutex_lock(&g->lock);
	line_failed(l, -ECANCELED);
	while (l->appended < l->given || l->appending)
		wait_moved(l);
	free_buffers(l);
	pthread_mutex_unlock(&g->lock);
	pthread_cond_destroy(&l->moved);
	free(l);
}

int ingest_buffer_new(struct ingest_buffer **ret)
{
	struct ingest_buffer *b = malloc(sizeof(*b) + INGEST_BUFFER);

	if (!b)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	*ret = b;
	return 0;
}

void ingest_buffer_free(struct ingest_buffer *b)
{
	struct ingest *g = b ? b->shared : NULL;

	if (g)
		pthread_mutex_lock(&g->lock);
	if (b)
		free_buffer(b);
	if (g)
		pthread_mutex_unlock(&g->lock);
}

/* Under the lock: another one, if the line may have one. */
static struct ingest_buffer *another(struct ingest_line *l)
{
	struct ingest_buffer *b = l->idle;

	if (b) {
		l->idle = b->next;
	} else if (l->g->shared + INGEST_BUFFER <= INGEST_SHARED) {
		b = malloc(sizeof(*b) + INGEST_BUFFER);
		if (!b)
			return NULL;
		b->shared = l->g;
		l->g->shared += INGEST_BUFFER;
	} else {
		return NULL;
	}
	b->next = NULL;
	b->pieces = 0;
	b->done = false;
	return b;
}

/* Under the lock. */
static int turn(struct ingest_line *l, struct ingest_buffer **b)
{
	struct ingest_buffer *other;

	while (!l->rc && (*b)->pieces) {
		other = another(l);
		if (other) {
			(*b)->done = true;
			*b = other;
			break;
		}
		wait_moved(l);
	}
	return l->rc;
}

int ingest_turn(struct ingest_line *l, struct ingest_buffer **b,
		const uint8_t *rest, size_t n)
{
	int rc;

	pthread_mutex_lock(&l->g->lock);
	rc = turn(l, b);
	pthread_mutex_unlock(&l->g->lock);
	if (!rc)
		memmove((*b)->bytes, rest, n);
	return rc;
}

uint8_t *ingest_bytes(struct ingest_buffer *b)
{
	return b->bytes;
}

bool ingest_full(const struct ingest_line *l)
{
	return l->given - l->taken == INGEST_SLOTS;
}

/* Under the lock. */
static struct slot *next_slot(struct ingest_line *l)
{
	struct slot *sl = slot_at(l, l->given);

	assert(sl->state == FREE);
	*sl = (struct slot){.line = l};
	return sl;
}

int ingest_put(struct ingest_line *l, struct ingest_buffer *b, const void *p,
	       size_t n)
{
	struct ingest *g = l->g;
	struct slot *sl;
	int rc;

	assert(!ingest_full(l));
	pthread_mutex_lock(&g->lock);
	rc = l->rc;
	if (!rc) {
		if (!g->started)
			start(g);
		sl = next_slot(l);
		sl->state = QUEUED;
		sl->p = p;
		sl->size = n;
		sl->buffer = b;
		if (b)
			b->pieces++;
		l->given++;
		*g->last = sl;
		g->last = &sl->next;
		if (g->idle)
			pthread_cond_signal(&g->work);
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

int ingest_pass(struct ingest_line *l, uint64_t size)
{
	struct slot *sl;
	int rc;

	assert(!ingest_full(l));
	pthread_mutex_lock(&l->g->lock);
	rc = l->rc;
	if (!rc) {
		sl = next_slot(l);
		sl->pass = true;
		sl->size = size;
		sl->state = READY;
		l->given++;
		append_ready(l);
	}
	pthread_mutex_unlock(&l->g->lock);
	return rc;
}

int ingest_take(struct ingest_line *l, bool wait, struct addr *ret,
		uint64_t *ret_size)
{
	struct slot *sl;
	int rc;

	pthread_mutex_lock(&l->g->lock);
	while (!l->rc && wait && l->taken < l->given && l->taken == l->appended)
		wait_moved(l);
	rc = l->rc;
	if (!rc && l->taken < l->appended) {
		sl = slot_at(l, l->taken++);
		*ret = sl->obj.addr;
		*ret_size = sl->size;
		sl->state = FREE;
		rc = 1;
	}
	pthread_mutex_unlock(&l->g->lock);
	return rc;
}
