/* cas/pack_read.h - an object out of a pack, checked against its address.
 *
 * Threads: any.
 * Errors:  -EBADMSG not what the index says is there, or it does not hash to
 *          the address; -EIO the disk failed.
 */
#ifndef CAS_PACK_READ_H
#define CAS_PACK_READ_H

#include "cas/codec.h"
#include "cas/pack_cache.h"

/* Replaces the content of *ret. */
int pack_read(struct pack_cache *files, struct codec_pool *codecs,
	      const struct addr *a, const struct object_loc *loc,
	      struct buf *ret) MUST_USE;
/* The payload as it is stored, which is not checked; room for loc->stored. */
int pack_read_stored(const struct pack_file *f, const struct addr *a,
		     const struct object_loc *loc, void *payload) MUST_USE;

#endif
