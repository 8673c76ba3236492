/* core/ns_apply.h - a set of edits of the namespace as one change.
 *
 * Edits say what is to be afterwards, not the steps that lead there: to which
 * inode a name leads, what an inode is. So names can be swapped, and
 * directories put into each other the other way round, without a name in
 * between. The set is applied as one change (one number, one record of the
 * journal with all of its effects), whole or not at all.
 *
 * Owns:    copies of all that it is given.
 * Threads: a set belongs to one thread; ns_apply() as core/ns.h.
 */
#ifndef CORE_NS_APPLY_H
#define CORE_NS_APPLY_H

#include "core/ns.h"

struct ns_edits;

struct ns_edits *ns_edits_new(void) MUST_USE;
void ns_edits_free(struct ns_edits *e);
CLEANUP_FN(struct ns_edits, ns_edits_free)
bool ns_edits_empty(const struct ns_edits *e);

/* A number for an inode that is to be made: it stands for the real one, which
 * is given when the set is applied. */
uint64_t ns_edits_number(struct ns_edits *e);

/* What is said later of the same replaces what was said before. */
/* The name leads there; ino 0: there is no such name. */
int ns_edits_name(struct ns_edits *e, uint64_t dir, const char *name,
		  size_t len, uint64_t ino) MUST_USE;
/* 1 with the inode that a name of the set leads to (0: none), else 0. */
int ns_edits_find(const struct ns_edits *e, uint64_t dir, const char *name,
		  size_t len, uint64_t *ret_ino);
/* The inode is that: mode, owner, mtime, rdev; size and addr of a regular file.
 * The type of one that is there stays. One that is not there is made, with this
 * atime; target for symlinks alone. */
int ns_edits_inode(struct ns_edits *e, const struct ns_attr *a,
		   const char *target) MUST_USE;
/* value NULL: there is none. */
int ns_edits_xattr(struct ns_edits *e, uint64_t ino, const char *name,
		   const void *value, size_t len) MUST_USE;

/* Rows that belong to the change, written with its number; -errno undoes it
 * all. NULL: none. */
struct ns_also {
	int (*fn)(void *ctx, uint64_t seq);
	void *ctx;
};

/* 1, and the change's number; 0 and no change when all is so already. What lost
 * its last name is an orphan then (ns_reap()). Nothing is changed by a failure:
 *   -ENOENT     a name in a directory, or to an inode, that is not there
 *   -ENOTDIR    a name in what is no directory
 *   -ENOTEMPTY  a directory loses its name, and something stays in it
 *   -EMLINK     a directory would have two names, a file too many
 *   -ELOOP      a directory would lie in itself
 *   -EINVAL     an inode that would be made without a name; no possible name or
 *               inode
 *   -ESTALE     another type than the inode has */
int ns_apply(struct ns *ns, const struct ns_by *by, enum ns_op op,
	     struct ns_edits *e, struct ns_also also,
	     uint64_t *ret_seq) MUST_USE;
/* Those that lost their last name when it was applied. */
const uint64_t *ns_edits_gone(const struct ns_edits *e, size_t *ret_n);

#endif
