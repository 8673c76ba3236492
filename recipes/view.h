/* recipes/view.h - the tree that one run sees: its inputs, nothing else.
 *
 * A view is built before the run, never changes, and is shown to the command
 * as a directory of the mount (fs). Leaves are values (content address, size,
 * executable), so what a command reads is what the computation's address
 * covers, whatever happens to the files meanwhile.
 *
 * Threads: built by one; read by any afterwards.
 */
#ifndef RECIPES_VIEW_H
#define RECIPES_VIEW_H

#include "core/addr.h"

#include <stdbool.h>

struct view_node {
	char *name;
	size_t len;
	bool dir;
	bool tree; /* a leaf that is a directory object */
	bool executable;
	bool seen;	  /* of a leaf: it was looked up */
	struct addr addr; /* of a leaf */
	uint64_t size;
	struct view_node **children; /* sorted by name */
	size_t count, cap;
};

struct view_node *view_new(void) MUST_USE;
void view_free(struct view_node *root);
CLEANUP_FN(struct view_node, view_free)

/* Adds a leaf under a relative path without . and .. components, making the
 * directories on the way. -EEXIST when another content lies there or a
 * component is a leaf; the same content twice is fine. */
int view_add(struct view_node *root, const char *path, size_t len,
	     const struct addr *addr, uint64_t size, bool executable) MUST_USE;
/* A directory object as it is; also path "", the root itself. -EEXIST when
 * anything lies there or above it that is no directory made on the way. */
int view_add_tree(struct view_node *root, const char *path, size_t len,
		  const struct addr *addr) MUST_USE;
/* The tree that lies there or above, and what is left of the path; NULL. */
const struct view_node *view_tree(const struct view_node *root,
				  const char **path, size_t *len);
int view_add_dir(struct view_node *root, const char *path, size_t len) MUST_USE;
/* Notes that a leaf was looked up: the one thing that changes. Under a lock of
 * the caller's. */
void view_saw(const struct view_node *v);
const struct view_node *view_find(const struct view_node *dir, const char *name,
				  size_t len);

#endif
