/* core/merkle.h - the tree of a Merkle log, and proofs over it (permanent).
 *
 * Method: RFC 9162, section 2.1, with BLAKE3 in derive-key mode: contexts of
 * their own for leaves and inner nodes take the place of its prefix bytes.
 * deriva-store(5) has the bytes.
 *
 * Only hashes of whole subtrees are asked for: of 2^level leaves, which begin
 * at leaf pos * 2^level. A log without leaves has no root.
 *
 * Threads: any; nothing is kept.
 */
#ifndef CORE_MERKLE_H
#define CORE_MERKLE_H

#include "core/addr.h"
#include "core/buf.h"

#define MERKLE_PATH_MAX 128 /* hashes of a proof */

void merkle_leaf(const void *p, size_t n, struct addr *ret);
void merkle_node(const struct addr *left, const struct addr *right,
		 struct addr *ret);

struct merkle {
	int (*whole)(void *ctx, unsigned level, uint64_t pos, struct addr *ret);
	void *ctx;
};

/* Of the first `size` leaves, at least 1. */
int merkle_root(const struct merkle *m, uint64_t size,
		struct addr *ret) MUST_USE;
/* The hashes that lead from a leaf to that root, appended in the order of the
 * RFC. */
int merkle_inclusion(const struct merkle *m, uint64_t leaf, uint64_t size,
		     struct buf *ret) MUST_USE;
/* From the root of the first `old` leaves to that of the first `size`. */
int merkle_consistency(const struct merkle *m, uint64_t old, uint64_t size,
		       struct buf *ret) MUST_USE;

/* Whether the path (n hashes) proves it. */
bool merkle_is_in(const struct addr *leaf, uint64_t index, uint64_t size,
		  const struct addr *path, size_t n, const struct addr *root);
bool merkle_is_before(uint64_t old, const struct addr *old_root, uint64_t size,
		      const struct addr *root, const struct addr *path,
		      size_t n);

#endif
