/* fs/node_table.h - all nodes of a mount, by their keys.
 *
 * A million of them is a walk of a user's: an entry here is a pointer, and the
 * key is the node's own (core/map.h keeps a copy of each).
 *
 * Owns: nothing of the nodes. Threads: one at a time.
 */
#ifndef FS_NODE_TABLE_H
#define FS_NODE_TABLE_H

#include "core/macros.h"

#include <stdbool.h>

struct node;
struct node_table;

struct node_table *node_table_new(void) MUST_USE;
void node_table_free(struct node_table *t);
struct node *node_table_get(const struct node_table *t, const void *key,
			    size_t len);
/* One whose key is not in it; -ENOMEM, never right after a del. */
int node_table_put(struct node_table *t, struct node *n) MUST_USE;
/* Before its key changes. */
void node_table_del(struct node_table *t, struct node *n);
/* Each once, as long as the table is left alone; *it begins as 0. NULL: the
 * end. */
struct node *node_table_next(const struct node_table *t, size_t *it);

#endif
