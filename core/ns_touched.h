/* core/ns_touched.h - what was touched in a line of work since a change.
 *
 * Names and inodes whose rows were written then: all that can differ from that
 * moment, and maybe more. Of a branch in time of what was done in it, of main
 * of what was done in the directories concerned.
 *
 * Threads: as core/ns.h. A callback's non-zero ends it and is returned; it may
 * not change the namespace.
 */
#ifndef CORE_NS_TOUCHED_H
#define CORE_NS_TOUCHED_H

#include "core/ns.h"

int ns_touched(struct ns *ns, uint64_t since,
	       int (*name)(void *ctx, uint64_t dir, const char *name,
			   size_t len),
	       int (*inode)(void *ctx, uint64_t ino), void *ctx) MUST_USE;

#endif
