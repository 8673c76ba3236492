/* core/tree_diff.h - in what two moments of a tree differ.
 *
 * What lies between two changes is what can differ: directories in which names
 * came or went are asked for those alone (the interval tree of core/ns_past.c
 * has them apart), inodes that were written are compared. So the time is that
 * of the changes in between, whatever the size of the tree.
 *
 * Owner, mode, content, target and device count; times do not. A file that lost
 * one name and got another is renamed; so is one that went and came with the
 * same content.
 *
 * Threads: as core/db.h: db_lock() held around every call.
 */
#ifndef CORE_TREE_DIFF_H
#define CORE_TREE_DIFF_H

#include "core/ns.h"

enum tree_what { TREE_ADDED, TREE_REMOVED, TREE_CHANGED, TREE_RENAMED };

struct tree_change {
	enum tree_what what;
	char *from, *to; /* below the root, without leading slash; NULL where
			  * there is none */
	struct ns_attr a, b;
};

struct tree_changes {
	struct tree_change *list; /* by path */
	size_t n;
};

/* Of all at and below a path ("" is the root), from change a to change b, which
 * may be the earlier one. What was moved into it or out of it was added or
 * removed. */
int tree_diff(struct ns *ns, uint64_t a, uint64_t b, const char *path,
	      struct tree_changes *ret) MUST_USE;
void tree_changes_done(struct tree_changes *c);

#endif
