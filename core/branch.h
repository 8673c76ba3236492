/* core/branch.h - branches: lines of work over one store.
 *
 * A branch is made from another one at a change, its fork, and costs a row
 * until it differs (core/ns.h, core/ns_over.c). Making, renaming and removing
 * one is a change, so that a database made anew from the journals has them.
 *
 * What was removed has no name any more and cannot be opened. Its rows go when
 * that is durable and no branch that there is was made from it.
 *
 * Threads: as core/db.h: db_lock() held.
 */
#ifndef CORE_BRANCH_H
#define CORE_BRANCH_H

#include "core/ns.h"

#include <stdbool.h>

#define BRANCH_MAIN	UINT64_C(1)
#define BRANCH_NAME_MAX 200

struct branch {
	uint64_t id;
	char name[BRANCH_NAME_MAX + 32]; /* "main" */
	uint64_t parent, forked_at;	 /* 0: main */
	uint64_t born;			 /* the change that made it */
	uint64_t removed;		 /* and that removed it, or 0 */
	uint64_t merged; /* its changes up to here are in another branch */
};

/* -EINVAL, with a message: no name for a branch. */
int branch_check_name(const char *name, struct err *err) MUST_USE;
/* -ENOENT; also of one that was removed. */
int branch_get(struct db *db, uint64_t id, struct branch *ret) MUST_USE;
/* -ENOENT */
int branch_find(struct db *db, const char *name, struct branch *ret) MUST_USE;
/* By name. A callback's non-zero ends it and is returned. */
int branches_each(struct db *db, int (*fn)(void *ctx, const struct branch *b),
		  void *ctx) MUST_USE;
/* How many changes it has had since it was made or merged last. */
int branch_changes(struct db *db, const struct branch *b,
		   uint64_t *ret) MUST_USE;
/* The last change of its own; its fork, when there is none. */
int branch_last(struct db *db, const struct branch *b, uint64_t *ret) MUST_USE;

/* From the branch of ns as it was at a change (NS_NOW: is). -EEXIST, -EINVAL,
 * -ENOENT: there was nothing then. */
int branch_make(struct ns *ns, const struct ns_by *by, const char *name,
		uint64_t at, struct branch *ret) MUST_USE;
/* -ENOENT, -EBUSY: main. Who has it open still cannot write to it any more:
 * -ESTALE. */
int branch_remove(struct ns *ns, const struct ns_by *by,
		  const char *name) MUST_USE;
/* -EBUSY: main. */
int branch_rename(struct ns *ns, const struct ns_by *by, const char *name,
		  const char *to) MUST_USE;
/* Deletes the rows of those that were removed at or before a change, where no
 * other was made from them. 1: some were there, 0. */
int branches_sweep(struct db *db, uint64_t durable) MUST_USE;

/* For a database that is made anew, and after a power cut: rows alone. */
int branch_restore(struct db *db, const struct branch *b) MUST_USE;
int branch_unrestore(struct db *db, uint64_t id, uint64_t seq) MUST_USE;
int branches_back(struct db *db, uint64_t to) MUST_USE;

#endif
