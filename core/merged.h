/* core/merged.h - up to where one branch was merged into another.
 *
 * Whoever notes it records it in the change's journal, too (journal_merged()).
 *
 * Threads: as core/db.h: db_lock() held.
 */
#ifndef CORE_MERGED_H
#define CORE_MERGED_H

#include "core/db.h"

/* The last change of `from` that is in `into` by a merge; 0: none. */
int merged_upto(struct db *db, uint64_t into, uint64_t from,
		uint64_t *ret) MUST_USE;
/* As a part of the change seq. */
int merged_note(struct db *db, uint64_t seq, uint64_t into, uint64_t from,
		uint64_t upto) MUST_USE;

#endif
