/* cas/gc_mark.h - everything that can be reached from roots.
 *
 * What several trees share is visited once. Chunks are only looked up in the
 * index, nodes and directories are read.
 *
 * Threads: one.
 * Errors:  -EUCLEAN a node or directory is damaged or missing, so that nobody
 *          knows what it needed; -ECANCELED stopped.
 */
#ifndef CAS_GC_MARK_H
#define CAS_GC_MARK_H

#include "cas/addrset.h"
#include "cas/store.h"

struct marker;

/* stop is asked now and then. */
int marker_new(struct store *s, uint64_t expect, bool (*stop)(void *ctx),
	       void *ctx, struct marker **ret) MUST_USE;
void marker_free(struct marker *m);
CLEANUP_FN(struct marker, marker_free)

/* Marks the object and what it needs. A root that the store does not have is
 * passed over. */
int marker_add(struct marker *m, const struct addr *root) MUST_USE;
bool marker_has(const struct marker *m, const struct addr *a);
uint64_t marker_count(const struct marker *m);
/* After -EUCLEAN: which. */
const struct addr *marker_damaged(const struct marker *m);

#endif
