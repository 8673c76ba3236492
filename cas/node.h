/* cas/node.h - inner nodes of a blob (permanent; deriva-store(5), NODES).
 *
 *	u32 height, u32 count, count x (address, u64 size)
 *
 * Children of height 1 are chunks and holes (address zero); of height h nodes
 * of height h - 1. Only what a writer would have made decodes.
 *
 * Errors: -EBADMSG bytes that are no canonical node.
 */
#ifndef CAS_NODE_H
#define CAS_NODE_H

#include "core/addr.h"
#include "core/buf.h"

#define NODE_MAX	1024
#define NODE_HEIGHT_MAX 63
#define NODE_HEADER_LEN 8
#define NODE_ENTRY_LEN	40
#define BLOB_SIZE_MAX	((uint64_t)INT64_MAX)

struct node_entry {
	struct addr addr;
	uint64_t size;
	uint64_t
		end; /* where its content ends, counted from the node's start */
};

struct node {
	uint32_t height, count;
	uint64_t size;
	struct node_entry e[];
};

static inline bool node_is_hole(const struct node_entry *e)
{
	return addr_is_zero(&e->addr);
}
static inline uint64_t node_start(const struct node *n, uint32_t i)
{
	return i ? n->e[i - 1].end : 0;
}

/* Whether a node ends after its count-th child (from 1), which has that
 * address (zero: a hole). */
bool node_cuts(uint32_t count, const struct addr *a);

/* Appends an entry to the encoding of a node that node_begin() started. */
void node_begin(struct buf *b);
void node_add(struct buf *b, const struct addr *a, uint64_t size);
/* Fills in the header: then the bytes are the object. */
void node_end(struct buf *b, uint32_t height, uint32_t count);

/* One allocation, the caller's to free(). */
int node_decode(const void *p, size_t n, struct node **ret) MUST_USE;

/* Index of the child that holds offset off < n->size. */
uint32_t node_find(const struct node *n, uint64_t off);

#endif
