/* cas/pack_cache.h - open descriptors of packs, for reading; a bounded number.
 *
 * Threads: any. Descriptors in use are never closed, so that their number can
 * exceed the bound by one a thread.
 */
#ifndef CAS_PACK_CACHE_H
#define CAS_PACK_CACHE_H

#include "cas/pack.h"

struct pack_cache;

struct pack_file {
	uint8_t id[PACK_ID_LEN];
	int fd;
};

/* The id of a pack as an object_loc names it. */
typedef int (*pack_id_fn)(void *ctx, uint32_t pack, uint8_t ret[PACK_ID_LEN]);

/* The directory's descriptor stays the caller's. */
struct pack_cache *pack_cache_new(int packs_fd, pack_id_fn fn,
				  void *ctx) MUST_USE;
void pack_cache_free(struct pack_cache *c);
/* -ENOENT: there is no such pack. */
int pack_cache_get(struct pack_cache *c, uint32_t pack,
		   const struct pack_file **ret) MUST_USE;
void pack_cache_put(struct pack_cache *c, const struct pack_file *f);

/* Closes what nobody uses of the packs that are gone. */
void pack_cache_trim(struct pack_cache *c);

#endif
