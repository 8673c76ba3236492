/* cas/join.h - one branch of a store merged into another, as one change.
 *
 * What core/merge.h decides, with texts merged by lines (cas/diff3.h), applied
 * (core/ns_apply.h) and remembered: the next merge of the two begins where this
 * one ended. Beside whoever has the store open: they follow it as any change of
 * another process.
 *
 * Threads: one; db_lock() not held.
 */
#ifndef CAS_JOIN_H
#define CAS_JOIN_H

#include "cas/store.h"
#include "core/merge.h"

struct join {
	const char *into, *from; /* branches */
	const char *message;	 /* NULL: "merge FROM" */
	enum ns_op op;		 /* NS_OP_MERGE, NS_OP_RUN */
	struct ns_by by;	 /* without message */
	bool dry;		 /* only say what would be done */
	bool clean;		 /* nothing is done where there are conflicts */
};

struct join_result {
	struct merge_notes notes;
	uint64_t seq; /* the change; 0: none was made */
	bool known;   /* there was nothing that into did not have */
};

/* Messages name what is wrong. What was applied is committed, not yet synced.
 */
int join_branches(struct store *s, const struct join *j,
		  struct join_result *ret, struct err *err) MUST_USE;

#endif
