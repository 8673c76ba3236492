/* core/merged.h - what branches have of each other.
 *
 * A branch has of another one what that was up to a change: of the one it was
 * made from up to its fork, of one that was merged into it up to then, and by
 * each of these what they had. What two have both, newest first, is where a
 * merge of them begins: of several that do not have each other the newest.
 *
 * Whoever notes it records it in the change's journal, too (journal_merged()).
 *
 * Threads: as core/db.h: db_lock() held.
 */
#ifndef CORE_MERGED_H
#define CORE_MERGED_H

#include "core/db.h"

struct merged_base {
	uint64_t branch, at; /* that branch at that change is in both */
	uint64_t since; /* what `from` changed after that may differ from it */
};

int merged_base(struct db *db, uint64_t into, uint64_t from,
		struct merged_base *ret) MUST_USE;
/* As a part of the change seq: `into` has `from` up to a change. */
int merged_note(struct db *db, uint64_t seq, uint64_t into, uint64_t from,
		uint64_t upto) MUST_USE;

#endif
