/* cas/pending.h - objects that are in a pack and not yet in the index.
 *
 * Rows are written with the batch that ends next. Until it is committed the
 * place is found here; when it is rolled back it stays for the next one, since
 * the bytes are in the pack all the same.
 *
 * Threads: find, add, any from any thread; write and end under db_lock().
 */
#ifndef CAS_PENDING_H
#define CAS_PENDING_H

#include "core/objects.h"

struct pending;

/* The id of the process's own pack of that number. */
typedef int (*own_id_fn)(void *ctx, uint32_t own, uint8_t ret[PACK_ID_LEN]);

struct pending *pending_new(own_id_fn fn, void *ctx) MUST_USE;
void pending_free(struct pending *p);

/* loc->pack is the number of an own pack, here and below. */
bool pending_find(struct pending *p, const struct addr *a,
		  struct object_loc *ret);
/* replace: the bytes at the place that is known (here or in the index) are
 * damaged. Else the first place stays. */
int pending_add(struct pending *p, const struct addr *a,
		const struct object_loc *loc, bool replace) MUST_USE;
/* Whether something waits for a batch to be written with. */
bool pending_any(struct pending *p);

/* Writes all rows that wait, into the open batch. */
int pending_write(struct pending *p, struct objects *o) MUST_USE;
/* The batch has ended. */
void pending_end(struct pending *p, bool committed);

#endif
