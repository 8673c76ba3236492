/* cas/zstream.h - zstd frames as streams of any length (RFC 8878).
 *
 * For users' files that are zstd, or become it. How objects are stored is
 * cas/codec.h's business; these two are the only modules that know zstd.
 *
 * Memory:  what zstd needs for a window, at most 128 MiB, whatever the length.
 * Threads: one at a time.
 */
#ifndef CAS_ZSTREAM_H
#define CAS_ZSTREAM_H

#include "core/macros.h"

#include <stdbool.h>

#define ZSTREAM_LEVEL_MIN 1
#define ZSTREAM_LEVEL_MAX 19

struct zstream;

/* Compresses into one frame, with its length and a checksum. */
int zstream_compressor(int level, uint64_t size, struct zstream **ret) MUST_USE;
/* Decompresses any number of frames; skippable ones give nothing. */
int zstream_decompressor(struct zstream **ret) MUST_USE;
void zstream_free(struct zstream *z);
CLEANUP_FN(struct zstream, zstream_free)

/* Takes bytes from the front of *p, and puts at most cap into out. Call until
 * *n is 0 and the output was not filled; a compressor with `last` set and the
 * rest of the input until it returns 1.
 * 1: a frame ends here and all of it is in the output, 0 more may come,
 * -EBADMSG not zstd or corrupt, -E2BIG needs a window over 128 MiB, -EINVAL
 * other bytes than announced, -ENOMEM. */
int zstream_step(struct zstream *z, const uint8_t **p, size_t *n, bool last,
		 void *out, size_t cap, size_t *ret_len) MUST_USE;

#endif
