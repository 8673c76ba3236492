/* cas/packset.h - the packs of a store as a whole: where this process appends,
 * and what has to reach the disk, whoever wrote it.
 *
 * Threads: any.
 * Errors:  what the system said; after a failed fdatasync every later sync
 *          fails as well, because nobody knows what the disk has. That pack is
 *          never called sealed: who opens the store next looks at its end.
 */
#ifndef CAS_PACKSET_H
#define CAS_PACKSET_H

#include "cas/pack.h"

struct packset;

/* The directory's descriptor stays the caller's. Takes away what a writer that
 * died left half-made. */
int packset_open(int packs_fd, struct packset **ret) MUST_USE;
void packset_close(struct packset *s);
CLEANUP_FN(struct packset, packset_close)

/* n records, at most PACK_RUN, one behind the other into this process's current
 * pack, a new one when it is full: all or none. ret_own counts this process's
 * packs from 0; ret_offset is the place of the first. */
int packset_append(struct packset *s, const struct record *r,
		   const void *const *payloads, size_t n, uint32_t *ret_own,
		   uint64_t *ret_offset) MUST_USE;
/* The id of one of this process's packs. */
int packset_own_id(struct packset *s, uint32_t own,
		   uint8_t ret[PACK_ID_LEN]) MUST_USE;

/* What is appended from now on goes to another pack; the one so far is sealed
 * by the next sync. */
int packset_retire(struct packset *s) MUST_USE;

/* Calls back with those of them of which more is on the disk than was said
 * before, and how much. again: with all, as what was said last was lost. */
int packset_synced(struct packset *s, bool again,
		   int (*fn)(void *ctx, const uint8_t id[PACK_ID_LEN],
			     uint64_t end),
		   void *ctx) MUST_USE;

/* Whether packset_synced() would have something to say. */
bool packset_news(struct packset *s);

/* Everything that was appended before the call, by any process, is on disk
 * after it, and so are the names of the packs. */
int packset_sync(struct packset *s) MUST_USE;
/* Whether that seals what dead processes left, as it does if not told else: not
 * before recovery has cut off what is not whole. */
void packset_sealing(struct packset *s, bool on);

#endif
