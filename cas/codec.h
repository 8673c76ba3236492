/* cas/codec.h - how an object's bytes are stored: as they are, or as a zstd
 * frame (RFC 8878). Streams of any length are cas/zstream.h's.
 *
 * Compression is no part of an address: another level, another version of
 * zstd, give other packs with the same objects.
 *
 * Threads: a codec is used by one at a time; the pool by any.
 * Errors:  -EBADMSG bytes that do not decode to exactly the length stated.
 */
#ifndef CAS_CODEC_H
#define CAS_CODEC_H

#include "core/macros.h"

#include <stdbool.h>

/* Numbers are on disk. */
enum codec_id {
	CODEC_RAW = 0,
	CODEC_ZSTD = 1,
};

/* Contexts and scratch memory, kept from one object to the next. */
struct codec;
struct codec_pool;

struct codec_pool *codec_pool_new(void) MUST_USE;
void codec_pool_free(struct codec_pool *p); /* all codecs are back in it */
struct codec *codec_take(struct codec_pool *p) MUST_USE; /* NULL: no memory */
void codec_give(struct codec_pool *p, struct codec *c);

/* Chooses between raw and zstd. What comes back points into p or into the
 * codec, and lives as long as both. */
int codec_encode(struct codec *c, const void *p, size_t n,
		 enum codec_id *ret_codec, const void **ret_p,
		 size_t *ret_n) MUST_USE;

/* n bytes of the codec's memory, to read what is stored into. */
void *codec_scratch(struct codec *c, size_t n) MUST_USE;

/* Decodes a zstd frame into exactly raw bytes at to, never more. */
int codec_decode(struct codec *c, const void *p, size_t n, void *to,
		 size_t raw) MUST_USE;

#endif
