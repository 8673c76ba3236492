/* core/objects_doom.h - the rows of the index as collection sees them.
 *
 * A row is doomed when nothing was found that needs its object. From then on
 * no writer relies on it: who puts the same bytes puts them anew, which takes
 * the row over. So a doomed row can be taken away at any later moment, once
 * those are done that had found it before it was doomed.
 *
 * Owns:    a connection of its own for reading, so that a walk over all rows
 *          holds nobody up; rows come in pages.
 * Threads: one. Functions that write want db_lock() of the store's db held.
 */
#ifndef CORE_OBJECTS_DOOM_H
#define CORE_OBJECTS_DOOM_H

#include "core/objects.h"

/* How far collection has come; kept in the database. */
enum collection {
	COLLECTION_NONE,
	COLLECTION_DOOMING, /* doomed rows may still be wanted */
	COLLECTION_FINAL,   /* they are not; some are gone already */
};

struct dooms;

/* path: of the database. */
int dooms_open(struct objects *o, const char *path, struct dooms **ret,
	       struct err *err) MUST_USE;
void dooms_close(struct dooms *d);
CLEANUP_FN(struct dooms, dooms_close)

/* The connection for reading, for others who walk over all of their rows. */
struct db *dooms_reader(struct dooms *d);

struct object_row {
	struct addr addr;
	struct object_loc loc;
};
/* The next rows by address after *after (NULL: from the first), of all or of
 * the doomed ones. Returns how many, 0 at the end. No lock is needed. */
int dooms_page(struct dooms *d, const struct addr *after, bool doomed,
	       struct object_row *ret, size_t max) MUST_USE;
/* The pack's rows: number and id, by number after `after`. */
struct pack_row {
	uint32_t number;
	uint8_t id[PACK_ID_LEN];
};
int dooms_packs(struct dooms *d, uint32_t after, struct pack_row *ret,
		size_t max) MUST_USE;

int dooms_set(struct dooms *d, const struct addr *a, bool doomed) MUST_USE;
/* Takes away a row that is still doomed. 1: it went. */
int dooms_remove(struct dooms *d, const struct addr *a) MUST_USE;
/* The object lies elsewhere now, unless it was moved meanwhile. 1: so be it. */
int dooms_move(struct dooms *d, const struct addr *a,
	       const struct object_loc *from,
	       const struct object_loc *to) MUST_USE;
int dooms_remove_pack(struct dooms *d, uint32_t number) MUST_USE;
int dooms_set_state(struct dooms *d, enum collection state,
		    int64_t now_ns) MUST_USE;

/* The state that was committed last, from any thread (reader's lock). */
int objects_collection(struct objects *o, enum collection *ret) MUST_USE;
/* When the last collection ended; 0: never. */
int objects_collected(struct objects *o, int64_t *ret_ns) MUST_USE;

#endif
