#include "cas/cache.h"

#include <errno.h>
#include <pthread.h>

#include "core/map.h"

/* An entry is in the table from before its load on, and in the ring of the
 * loaded from then on. A hold keeps its memory, not its place: what is thrown
 * out while held is freed by the last who lets go. */
struct entry {
	struct cached pub; /* first */
	struct addr addr;
	void *data;
	struct entry *prev, *next; /* ring, most recent first */
	unsigned holds;
	int rc; /* 1 loading, 0 loaded, -errno */
	bool in_table;
};

struct cache {
	pthread_mutex_t lock;
	pthread_cond_t loaded;
	struct map *map;
	struct entry ring; /* head */
	uint64_t bytes, max;
};

struct cache *cache_new(uint64_t max_bytes)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->map = map_new();
	if (!c->map) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->loaded, NULL);
	c->ring.prev = c->ring.next = &c->ring;
	c->max = max_bytes;
	return c;
}

static void entry_free(struct entry *e)
{
	free(e->data);
	free(e);
}

void cache_free(struct cache *c)
{
	struct entry *e, *next;

	if (!c)
		return;
	for (e = c->ring.next; e != &c->ring; e = next) {
		next = e->next;
		entry_free(e);
	}
	map_free(c->map);
	pthread_cond_destroy(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void ring_add(struct cache *c, struct entry *e)
{
	e->next = c->ring.next;
	e->prev = &c->ring;
	e->next->prev = e->prev->next = e;
}

static void ring_del(struct entry *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
}

static void forget(struct cache *c, struct entry *e)
{
	map_del(c->map, e->addr.b, ADDR_LEN);
	e->in_table = false;
}

/* Takes out what is too much, as a list to be freed without the lock. */
static struct entry *shrink(struct cache *c)
{
	struct entry *out = NULL, *e;

	while (c->bytes > c->max && c->ring.prev != &c->ring) {
		e = c->ring.prev;
		ring_del(e);
		forget(c, e);
		c->bytes -= e->pub.len;
		if (e->holds)
			continue;
		e->next = out;
		out = e;
	}
	return out;
}

/* Drops a hold; the entry, if that was the last thing that kept it. */
static struct entry *unhold(struct entry *e)
{
	e->holds--;
	return e->holds || e->in_table ? NULL : e;
}

static int load_entry(struct cache *c, struct entry *e, cache_load_fn load,
		      void *ctx)
{
	struct entry *out = NULL, *next;
	int rc = load(ctx, &e->addr, &e->data, &e->pub.len);

	pthread_mutex_lock(&c->lock);
	e->rc = rc < 0 ? rc : 0;
	if (!e->rc) {
		e->pub.data = e->data;
		ring_add(c, e);
		c->bytes += e->pub.len;
		out = shrink(c);
	} else {
		forget(c, e);
	}
	pthread_cond_broadcast(&c->loaded);
	rc = e->rc;
	if (rc && unhold(e)) {
		e->next = out;
		out = e;
	}
	pthread_mutex_unlock(&c->lock);
	for (; out; out = next) {
		next = out->next;
		entry_free(out);
	}
	return rc;
}

/* Under the lock; waits for another's load. */
static int use_entry(struct cache *c, struct entry *e,
		     const struct cached **ret)
{
	int rc;

	e->holds++;
	if (!e->rc && c->ring.next != e) {
		ring_del(e);
		ring_add(c, e);
	}
	while (e->rc > 0)
		pthread_cond_wait(&c->loaded, &c->lock);
	rc = e->rc;
	if (!rc)
		*ret = &e->pub;
	else if (unhold(e))
		entry_free(e);
	return rc;
}

int cache_get(struct cache *c, const struct addr *a, cache_load_fn load,
	      void *ctx, const struct cached **ret)
{
	struct entry *e;
	int rc;

	pthread_mutex_lock(&c->lock);
	e = map_get(c->map, a->b, ADDR_LEN);
	if (e) {
		rc = use_entry(c, e, ret);
		pthread_mutex_unlock(&c->lock);
		return rc;
	}
	e = calloc(1, sizeof(*e));
	rc = e ? map_put(c->map, a->b, ADDR_LEN, e, NULL) : -ENOMEM;
	if (rc) {
		pthread_mutex_unlock(&c->lock);
		free(e);
		return rc;
	}
	e->addr = *a;
	e->holds = 1;
	e->rc = 1;
	e->in_table = true;
	pthread_mutex_unlock(&c->lock);
	rc = load_entry(c, e, load, ctx);
	if (!rc)
		*ret = &e->pub;
	return rc;
}

static void let_go(struct cache *c, const struct cached *pub, bool drop)
{
	struct entry *e;

	if (!pub)
		return;
	e = CONTAINER_OF((struct cached *)(uintptr_t)pub, struct entry, pub);
	pthread_mutex_lock(&c->lock);
	if (drop && e->in_table) {
		ring_del(e);
		forget(c, e);
		c->bytes -= e->pub.len;
	}
	e = unhold(e);
	pthread_mutex_unlock(&c->lock);
	if (e)
		entry_free(e);
}

void cache_put(struct cache *c, const struct cached *pub)
{
	let_go(c, pub, false);
}

void cache_drop(struct cache *c, const struct cached *pub)
{
	let_go(c, pub, true);
}

const struct cached *cache_hold(struct cache *c, const struct cached *pub)
{
	pthread_mutex_lock(&c->lock);
	CONTAINER_OF((struct cached *)(uintptr_t)pub, struct entry, pub)
		->holds++;
	pthread_mutex_unlock(&c->lock);
	return pub;
}
