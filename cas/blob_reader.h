/* cas/blob_reader.h - what blob_splice.c needs of an open blob; private to
 * cas/.
 */
#ifndef CAS_BLOB_READER_H
#define CAS_BLOB_READER_H

#include "cas/blob.h"
#include "cas/cache.h"
#include "cas/node.h"

struct blob {
	struct store *s;
	struct addr root;
	uint64_t size;
	const struct cached
		*node; /* a struct node; NULL: the root is a chunk */
};

/* The node that is the i-th child, to be given back with blob_put_node(). */
int blob_child(struct store *s, const struct node *parent, uint32_t i,
	       const struct cached **ret) MUST_USE;
/* The node of height 1 that holds an offset of a blob that has a node, to be
 * given back, and where that node begins. */
int blob_leaf(struct blob *b, uint64_t off, const struct cached **ret,
	      uint64_t *ret_base) MUST_USE;
/* A chunk that has to be size bytes long, of the store's cache of chunks. */
int blob_chunk(struct store *s, const struct addr *a, uint64_t size,
	       const struct cached **ret) MUST_USE;
/* Any node, of which the caller checks what it has to be. */
int blob_node(struct store *s, const struct addr *a,
	      const struct cached **ret) MUST_USE;
void blob_put_node(struct store *s, const struct cached *n);

#endif
