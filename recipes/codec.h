/* recipes/codec.h - one interface to what turns a stream of bytes into another.
 *
 * Private to fn_codec.c, which drives them, and to codec_NAME.c, one for each
 * library, each the only one that knows it.
 */
#ifndef RECIPES_CODEC_H
#define RECIPES_CODEC_H

#include "core/err.h"

#include <stdbool.h>

struct codec {
	const char *format; /* for messages */
	bool empty_ok;	    /* decoding: no bytes at all are fine */
	/* size: how many bytes will come. */
	int (*open)(const struct codec *c, int level, uint64_t size,
		    void **ret);
	/* Takes bytes from the front of *p and puts at most cap into out. Is
	 * called until *n is 0 and the output was not filled; with `last` set
	 * and no bytes left until it returns 1.
	 * 1: complete here (decoding: more may still come), 0: not so.
	 * -EILSEQ with what is wrong, -ENOMEM. */
	int (*step)(void *z, const uint8_t **p, size_t *n, bool last,
		    uint8_t *out, size_t cap, size_t *ret_len, struct err *err);
	void (*close)(void *z);
};

extern const struct codec codec_gzip, codec_gunzip;	/* codec_gzip.c */
extern const struct codec codec_zstd, codec_unzstd;	/* codec_zstd.c */
extern const struct codec codec_xz, codec_unxz;		/* codec_xz.c */
extern const struct codec codec_base64, codec_unbase64; /* codec_text.c */
extern const struct codec codec_hex, codec_unhex;	/* codec_text.c */

#endif
