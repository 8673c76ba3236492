/* cas/gc_copy.h - live records of old packs, one behind the other in new ones.
 *
 * A record is read in the order of its pack, checked against its address and
 * appended as it is stored. Rows are switched when the new bytes are on disk;
 * until then, and if it ends there, the old place holds.
 *
 * Threads: one; db_lock() is taken for some rows at a time.
 */
#ifndef CAS_GC_COPY_H
#define CAS_GC_COPY_H

#include "cas/store.h"
#include "core/objects_doom.h"

/* Bytes of records in a new pack. */
#define COPY_SEAL PACK_SEAL

struct gc_copy;

/* stop is asked now and then (NULL: never). */
int gc_copy_new(struct store *s, struct dooms *d, bool (*stop)(void *ctx),
		void *ctx, struct gc_copy **ret) MUST_USE;
void gc_copy_free(struct gc_copy *c);
CLEANUP_FN(struct gc_copy, gc_copy_free)

/* Copies what the rows say lies in that pack; how many rows were found there.
 * -ECANCELED. */
int gc_copy_pack(struct gc_copy *c, int fd, const uint8_t id[PACK_ID_LEN],
		 uint32_t number, uint64_t *ret_rows) MUST_USE;
/* Switches the rows that wait: nothing leads to what was copied any more. */
int gc_copy_flush(struct gc_copy *c) MUST_USE;
/* The same, and finishes the last new pack. */
int gc_copy_end(struct gc_copy *c, uint64_t *ret_moved) MUST_USE;
uint64_t gc_copy_size(const struct gc_copy *c); /* of the new files */

#endif
