/* recipes/fn.h - what the built-in functions share: their rows, and reading.
 *
 * Private to function.c and fn_FAMILY.c.
 */
#ifndef RECIPES_FN_H
#define RECIPES_FN_H

#include "recipes/function.h"

extern const struct function fn_concat, fn_lines;  /* fn_text.c */
extern const struct function fn_sort;		   /* fn_sort.c */
extern const struct function fn_sha256, fn_blake3; /* fn_hash.c */
extern const struct function fn_gzip, fn_gunzip;   /* fn_gzip.c */
extern const struct function fn_zstd, fn_unzstd;   /* fn_zstd.c */

#define FN_BLOCK KIB(256)

/* Reads inputs from front to end. Memory: one block. */
struct fn_reader {
	struct fn_call *call;
	const struct fn_input *input;
	struct blob *blob;
	uint8_t *block;
	uint64_t off;
};

/* Input number i; a reader that was opened is opened again for the next. */
int fn_open(struct fn_reader *r, struct fn_call *call, size_t i,
	    struct err *err) MUST_USE;
void fn_reader_done(struct fn_reader *r);
#define CLEANUP_READER CLEANUP(fn_reader_done)

/* The next bytes, valid until the next call; 0 at the end. -ECANCELED. */
ssize_t fn_read(struct fn_reader *r, const uint8_t **ret,
		struct err *err) MUST_USE;
/* Skips a run of zeros that begins here and is known without reading it; its
 * length, which may be 0. */
int fn_skip_zeros(struct fn_reader *r, uint64_t *ret, struct err *err) MUST_USE;

int fn_write(struct fn_call *call, const void *p, size_t n,
	     struct err *err) MUST_USE;
/* A value and a newline. */
int fn_write_line(struct fn_call *call, const char *text,
		  struct err *err) MUST_USE;

bool fn_stopped(const struct fn_call *call);
bool fn_is_true(const struct fn_call *call, const struct function *f,
		const char *name);

#endif
