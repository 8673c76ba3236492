/* cas/recover.h - what a crash left is brought in order.
 *
 * Called when a store is opened. After a clean end it finds nothing to do, at
 * the cost of a look at the list of packs. Else the ends of the packs whose
 * writers are gone are read; what is missing there is taken out of the index,
 * and the history goes back to the last batch whose bytes are all there: the
 * rows as they were then, and one more change that says so.
 *
 * Errors:  of the database, of the packs; with a message.
 * Durable: what it did, before it returns.
 */
#ifndef CAS_RECOVER_H
#define CAS_RECOVER_H

#include "cas/store.h"
#include "core/tip.h"

/* alone: no other process has the store open. The history goes back only then;
 * a power cut leaves nobody. */
int recover(struct store *s, struct tips *tips, bool alone,
	    struct err *err) MUST_USE;

#endif
