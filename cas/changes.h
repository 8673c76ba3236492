/* cas/changes.h - what was changed, read back from the journals.
 *
 * Who follows another process, or tells people what happened, gets every
 * effect of every change in order, with names in clear.
 *
 * Threads: any, without db_lock(): bytes come from the packs.
 * Errors:  -E2BIG more than changes_load() may hold: look at everything anew.
 *          -ENODATA names were let go of (forget). -EBADMSG damaged, or the
 *          chain from `to` does not lead to `from`.
 */
#ifndef CAS_CHANGES_H
#define CAS_CHANGES_H

#include "cas/store.h"
#include "core/journal.h"

struct changes;

/* The journals after `from` (zero: from the first) up to `to`; at most
 * max_bytes of them. */
int changes_load(struct store *s, const struct addr *from,
		 const struct addr *to, uint64_t max_bytes,
		 struct changes **ret) MUST_USE;
void changes_free(struct changes *c);
CLEANUP_FN(struct changes, changes_free)

/* Each effect, in order; the callback returns 0 to go on, anything else ends
 * it and is returned. */
typedef int (*change_fn)(void *ctx, const struct journal_record *r,
			 const struct journal_effect *e);
int changes_each(struct changes *c, change_fn fn, void *ctx) MUST_USE;

#endif
