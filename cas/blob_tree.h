/* cas/blob_tree.h - the nodes above the entries of a blob, made from left to
 * right (deriva-store(5), NODES).
 *
 * Entries gather in the unfinished node of height 1, full nodes are children of
 * the unfinished node of height 2, and so on: one unfinished node a height is
 * all that is kept. Nodes of another blob can be taken as they are where
 * nothing below them is unfinished.
 *
 * Private to cas/. Threads: one. Errors: -EFBIG, those of store_put_as().
 */
#ifndef CAS_BLOB_TREE_H
#define CAS_BLOB_TREE_H

#include "cas/node.h"
#include "cas/store.h"

/* The unfinished node of a height, and how many of that height there were. */
struct blob_level {
	struct buf node;
	uint32_t count; /* of its children */
	uint64_t size;	/* of what is below it */
	uint64_t done;
	struct addr last; /* the latest that was finished */
};

struct blob_tree {
	struct store *s;
	bool checked; /* what is there already is read back, and healed */
	uint64_t size, entries;
	struct addr only; /* the first entry: the root, if it stays alone */
	struct blob_level levels[NODE_HEIGHT_MAX + 1];
};

/* A tree starts zeroed, with s set. */
void blob_tree_done(struct blob_tree *t);

/* Stores an object of the tree; its address. */
int blob_tree_put(struct blob_tree *t, enum obj_kind kind, const void *p,
		  size_t n, struct addr *ret) MUST_USE;
/* The next entry: a chunk, or a hole (address zero). */
int blob_tree_add(struct blob_tree *t, const struct addr *a,
		  uint64_t size) MUST_USE;
/* The greatest height of a node that may come next as a whole; 0: none. */
uint32_t blob_tree_even(const struct blob_tree *t);
/* A node of that height, which has nodes behind it in the blob it is from. */
int blob_tree_add_node(struct blob_tree *t, uint32_t height,
		       const struct addr *a, uint64_t size) MUST_USE;
/* Once, after the last entry: the root. */
int blob_tree_finish(struct blob_tree *t, struct addr *ret) MUST_USE;

#endif
