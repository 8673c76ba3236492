/* core/budget.h - which derived bytes go when there are more than may be kept.
 *
 * GreedyDual-Size-Frequency (Cherkasova 1998): a result is worth the age of the
 * store when it was made or found last, plus its seconds x (1 + uses) / bytes.
 * What is worth least goes first, and the age becomes what that was worth: so
 * what nobody asks for goes in the end, whatever it cost.
 *
 * Never goes what is not known to be reproducible, and what a pin holds.
 *
 * Bytes are those of the output, before compression; several results with the
 * same output count each. Those of a directory, the files that it holds, each
 * content once, are found out later than the result: until then they are 0.
 *
 * Threads: functions that read take a connection of the caller's alone, the
 *          others want db_lock() held.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include "core/addr.h"
#include "core/buf.h"
#include "core/db.h"

#include <stdbool.h>

/* "none", or as in 10G. -EINVAL with a message. 0: none. */
int budget_parse(const char *text, uint64_t *ret, struct err *err) MUST_USE;
void budget_format(uint64_t budget, struct buf *ret);

/* Of all results that are kept. */
int budget_kept(struct db *db, uint64_t *ret) MUST_USE;

struct budget_row {
	struct addr recipe, addr;
	uint64_t bytes;
	int64_t worth;
	bool is_dir;
};
/* Those that may go, by rising worth. fn returns 0 to go on, 1 when enough has
 * gone, -errno. No lock is held. */
int budget_each(struct db *reader,
		int (*fn)(void *ctx, const struct budget_row *row),
		void *ctx) MUST_USE;
/* 1: its bytes are not kept any more; 0: it was used or made meanwhile. */
int budget_let_go(struct db *db, const struct budget_row *row) MUST_USE;

/* Directories whose bytes nobody knows yet: at most `max`. */
int budget_unknown(struct db *reader, struct budget_row *ret,
		   size_t max) MUST_USE;
/* UINT64_MAX: it cannot be read. Then it counts nothing. */
int budget_known(struct db *db, const struct budget_row *row,
		 uint64_t bytes) MUST_USE;

/* For SQL that writes rows of results. */
#define BUDGET_WORTH(wall, uses, bytes)                                      \
	"min(9000000000000000000, (SELECT age FROM collection WHERE id = 1)" \
	" + CAST(min(1e16, max(0, " wall ") * 1024.0 * (1 + " uses           \
	") / max(1, " bytes ")) AS INTEGER))"

#endif
