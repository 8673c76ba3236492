/* core/map.h - a hash table from short byte strings to pointers.
 *
 * Keys are copied in; values are the caller's. Not thread-safe.
 * Open addressing with linear probing and backward-shift deletion (Knuth,
 * TAOCP 3, 6.4, algorithm R), so that no tombstones pile up.
 */
#ifndef CORE_MAP_H
#define CORE_MAP_H

#include "core/macros.h"

#include <stdbool.h>

struct map;

struct map *map_new(void) MUST_USE;
void map_free(struct map *m); /* the values are not touched */
CLEANUP_FN(struct map, map_free)

void *map_get(const struct map *m, const void *key, size_t len);
/* 0 or -ENOMEM. Replaces; the former value (or NULL) goes to *ret_old when
 * that is not NULL. The value must not be NULL. */
int map_put(struct map *m, const void *key, size_t len, void *value,
	    void **ret_old) MUST_USE;
void *map_del(struct map *m, const void *key, size_t len); /* former value */
void map_clear(struct map *m); /* empty again; the values are not touched */
size_t map_count(const struct map *m);

/* Any order; `*it` starts at 0. The table must not change meanwhile. */
bool map_next(const struct map *m, size_t *it, const void **ret_key,
	      size_t *ret_len, void **ret_value);

static inline void *map_get_u64(const struct map *m, uint64_t k)
{
	return map_get(m, &k, sizeof(k));
}
static inline MUST_USE int map_put_u64(struct map *m, uint64_t k, void *v)
{
	return map_put(m, &k, sizeof(k), v, NULL);
}
static inline void *map_del_u64(struct map *m, uint64_t k)
{
	return map_del(m, &k, sizeof(k));
}

/* What keys are hashed with. */
uint32_t map_hash(const void *key, size_t len);

#endif
