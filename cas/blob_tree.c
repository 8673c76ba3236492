#include "cas/blob_tree.h"

void blob_tree_done(struct blob_tree *t)
{
	uint32_t h;

	for (h = 1; h <= NODE_HEIGHT_MAX; h++)
		buf_done(&t->levels[h].node);
}

int blob_tree_put(struct blob_tree *t, enum obj_kind kind, const void *p,
		  size_t n, struct addr *ret)
{
	addr_of(kind, p, n, ret);
	return t->checked ? store_put_checked(t->s, kind, ret, p, n)
			  : store_put_as(t->s, kind, ret, p, n);
}

/* Finishes the node of that height. */
static int finish_node(struct blob_tree *t, uint32_t h, struct addr *ret)
{
	struct blob_level *l = &t->levels[h];
	int rc;

	node_end(&l->node, h, l->count);
	rc = buf_err(&l->node);
	if (!rc)
		rc = blob_tree_put(t, OBJ_NODE, l->node.data, l->node.len, ret);
	if (rc)
		return rc;
	l->done++;
	l->last = *ret;
	l->count = 0;
	return 0;
}

/* Adds a child to the node of height h, and what follows from it above. */
static int add_child(struct blob_tree *t, uint32_t h, const struct addr *a,
		     uint64_t size)
{
	struct addr child = *a, node;
	struct blob_level *l;
	int rc;

	for (; h <= NODE_HEIGHT_MAX; h++) {
		l = &t->levels[h];
		if (!l->count) {
			node_begin(&l->node);
			l->size = 0;
		}
		node_add(&l->node, &child, size);
		l->count++;
		l->size += size;
		if (!node_cuts(l->count, &child))
			return buf_err(&l->node);
		rc = finish_node(t, h, &node);
		if (rc)
			return rc;
		child = node;
		size = l->size;
	}
	return -EFBIG;
}

int blob_tree_add(struct blob_tree *t, const struct addr *a, uint64_t size)
{
	if (size > BLOB_SIZE_MAX - t->size)
		return -EFBIG;
	t->size += size;
	if (!t->entries++)
		t->only = *a;
	return add_child(t, 1, a, size);
}

uint32_t blob_tree_even(const struct blob_tree *t)
{
	uint32_t h = 0;

	while (h < NODE_HEIGHT_MAX && !t->levels[h + 1].count)
		h++;
	return h;
}

int blob_tree_add_node(struct blob_tree *t, uint32_t height,
		       const struct addr *a, uint64_t size)
{
	uint32_t h;

	if (size > BLOB_SIZE_MAX - t->size)
		return -EFBIG;
	t->size += size;
	/* how many there are below it does not matter: it is not one */
	t->entries += 2;
	for (h = 1; h < height; h++)
		t->levels[h].done += 2;
	t->levels[height].done++;
	t->levels[height].last = *a;
	return add_child(t, height + 1, a, size);
}

/* Closes the unfinished nodes from the bottom up, to the first height that has
 * one node only. */
int blob_tree_finish(struct blob_tree *t, struct addr *ret)
{
	struct addr node;
	struct blob_level *l;
	uint32_t h;
	int rc;

	if (!t->entries)
		return blob_tree_put(t, OBJ_CHUNK, "", 0, ret);
	if (t->entries == 1 && !addr_is_zero(&t->only)) {
		*ret = t->only;
		return 0;
	}
	for (h = 1; h <= NODE_HEIGHT_MAX; h++) {
		l = &t->levels[h];
		if (l->count) {
			rc = finish_node(t, h, &node);
			if (!rc && l->done > 1)
				rc = add_child(t, h + 1, &node, l->size);
			if (rc)
				return rc;
		}
		if (l->done == 1) {
			*ret = l->last;
			return 0;
		}
	}
	return -EFBIG;
}
