/* core/objects.h - the index of the packs: where each object lies.
 *
 * Rows only; the bytes are cas's. Reads go through a connection of their own
 * (committed rows), so that a reader of file content never waits for the
 * batch; what is not committed yet, cas keeps in memory until the batch is.
 *
 * Threads: objects_find from any thread (own lock); the others under
 *          db_lock().
 */
#ifndef CORE_OBJECTS_H
#define CORE_OBJECTS_H

#include "core/addr.h"
#include "core/db.h"

struct objects;

#define PACK_ID_LEN 16

struct object_loc {
	enum obj_kind kind;
	uint8_t codec;	 /* enum codec of cas */
	uint32_t pack;	 /* row of the pack */
	uint64_t offset; /* of the record in the pack */
	uint32_t stored; /* length of the payload */
	uint32_t raw;	 /* length of the object */
	bool doomed;	 /* collection is about to take it: it can be read, but
			  * nobody may rely on it that did not before */
};

int objects_open(struct db *db, const char *path, struct objects **ret,
		 struct err *err) MUST_USE;
void objects_close(struct objects *o);
CLEANUP_FN(struct objects, objects_close)

/* -ENOENT; -EDOM: there is a row, of numbers that cannot be. */
int objects_find(struct objects *o, const struct addr *a,
		 struct object_loc *ret) MUST_USE;
/* The same with what the open batch has done so far; under db_lock(). */
int objects_seen(struct objects *o, const struct addr *a,
		 struct object_loc *ret) MUST_USE;
/* Adds, or keeps the row that is there, unless that is doomed. */
int objects_add(struct objects *o, const struct addr *a,
		const struct object_loc *loc) MUST_USE;
/* Replaces the row: the bytes at the old place are damaged. */
int objects_replace(struct objects *o, const struct addr *a,
		    const struct object_loc *loc) MUST_USE;
/* Adds what was added to the totals: after the last of a batch. */
int objects_count(struct objects *o) MUST_USE;
int objects_iterate(struct objects *o,
		    int (*fn)(void *ctx, const struct addr *a,
			      const struct object_loc *loc),
		    void *ctx) MUST_USE;

/* Those in packs from..upto, in any order. */
int objects_in_packs(struct objects *o, uint32_t from, uint32_t upto,
		     int (*fn)(void *ctx, const struct addr *a,
			       const struct object_loc *loc),
		     void *ctx) MUST_USE;
/* Takes the row away: nothing of the object is known any more. */
int objects_remove(struct objects *o, const struct addr *a) MUST_USE;

int packs_add(struct objects *o, const uint8_t id[PACK_ID_LEN],
	      uint32_t *ret_pack) MUST_USE;
/* From any thread, as objects_find; also rows of the open batch. */
int packs_id(struct objects *o, uint32_t pack,
	     uint8_t ret_id[PACK_ID_LEN]) MUST_USE;

/* Every pack that has a row, with the number of objects in it. */
int packs_iterate(struct objects *o,
		  int (*fn)(void *ctx, uint32_t pack,
			    const uint8_t id[PACK_ID_LEN], uint64_t objects),
		  void *ctx) MUST_USE;
/* How far a pack is referred to by rows, and on the disk for certain. */
struct pack_ends {
	uint32_t pack;
	uint8_t id[PACK_ID_LEN];
	uint64_t extent, durable;
};
/* The numbers rise: what is less than what is there changes nothing. */
int packs_extent(struct objects *o, uint32_t pack, uint64_t end) MUST_USE;
int packs_durable(struct objects *o, const uint8_t id[PACK_ID_LEN],
		  uint64_t end) MUST_USE;
int packs_ends(struct objects *o,
	       int (*fn)(void *ctx, const struct pack_ends *p),
	       void *ctx) MUST_USE;
/* After bytes were lost: both numbers as they are now; the row of a pack that
 * is gone. */
int packs_cut(struct objects *o, uint32_t pack, uint64_t end) MUST_USE;
int packs_remove(struct objects *o, uint32_t pack) MUST_USE;

struct object_totals {
	uint64_t objects, raw, stored, packs;
};
int objects_totals(struct objects *o, struct object_totals *ret) MUST_USE;

#endif
