/* cas/cache.h - decoded objects by address, the least recently used go first.
 *
 * What is being loaded is loaded once: who asks for it meanwhile waits. No lock
 * is held while it is loaded.
 *
 * Owns:    what load() gave it, until nobody holds it any more.
 * Threads: any.
 */
#ifndef CAS_CACHE_H
#define CAS_CACHE_H

#include "core/addr.h"

struct cache;

struct cached {
	const void *data; /* constant */
	size_t len;	  /* what it counts for */
};

/* Makes the data (malloc) of an address. */
typedef int (*cache_load_fn)(void *ctx, const struct addr *a, void **ret,
			     size_t *ret_len);

struct cache *cache_new(uint64_t max_bytes) MUST_USE;
void cache_free(struct cache *c); /* nothing of it is held */

/* Held until cache_put(). Fails as load() does; failures are not kept. */
int cache_get(struct cache *c, const struct addr *a, cache_load_fn load,
	      void *ctx, const struct cached **ret) MUST_USE;
void cache_put(struct cache *c, const struct cached *e);
/* The same, and nobody is expected to want it again: it gives up its place. */
void cache_drop(struct cache *c, const struct cached *e);
/* One more holder. */
const struct cached *cache_hold(struct cache *c, const struct cached *e);

#endif
