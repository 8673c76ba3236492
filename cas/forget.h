/* cas/forget.h - what a plan says (core/forget.h) is let go of for good.
 *
 * 1. The journals that have those values get clear objects without them, which
 *    are made durable.
 * 2. A change says that these are the values from now on, and which versions
 *    are gone. That is made durable, too: a power cut may take it back as any
 *    other change, and nothing is lost then.
 * 3. The rows lose what the journals have lost, and a change says that.
 *
 * The bytes themselves go with the next collection (cas/gc.h), which then frees
 * whatever nothing needs, however little it is. Ended at any point, what was
 * begun in 2 is ended by forget_finish(), of which collection takes care.
 *
 * Threads: one. One at a time in a store, and none beside a collection.
 * Errors:  -ECANCELED stopped, -EUCLEAN the journals are not what the rows say.
 */
#ifndef CAS_FORGET_H
#define CAS_FORGET_H

#include "cas/store.h"
#include "core/forget.h"

struct forget_options {
	bool (*stop)(void *ctx); /* NULL: never */
	/* How many changes of how many are done. NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t of);
	void *ctx;
};

struct forget_report {
	uint64_t versions, values, journals; /* rows; values; clear objects */
};

int forget_run(struct store *s, const struct forget_plan *p,
	       const struct forget_options *o, struct forget_report *ret,
	       struct err *err) MUST_USE;
/* Step 3 of what was begun before; under the lock of collection. Nothing to do
 * is the usual case, and costs one look. */
int forget_finish(struct store *s, struct ns *ns) MUST_USE;

#endif
