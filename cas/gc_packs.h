/* cas/gc_packs.h - which packs go: those without a live object, and those that
 * are mostly waste, whose live objects move to a new pack.
 *
 * A pack that somebody may append to is left alone. Rows go before bytes: what
 * is unlinked has no row that survives a power cut.
 *
 * Threads: one.
 */
#ifndef CAS_GC_PACKS_H
#define CAS_GC_PACKS_H

#include "cas/store.h"
#include "core/objects_doom.h"

struct gc_packs;

struct gc_pack_totals {
	uint64_t removed, rewritten; /* packs */
	uint64_t freed;		     /* bytes of files, less those written */
	uint64_t moved;		     /* bytes of records */
	uint64_t left;		     /* waste that is not worth it, or is in a
				      * pack being written */
};

/* The files as they are now. Those being written count as such, unless
 * all. */
int gc_packs_new(struct store *s, struct dooms *d, bool all,
		 struct gc_packs **ret) MUST_USE;
void gc_packs_free(struct gc_packs *g);
CLEANUP_FN(struct gc_packs, gc_packs_free)
/* How many are being written just now. */
int gc_packs_busy(struct store *s) MUST_USE;

/* Learns the numbers by which rows name them; then each row that stays is
 * counted. */
int gc_packs_number(struct gc_packs *g) MUST_USE;
/* Whether the pack is one of them. */
bool gc_packs_count(struct gc_packs *g, const struct object_loc *loc);
/* Whether its file was written to in the last ns. */
bool gc_packs_young(struct gc_packs *g, const struct object_loc *loc,
		    int64_t ns);

/* What would be done: packs of which at least that many percent are waste are
 * rewritten. */
void gc_packs_plan(struct gc_packs *g, unsigned percent,
		   struct gc_pack_totals *ret);
/* Does it; stop (may be NULL) is asked now and then, and ends it with
 * -ECANCELED. What was done by then is counted. */
int gc_packs_sweep(struct gc_packs *g, bool (*stop)(void *ctx), void *ctx,
		   struct gc_pack_totals *ret) MUST_USE;

#endif
