/* core/objects_internal.h - what the files of the index share, and they alone:
 * objects.c what every writer and reader does, objects_doom.c what collection
 * does. */
#ifndef CORE_OBJECTS_INTERNAL_H
#define CORE_OBJECTS_INTERNAL_H

#include "core/map.h"
#include "core/objects.h"
#include "core/stmts.h"

enum {
	ADD,
	REPLACE,
	TAKE,
	REMOVE,
	ALL,
	IN_PACKS,
	TOTALS,
	TOTALS_ADD,
	STORED,
	SEEN,
	PACK_ADD,
	PACK_COUNT,
	PACK_ALL,
	PACK_EXTENT,
	PACK_DURABLE,
	PACK_ENDS,
	PACK_CUT,
	PACK_GONE,
	MAIN_STMTS
};

enum { FIND, PACK_NAME, COLLECTION, COLLECTED, READ_STMTS };

struct pack;

struct object_delta {
	int64_t objects, raw, stored;
};

struct objects {
	struct db *db;
	struct stmt *stmts[MAIN_STMTS];
	struct object_delta added; /* in this batch, not in the totals yet */

	struct db *reader; /* its db_lock() guards what follows */
	struct stmt *reads[READ_STMTS];
	struct map *packs; /* by number */
	struct pack *fresh;
};

/* The columns kind .. raw, doomed from column 0 on. */
int object_loc_of(struct stmt *s, struct object_loc *ret) MUST_USE;

/* A bound DELETE of one row RETURNING raw, stored, and what follows for the
 * totals. 1: it went. */
int objects_remove_by(struct objects *o, struct stmt *s) MUST_USE;

#endif
