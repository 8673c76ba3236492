/* core/tiles.h - what is remembered of the Merkle log: hashes of its whole
 * subtrees of 256, 65536, ... leaves, and the heads that were signed.
 *
 * A tile of level L is the subtree of 256^L leaves. All of it follows from the
 * journals, and is there so that nobody has to read them all. Only of what is
 * durable: nothing of it is ever taken back.
 *
 * Threads: db_lock() held.
 */
#ifndef CORE_TILES_H
#define CORE_TILES_H

#include "core/addr.h"
#include "core/db.h"
#include "core/sign.h"

#define TILE_BITS 8
#define TILE	  (1 << TILE_BITS)

struct tiles;

struct tile {
	unsigned level; /* from 1 */
	uint64_t pos;
	struct addr hash;
	uint64_t seq;	     /* change of its last leaf */
	struct addr journal; /* which holds that, */
	uint32_t leaf;	     /* as its record of that number, from 0 */
};

/* Of the tree's first `size` leaves. */
struct tile_head {
	uint64_t size;
	struct addr root;
	uint64_t seq; /* the last change */
	int64_t time_ns;
	uint8_t key[SIGN_PUBLIC_LEN];
	uint8_t signature[SIGN_LEN];
};

int tiles_open(struct db *db, struct tiles **ret) MUST_USE;
void tiles_close(struct tiles *t);
CLEANUP_FN(struct tiles, tiles_close)

/* How many there are of a level. */
int tiles_count(struct tiles *t, unsigned level, uint64_t *ret) MUST_USE;
int tiles_get(struct tiles *t, unsigned level, uint64_t pos,
	      struct tile *ret) MUST_USE; /* -ENOENT */
/* The first of level 1 whose last leaf is not before a change: -ENOENT. */
int tiles_of_change(struct tiles *t, uint64_t seq, struct tile *ret) MUST_USE;
int tiles_put(struct tiles *t, const struct tile *tile) MUST_USE;

/* 1, or 0: none of that size was signed. */
int tiles_head(struct tiles *t, uint64_t size, struct tile_head *ret) MUST_USE;
int tiles_put_head(struct tiles *t, const struct tile_head *h) MUST_USE;
/* By size; a callback's non-zero ends it and is returned. */
int tiles_each_head(struct tiles *t,
		    int (*fn)(void *ctx, const struct tile_head *h),
		    void *ctx) MUST_USE;

#endif
