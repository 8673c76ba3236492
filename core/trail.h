/* core/trail.h - what a path has led to, at any moment.
 *
 * A name in a directory is held by one inode after the other, and so is each
 * directory above it: a path is a tree of intervals. What a path's history is
 * made of are the versions of all inodes that ever had it, each up to the
 * change at which it had it for the last time, and back to its making under
 * whatever name: a file's history goes with it when it is renamed.
 *
 * Threads: as core/db.h: db_lock() held around every call.
 * Errors:  -ENOENT, -EINVAL for "." and "..", -EUCLEAN.
 */
#ifndef CORE_TRAIL_H
#define CORE_TRAIL_H

#include "core/ns.h"

#define TRAIL_NOW UINT64_MAX

/* An inode that had the path: the name came at `born` and was lost at `until`,
 * or a directory above it was (TRAIL_NOW: it has it). */
struct trail {
	uint64_t ino, born, until;
};

/* Paths are below the root, "a/b" or "/a/b"; "" is the root itself. In order of
 * the names' coming within each directory. The callback's non-zero ends it and
 * is returned. */
int trail_each(struct ns *ns, const char *path,
	       int (*fn)(void *ctx, const struct trail *t), void *ctx) MUST_USE;
/* The inode of such a path that a change gave a version to: -ENOENT. In time of
 * the path's depth and of the names that those inodes had. */
int trail_version(struct ns *ns, const char *path, uint64_t seq,
		  uint64_t *ret_ino) MUST_USE;
/* Every name that there ever was in a directory up to a change, in byte order.
 */
int trail_names(struct ns *ns, uint64_t dir, uint64_t until,
		int (*fn)(void *ctx, const char *name, size_t len),
		void *ctx) MUST_USE;

/* An inode's versions, oldest first, without those that were never closed: what
 * a file was between its making and the first close by the process that made
 * it. */
int trail_versions(struct ns *ns, uint64_t ino,
		   int (*fn)(void *ctx, const struct ns_version *v),
		   void *ctx) MUST_USE;

/* When each of an inode's names came and went, whichever they were. */
int trail_of_inode(struct ns *ns, uint64_t ino,
		   int (*fn)(void *ctx, const struct trail *t),
		   void *ctx) MUST_USE;

#endif
