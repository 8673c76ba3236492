/* cas/pack_verify.h - reads packs whole, record by record, and checks every
 * byte of what they hold against its address.
 *
 * Sectors that the disk cannot read are stepped over like any other damage.
 *
 * Threads: a verifier by one at a time; packs_each() has its own.
 */
#ifndef CAS_PACK_VERIFY_H
#define CAS_PACK_VERIFY_H

#include "cas/pack_list.h"

struct pack_verifier;

struct pack_verifier *pack_verifier_new(void) MUST_USE;
void pack_verifier_free(struct pack_verifier *v);
CLEANUP_FN(struct pack_verifier, pack_verifier_free)

/* A record as it lies there. bytes: the object, when good; gone after the
 * callback. */
struct pack_object {
	struct record r;
	uint64_t offset;
	bool good;
	const uint8_t *bytes;
};

/* In order. The callback's non-zero ends it and is returned. done counts the
 * bytes gone through, atomically; may be NULL. -EPROTONOSUPPORT: of a newer
 * version. */
int pack_verify(struct pack_verifier *v, int fd, const uint8_t id[PACK_ID_LEN],
		int (*fn)(void *ctx, const struct pack_object *o), void *ctx,
		uint64_t *done, struct pack_damage *ret_damage) MUST_USE;

/* One object at a place: 0 with its record and bytes in *ret (replaced),
 * -EBADMSG damaged or no record, -EIO. */
int pack_read_object(struct pack_verifier *v, int fd,
		     const uint8_t id[PACK_ID_LEN], uint64_t offset,
		     struct record *ret_record, struct buf *ret) MUST_USE;

/* Calls back for 0 .. count - 1 from as many threads as there are cores, each
 * with a verifier of its own; the first failure ends it and is returned. While
 * they work, poll (may be NULL) is called in this thread every 100 ms. */
int packs_each(size_t count,
	       int (*fn)(void *ctx, size_t i, struct pack_verifier *v),
	       void (*poll)(void *ctx), void *ctx) MUST_USE;

#endif
